// SPDX-License-Identifier: Apache-2.0
// One line a message on standard error: time, level, where it comes from, text. Quiet by default (REDGE_LOG=warn).
const LEVELS = { 10: "fatal", 20: "error", 30: "warn", 40: "info", 50: "debug", 60: "trace" };

/** What Node-RED says at every start of a site without projects or credentials; it asks nothing of anybody. */
const EXPECTED = [/^Projects disabled/, /^Encrypted credentials not found/];

/** Value of the setting `logging`. */
exports.logging = {
    redge: {
        level: process.env.REDGE_LOG ?? "warn",
        metrics: false,
        audit: false,
        handler: () => (message) => {
            const text = textOf(message.msg);
            if (message.level === 30 && EXPECTED.some((pattern) => pattern.test(text))) return;
            const from = message.type === undefined ? "" : ` [${message.type}:${message.name || message.id}]`;
            const time = new Date(message.timestamp ?? Date.now()).toISOString();
            process.stderr.write(`${time} ${LEVELS[message.level] ?? message.level}${from} ${text}\n`);
        },
    },
};

function textOf(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) return process.env.REDGE_DEBUG === "1" ? (value.stack ?? value.message) : value.message;
    if (typeof value?.message === "string") return value.message;
    return JSON.stringify(value);
}
