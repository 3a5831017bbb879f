// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../src/core/errors/redge-error.ts";
import { within } from "./bounded.ts";
import { reportStartFailure } from "./failure.ts";
import type { Migration } from "./migrate.ts";
import type { NodeDef, NodeRed, RedNode } from "./red.ts";
import { type Opened, SharedPart } from "./shared-part.ts";
import { NodeShell, offerPart } from "./shell.ts";

/** Above the time that users need to leave, below Node-RED's own limit of 15 s. */
const CLOSE_MS = 6_000;

/** Puts a shared part behind a config node: opened for the first node that uses it, closed after the last. */
export function attachPart<T>(
    red: NodeRed,
    node: RedNode,
    def: NodeDef,
    open: (shell: NodeShell) => Promise<Opened<T>>,
    migrations: readonly Migration[] = [],
): void {
    const shell = new NodeShell(red, node, def, migrations);
    const { clock, log } = shell.ports;
    let reported: string | undefined;
    const part = new SharedPart<T>(async () => {
        shell.status.announce({ level: "connecting", text: "starting" });
        try {
            const opened = await open(shell);
            shell.status.show({ level: "ready", text: "ready" });
            reported = undefined;
            return opened;
        } catch (thrown) {
            await shell.release();
            // Those who wait ask again by and by: the same failure is told once.
            reportStartFailure(shell, thrown, errorText(thrown) !== reported);
            reported = errorText(thrown);
            throw thrown;
        }
    });
    offerPart(node, part);
    const close = async (): Promise<void> => {
        try {
            const closed = await within(
                clock,
                CLOSE_MS,
                part.shut(clock).then(() => shell.release()),
            );
            if (!closed) log.warn("What this node shares did not close in time");
        } catch (thrown) {
            log.error("What this node shares did not close cleanly", { reason: errorText(thrown) });
        }
        shell.status.close();
    };
    node.on("close", (_removed, done) => void close().finally(done));
}
