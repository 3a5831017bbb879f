// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:net";
import { RedgeError } from "../../src/core/errors/redge-error.ts";

/** A port that a role will listen on, and the variable that moves it. */
export interface WantedPort {
    readonly port: number;
    readonly host: string;
    readonly purpose: string;
    readonly variable: string;
}

/**
 * Finds out before anything is started whether every port is free.
 * @throws REDGE_CLI_PORT_TAKEN for the first that is not
 */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
    for (const { port, host, purpose, variable } of wanted) {
        if (port === 0) continue;
        if (!(await isFree(port, host)))
            throw new RedgeError("REDGE_CLI_PORT_TAKEN", { port, host, purpose, variable });
    }
}

function isFree(port: number, host: string): Promise<boolean> {
    return new Promise((resolve) => {
        const probe = createServer();
        probe.once("error", () => resolve(false));
        probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
    });
}
