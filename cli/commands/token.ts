// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { type Command, parseDurationMs, readOptions } from "../command.ts";
import { UsageError } from "../failure.ts";
import { kubeconfigPath, redgeHome } from "../host/environment.ts";

export const tokenCommand: Command = {
    name: "token",
    summary: "prints a join token for an edge gateway",
    help: `redge token

Prints a token that lets a gateway join, once, with: redge edge --join <url> --token <token>. A KubeEdge edge takes it
as well (keadm join --token).

Options:
  --ttl DURATION        how long it is valid: 30m, 24h, 7d (default 24h)
  --node NAME           only a gateway of this name may use it
  --uses N              it gives at most N certificates
  --revoke TOKEN        makes no token: this one is refused from now on
  --kubeconfig FILE     the API server that holds the cloud side's CA (default: the one of this home's cloud side)
  -h, --help            this text
`,
    async run(args) {
        const options = readOptions(args, {
            ttl: { type: "string", default: "24h" },
            node: { type: "string" },
            uses: { type: "string" },
            revoke: { type: "string" },
            kubeconfig: { type: "string" },
        });
        const ttlMs = parseDurationMs(options.ttl, "ttl");
        const uses = options.uses === undefined ? undefined : parseUses(options.uses);
        const path = options.kubeconfig ?? kubeconfigPath(redgeHome());
        if (!existsSync(path)) throw new RedgeError("REDGE_CLI_NO_CLOUD", { path });
        const { runToken } = await import("../site/run-token.ts");
        const { revoke, node: nodeName } = options;
        const done = await runToken(path, revoke === undefined ? { ttlMs, nodeName, uses } : { revoke });
        process.stdout.write(`${done}\n`);
        return 0;
    },
};

function parseUses(text: string): number {
    if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`--uses wants a whole number from 1, not "${text}"`);
    return Number(text);
}
