// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NodeRed, NodeStatus, RedNode } from "../../nodes/shell/red.ts";
import { StatusLine } from "../../nodes/shell/status.ts";
import { ManualClock } from "../../src/core/manual-clock.ts";

const TEXTS: Record<string, string> = { "probe.status.idle": "idle", "probe.status.devices": "__count__ devices" };

function line(): { readonly clock: ManualClock; readonly shown: NodeStatus[]; readonly status: StatusLine } {
    const shown: NodeStatus[] = [];
    const clock = new ManualClock();
    const translate = (key: string, params: Record<string, unknown> = {}): string =>
        (TEXTS[key] ?? key).replace(/__(\w+)__/g, (_, name: string) => String(params[name]));
    const node = { type: "probe", status: (value: NodeStatus) => shown.push(value) } as unknown as RedNode;
    return { clock, shown, status: new StatusLine({ _: translate } as unknown as NodeRed, node, clock) };
}

const devices = (count: number) => ({ level: "ready", text: "devices", params: { count } }) as const;

test("shows the first state at once, then at most one change a second, and always the last", async () => {
    const { clock, shown, status } = line();
    for (const count of [0, 1, 2]) status.show(devices(count));
    expect(shown.map(({ text }) => text)).toEqual(["0 devices"]);
    await clock.advance(1000);
    expect(shown.map(({ text }) => text)).toEqual(["0 devices", "2 devices"]);
    status.show(devices(3));
    await clock.advance(999);
    expect(shown).toHaveLength(2);
    await clock.advance(1);
    expect(shown.map(({ text }) => text)).toEqual(["0 devices", "2 devices", "3 devices"]);
});

test("does not repeat what is shown already", async () => {
    const { clock, shown, status } = line();
    for (let turn = 0; turn < 5; turn += 1) {
        status.show(devices(1));
        await clock.advance(2000);
    }
    expect(shown).toHaveLength(1);
});

test("an announced state does not hold back the next", () => {
    const { shown, status } = line();
    status.announce({ level: "connecting", text: "idle" });
    status.show(devices(4));
    expect(shown).toEqual([
        { fill: "yellow", shape: "ring", text: "probe.status.idle" },
        { fill: "green", shape: "dot", text: "4 devices" },
    ]);
});

test("texts without places go out as keys, unknown ones as words, long ones shortened", () => {
    const { shown, status } = line();
    status.announce({ level: "busy", text: "idle" });
    status.announce({ level: "busy", text: "somethingNew", params: { count: 2 } });
    status.fail("x".repeat(100), "ring");
    expect(shown[0]?.text).toBe("probe.status.idle");
    expect(shown[1]?.text).toBe("something new 2");
    expect(shown[2]?.text?.length).toBe(80);
});

test.each([
    ["cloud/cloudhub", "edges", { online: 4999, known: 5000, queued: 12345, dropped: 12 }, /^4999\/5000 edges since /],
    ["edge/edgehub", "connected", { queued: 12345, dropped: 12 }, /^connected since /],
    ["edge/edgehub", "quic", { queued: 12345, dropped: 12 }, /^QUIC since /],
])("%s says since when, what is queued and what was dropped, in whole words", (folder, text, figures, expected) => {
    const locale = join(import.meta.dirname, "../../nodes", folder, "locales/en-US.json");
    const words = (JSON.parse(readFileSync(locale, "utf8")) as { status: Record<string, string> }).status;
    TEXTS[`probe.status.${text}`] = words[text] ?? "";
    const { shown, status } = line();
    const since = new Date(2026, 2, 1, 14, 5).toISOString();
    status.show({ level: "ready", text, params: { ...figures, since } });
    expect(shown[0]?.text).toMatch(expected);
    expect(shown[0]?.text).toMatch(/ since 03-01 14:05, 12345 queued, 12 dropped$/);
});

test("nothing is shown after the close", async () => {
    const { clock, shown, status } = line();
    status.show(devices(1));
    status.show(devices(2));
    status.close();
    await clock.advance(5000);
    expect(shown).toHaveLength(1);
});
