// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { errorText, RedgeError } from "../../src/core/errors/redge-error.ts";
import type { Command } from "../command.ts";
import { edgeFolder, redgeHome } from "../host/environment.ts";

const SIGNAL_EXIT = 128;

export const kubectlCommand: Command = {
    name: "kubectl",
    summary: "runs kubectl against this gateway, with the cloud or without it",
    help: `redge kubectl ARGUMENTS...

Runs the kubectl of this machine as the operator of this gateway. What the gateway keeps can be read, and changed, while
there is no link to the cloud: changes hold here at once and are joined with the cluster's when the link is back.

    redge kubectl get pods -A
    redge kubectl logs hello-x7k2p
    redge kubectl patch configmap settings --type merge -p '{"data":{"mode":"manual"}}'
    redge kubectl get --help         (kubectl's own help)

The gateway's folder is found by REDGE_HOME (or REDGE_HOME_EDGE), as for redge edge.
`,
    passesOn: true,
    run(args) {
        const kubeconfig = join(edgeFolder(redgeHome()), "metaserver", "kubeconfig");
        if (!existsSync(kubeconfig)) throw new RedgeError("REDGE_CLI_NO_GATEWAY", { path: kubeconfig });
        return passOn(args, kubeconfig);
    },
};

/** Answers kubectl's own exit code. @throws REDGE_CLI_KUBECTL when it cannot be run */
function passOn(args: readonly string[], kubeconfig: string): Promise<number> {
    return new Promise((resolve, reject) => {
        const child = spawn("kubectl", [...args], {
            stdio: "inherit",
            env: { ...process.env, KUBECONFIG: kubeconfig },
        });
        // Ctrl-C reaches kubectl by the terminal: this process stays until kubectl has ended.
        const ignore = (): void => {};
        process.on("SIGINT", ignore);
        child.once("error", (error) =>
            reject(new RedgeError("REDGE_CLI_KUBECTL", { reason: errorText(error) }, error)),
        );
        child.once("exit", (code, signal) => {
            process.off("SIGINT", ignore);
            resolve(code ?? SIGNAL_EXIT + (signal === null ? 0 : constants.signals[signal]));
        });
    });
}
