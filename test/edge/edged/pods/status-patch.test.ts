// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { statusPatch } from "../../../../src/edge/edged/pods/status-patch.ts";
import type { PodStatus } from "../../../../src/edge/edged/podspec/types.ts";
import { applyStrategicPatch } from "../../../../src/kube/patch/strategic.ts";
import { podMergeSchema } from "../harness.ts";

const unready: PodStatus = {
    phase: "Pending",
    reason: "Waiting",
    conditions: [
        {
            type: "Ready",
            status: "False",
            reason: "ContainersNotReady",
            message: "containers with unready status: [c]",
        },
    ],
    podIPs: [{ ip: "10.0.0.1" }],
};
const ready: PodStatus = {
    phase: "Running",
    conditions: [{ type: "Ready", status: "True" }],
    podIPs: [{ ip: "10.0.0.2" }],
};
const scheduled = { type: "PodScheduled", status: "True" };

it.each([
    ["what the cloud confirmed", unready, undefined],
    ["what an earlier run of the gateway left", {}, unready],
] as const)("leaves nothing of a status behind that no longer holds: %s", (_, confirmed, found) => {
    const inApi = { status: { ...unready, conditions: [scheduled, ...(unready.conditions ?? [])] } };
    const patched = applyStrategicPatch(inApi, { status: statusPatch(ready, confirmed, found) }, podMergeSchema);
    expect(patched["status"]).toEqual({ ...ready, conditions: [scheduled, { type: "Ready", status: "True" }] });
});
