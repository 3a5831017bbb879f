// SPDX-License-Identifier: Apache-2.0
import { asRecord } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { ResourceType } from "../../kube/types.ts";

/** Who asks, as the cluster knows users. */
export interface Subject {
    readonly user: string;
    readonly uid?: unknown;
    readonly groups?: unknown;
    readonly extra?: unknown;
}

export interface ResourceAttributes {
    readonly verb: string;
    readonly group: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
}

const accessReview: ResourceType = {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SubjectAccessReview",
    plural: "subjectaccessreviews",
    namespaced: false,
};

/**
 * Whether the cluster's own rules allow it.
 * @throws REDGE_KUBE_* when the cluster cannot be asked
 */
export async function isAllowed(
    cluster: KubeClient,
    subject: Subject,
    attributes: ResourceAttributes,
): Promise<boolean> {
    const given = Object.fromEntries(Object.entries(subject).filter(([, value]) => value !== undefined));
    const answer = await cluster.create(accessReview, {
        apiVersion: "authorization.k8s.io/v1",
        kind: accessReview.kind,
        metadata: { name: "" },
        spec: { ...given, resourceAttributes: attributes },
    });
    return asRecord(answer["status"])["allowed"] === true;
}
