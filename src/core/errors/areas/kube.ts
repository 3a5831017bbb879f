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
    REDGE_KUBE_KUBECONFIG: {
        message: "The kubeconfig {path} cannot be used: {reason}",
        cause: "The file is missing, is not YAML, or lacks the context, cluster or credentials that were asked for.",
        remedy: "Name another file or context in the cluster node; `kubectl config view --kubeconfig {path}` shows what it holds.",
    },
    REDGE_KUBE_NOT_IN_CLUSTER: {
        message: "This process does not run in a Kubernetes pod: {reason}",
        cause: "The cluster node is set to in-cluster, but there is no service account to use.",
        remedy: "Use a kubeconfig or the embedded control plane, or run Redge in a pod that has a service account.",
    },
    REDGE_KUBE_PKI: {
        message: "The embedded control plane cannot use {file} in {folder}: {reason}",
        cause: "A certificate or key of the control plane was damaged or replaced by hand.",
        remedy: "Restore the folder from a backup. Only if nothing depends on the old CA: remove both files of that name, they are made anew.",
    },
    REDGE_KUBE_PORT: {
        message: "The embedded control plane cannot listen on {host}:{port}: {reason}",
        cause: "Another program has the port, or the address is not one of this machine.",
        remedy: "Stop the other program, or choose another host and port in the cluster node.",
    },
} as const;
