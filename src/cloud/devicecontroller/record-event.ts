// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";

export interface EventText {
    readonly type: "Normal" | "Warning";
    /** CamelCase. */
    readonly reason: string;
    readonly message: string;
}

const MESSAGE_CHARACTERS = 1024;

/** An Event about an object, as `kubectl describe` lists them. */
export async function recordEvent(
    cluster: KubeClient,
    clock: Clock,
    about: KubeObject,
    text: EventText,
): Promise<void> {
    const time = new Date(clock.nowMs()).toISOString().replace(/\.\d{3}Z$/, "Z");
    const { name, namespace = "default", uid = "", resourceVersion = "" } = about.metadata;
    await cluster.create(Kinds.event, {
        apiVersion: "v1",
        kind: Kinds.event.kind,
        metadata: { name: `${name}.${randomUUID().slice(0, 13).replace("-", "")}`, namespace },
        involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
        ...text,
        message: text.message.slice(0, MESSAGE_CHARACTERS),
        source: { component: "devicecontroller" },
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
    });
}
