// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { asKubeObject } from "../objects.ts";

/** As the kubelet's fileCheckFrequency. */
const SCAN_MS = 20_000;
/** How the kubelet marks pods that no API server made, and their images in the API. */
export const SOURCE_ANNOTATION = "kubernetes.io/config.source";
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

export interface StaticPodsPorts {
    readonly clock: Clock;
    readonly log: Logger;
    readonly apply: (pod: KubeObject) => void;
    readonly remove: (pod: KubeObject) => void;
}

/** Pods from manifests in a folder: they run without any API server, and go when their file goes. */
export class StaticPods {
    readonly #dir: string;
    readonly #nodeName: string;
    readonly #ports: StaticPodsPorts;
    #known = new Map<string, KubeObject>();
    #timer: Timer | undefined;
    #scanning: Promise<void> | undefined;
    #stopped = false;

    constructor(dir: string, nodeName: string, ports: StaticPodsPorts) {
        this.#dir = dir;
        this.#nodeName = nodeName;
        this.#ports = ports;
    }

    /** The first scan is over when it resolves. */
    async start(): Promise<void> {
        if (this.#dir === "") return;
        await this.scan();
        this.#later();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        await this.#scanning;
    }

    /** Compares the folder with what was there. A file that cannot be read leaves its pods as they are. */
    scan(): Promise<void> {
        this.#scanning ??= this.#scanOnce().finally(() => {
            this.#scanning = undefined;
        });
        return this.#scanning;
    }

    #later(): void {
        if (this.#stopped) return;
        this.#timer = this.#ports.clock.after(SCAN_MS, () => {
            this.scan().then(
                () => this.#later(),
                (thrown: unknown) => {
                    this.#ports.log.error("static pods could not be read", { dir: this.#dir, error: thrown });
                    this.#later();
                },
            );
        });
    }

    async #scanOnce(): Promise<void> {
        const found = new Map<string, KubeObject>();
        for (const name of (await readdir(this.#dir)).filter((file) => /\.(ya?ml|json)$/.test(file)).sort()) {
            const path = join(this.#dir, name);
            try {
                for (const pod of podsOf(await readFile(path, "utf8"), path, this.#nodeName)) {
                    found.set(pod.metadata.uid ?? "", pod);
                }
            } catch (thrown) {
                this.#ports.log.error("static pod refused", { path, reason: errorText(thrown) });
                for (const [uid, pod] of this.#known) {
                    if (pod.metadata.annotations?.[SOURCE_FILE] === path) found.set(uid, pod);
                }
            }
        }
        const gone = [...this.#known].filter(([uid]) => !found.has(uid));
        const added = [...found].filter(([uid]) => !this.#known.has(uid));
        this.#known = found;
        for (const [, pod] of gone) this.#ports.remove(pod);
        for (const [, pod] of added) this.#ports.apply(pod);
    }
}

const SOURCE_FILE = "edge.redge.io/static-file";

/** A changed manifest is another pod: its uid is made of what it says. */
function podsOf(text: string, path: string, nodeName: string): readonly KubeObject[] {
    return parseAllDocuments(text).flatMap((document) => {
        const [problem] = document.errors;
        if (problem !== undefined) throw problem;
        const object = asKubeObject(document.toJS());
        if (object === undefined || object.kind !== "Pod") throw new Error("it is not a Pod with a name");
        const hash = createHash("sha256")
            .update(`${nodeName}\0${path}\0${JSON.stringify(object)}`)
            .digest("hex");
        const uid = [
            hash.slice(0, 8),
            hash.slice(8, 12),
            hash.slice(12, 16),
            hash.slice(16, 20),
            hash.slice(20, 32),
        ].join("-");
        const metadata = {
            ...object.metadata,
            name: `${object.metadata.name}-${nodeName}`,
            namespace: object.metadata.namespace ?? "default",
            uid,
            annotations: { ...object.metadata.annotations, [SOURCE_ANNOTATION]: "file", [SOURCE_FILE]: path },
        };
        const spec = { restartPolicy: "Always", ...(object["spec"] as object), nodeName };
        return [{ ...object, metadata, spec }];
    });
}
