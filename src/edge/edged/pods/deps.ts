// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import type { Logger } from "../../../core/log.ts";
import type { MetaClient } from "../meta-client.ts";
import type { Pod } from "../podspec/types.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import type { VolumeContext } from "../volumes/payload.ts";
import type { VolumeManager } from "../volumes/volume-manager.ts";
import type { EventRecorder } from "./events.ts";
import type { ImageKeeper } from "./images.ts";

/** Where a pod runs, or why it cannot run yet. */
export type RuntimeChoice =
    | { readonly runtime: PodRuntime; readonly handler: string }
    | { readonly problem: string; readonly reason: string };

/** What every pod worker shares. */
export interface WorkerDeps {
    readonly clock: Clock;
    readonly random: () => number;
    readonly log: Logger;
    readonly client: MetaClient;
    readonly events: EventRecorder;
    readonly images: ImageKeeper;
    readonly volumes: VolumeManager;
    /** Bytes; for the OOM score of burstable pods. */
    readonly nodeMemoryBytes: number;
    readonly hostIps: () => readonly string[];
    readonly runtimeFor: (pod: Pod) => Promise<RuntimeChoice>;
    readonly volumeContext: (podIps: readonly string[]) => VolumeContext;
    /** Why the node does not take this pod; undefined when it does. */
    readonly admit: (pod: Pod) => { readonly reason: string; readonly message: string } | undefined;
    /** The pod is over: nothing of it is left here and the cloud knows. */
    readonly finished: (podUid: string) => void;
}
