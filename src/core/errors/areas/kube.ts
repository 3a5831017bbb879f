// SPDX-License-Identifier: Apache-2.0

/** The Kubernetes API and its clients. */
export const kubeErrors = {
    REDGE_KUBE_STATUS: {
        message: "The Kubernetes API answered {code} {reason}: {message}",
        cause: "The API server refused the request.",
        remedy: "The message names the object and the reason; mend the object or the permissions.",
    },
    REDGE_KUBE_UNREACHABLE: {
        message: "The Kubernetes API at {server} does not answer: {reason}",
        cause: "The API server is down, its address is wrong, or its certificate is not trusted.",
        remedy: "Check the address and the CA in the cluster node; Redge keeps trying.",
    },
} as const;
