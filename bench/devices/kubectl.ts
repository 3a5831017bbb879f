// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestSite } from "../../test/support/site.ts";
import { printGoal, quantile } from "./figures.ts";
import type { ModbusPlant } from "./peers.ts";

const PATCHES = 60;

/**
 * `kubectl patch` of desired values until the registers are written: from the start of the program, which the patience of
 * people begins with, and from its PATCH request on, as its log (-v=6) tells the time of it.
 */
export async function patchedByKubectl(site: TestSite, plant: ModbusPlant, first: number): Promise<void> {
    const whole: number[] = [];
    const fromRequest: number[] = [];
    for (let round = first; round < first + PATCHES; round += 1) {
        const written = plant.written(round);
        const patch = [{ op: "add", path: "/spec/properties/0/desired", value: { value: String(round) } }];
        const args = ["patch", "device", `d${(round * 7) % 250}`, "--type=json", "-p", JSON.stringify(patch), "-v=6"];
        const startedMs = performance.timeOrigin + performance.now();
        const { code, stderr } = await site.kubectl(args);
        if (code !== 0) throw new Error(`kubectl patch: ${stderr}`);
        const writtenMs = await written;
        whole.push(writtenMs - startedMs);
        fromRequest.push(writtenMs - requestedMs(stderr));
    }
    const [p50, p99] = [quantile(fromRequest, 0.5), quantile(fromRequest, 0.99)];
    printGoal(
        "kubectl patch, from its request → register written, p50 / p99",
        `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`,
        p99 < 300,
        `p99 of 300 ms; with kubectl's own start ${quantile(whole, 0.5).toFixed(0)} / ${quantile(whole, 0.99).toFixed(0)} ms`,
    );
}

/** When kubectl sent its PATCH, ms since the epoch: klog's time of the line that tells the answer, less what that took. */
function requestedMs(log: string): number {
    const line = log.split("\n").find((text) => / (verb="PATCH"|PATCH) /.test(text)) ?? "";
    const time = /^I(\d\d)(\d\d) (\d\d):(\d\d):(\d\d\.\d+)/.exec(line);
    const took = / in (\d+) milliseconds| milliseconds=(\d+)/.exec(line);
    if (time === null || took === null) throw new Error(`kubectl's log tells no PATCH: ${log}`);
    const [month, day, hour, minute, second] = time.slice(1).map(Number);
    const midnight = new Date(new Date().getFullYear(), (month ?? 1) - 1, day, hour, minute).getTime();
    return midnight + (second ?? 0) * 1000 - Number(took[1] ?? took[2]);
}

/** `kubectl get -w` of one DeviceStatus: its lines, and when each came. */
export class KubectlWatch {
    readonly #child;
    readonly #waiting = new Map<string, (atMs: number) => void>();

    constructor(site: TestSite, name: string) {
        const output = "-o=jsonpath={.status.twins[0].reported.value}{'\\n'}";
        const env = { ...site.env, KUBECONFIG: site.kubeconfig };
        this.#child = spawn("kubectl", ["get", "devicestatus", name, "-w", output], {
            env,
            stdio: ["ignore", "pipe", "inherit"],
        });
        createInterface({ input: this.#child.stdout }).on("line", (value) => {
            this.#waiting.get(value)?.(performance.now());
        });
    }

    /** Resolves with the time when the value is printed. */
    printed(value: string): Promise<number> {
        return new Promise((resolve) => this.#waiting.set(value, resolve));
    }

    stop(): void {
        this.#child.kill();
    }
}
