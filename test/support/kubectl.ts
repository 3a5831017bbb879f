// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";

export interface KubectlResult {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** The real kubectl against one cluster. */
export class Kubectl {
    readonly #kubeconfig: string;

    constructor(kubeconfig: string) {
        this.#kubeconfig = kubeconfig;
    }

    /** Runs kubectl and answers what it printed; fails with its error when it fails. */
    async run(...args: readonly string[]): Promise<string> {
        const { code, stdout, stderr } = await this.try(args);
        if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}${stdout}`);
        return stdout;
    }

    async json<T>(...args: readonly string[]): Promise<T> {
        return JSON.parse(await this.run(...args, "-o", "json")) as T;
    }

    /** `kubectl apply -f -` of objects. */
    async apply(...objects: readonly unknown[]): Promise<string> {
        const { code, stdout, stderr } = await this.try(["apply", "-f", "-"], objects);
        if (code !== 0) throw new Error(`kubectl apply: ${stderr}${stdout}`);
        return stdout;
    }

    try(args: readonly string[], stdin: readonly unknown[] = []): Promise<KubectlResult> {
        return new Promise((resolve, reject) => {
            // What one server offers is not remembered for another that is later given the same port.
            const cache = join(dirname(this.#kubeconfig), "kubectl-cache");
            const child = spawn("kubectl", [`--kubeconfig=${this.#kubeconfig}`, `--cache-dir=${cache}`, ...args]);
            let stdout = "";
            let stderr = "";
            child.stdout.setEncoding("utf8").on("data", (text: string) => {
                stdout += text;
            });
            child.stderr.setEncoding("utf8").on("data", (text: string) => {
                stderr += text;
            });
            child.once("error", reject);
            child.once("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
            child.stdin.end(JSON.stringify({ apiVersion: "v1", kind: "List", items: stdin }));
        });
    }
}
