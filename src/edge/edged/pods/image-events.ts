// SPDX-License-Identifier: Apache-2.0
import type { ImageAnswer } from "./images.ts";

export interface EventText {
    readonly type: "Normal" | "Warning";
    readonly reason: string;
    readonly message: string;
}

/** What the kubelet tells about a container's image, in its words: people and tools look for them. */
export function imageEvents(image: string, answer: ImageAnswer): readonly EventText[] {
    if (!("waiting" in answer)) return [{ type: "Normal", reason: "Pulled", message: pulled(image, answer.pulledMs) }];
    const { waiting, message } = answer;
    const first: Readonly<Record<typeof waiting, EventText>> = {
        ErrImagePull: { type: "Warning", reason: "Failed", message: `Failed to pull image "${image}": ${message}` },
        ImagePullBackOff: { type: "Normal", reason: "BackOff", message: `Back-off pulling image "${image}"` },
        ErrImageNeverPull: { type: "Warning", reason: "ErrImageNeverPull", message },
        InvalidImageName: { type: "Warning", reason: "InspectFailed", message },
    };
    return [first[waiting], { type: "Warning", reason: "Failed", message: `Error: ${waiting}` }];
}

function pulled(image: string, tookMs: number | undefined): string {
    if (tookMs === undefined) return `Container image "${image}" already present on machine`;
    return `Successfully pulled image "${image}" in ${(tookMs / 1000).toFixed(3)}s`;
}
