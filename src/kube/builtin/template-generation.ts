// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { asRecord } from "../../core/json.ts";
import type { Strategy } from "../rest/resources.ts";
import type { KubeObject } from "../types.ts";

const ANNOTATION = "deprecated.daemonset.template.generation";

/** Counts the templates a DaemonSet has had in the annotation that kubectl and its controller know. */
export const countTemplates: Pick<Strategy, "prepareCreate" | "prepareUpdate"> = {
    prepareCreate(object) {
        set(object, 1);
    },
    prepareUpdate(next, current) {
        const templateOf = (object: KubeObject): unknown => asRecord(object["spec"])["template"];
        const known = Number(current.metadata.annotations?.[ANNOTATION] ?? 1) || 1;
        set(next, isDeepStrictEqual(templateOf(next), templateOf(current)) ? known : known + 1);
    },
};

function set(object: KubeObject, generation: number): void {
    object.metadata.annotations = { ...object.metadata.annotations, [ANNOTATION]: String(generation) };
}
