// SPDX-License-Identifier: Apache-2.0

/** CloudStream and EdgeStream: logs, exec, attach and port-forward. */
export const streamErrors = {
    REDGE_STREAM_LISTEN: {
        message: "CloudStream cannot listen on {host}:{port}: {reason}",
        cause: "Another program has the port, or the address is not one of this machine's.",
        remedy: "Stop the other program, or choose another port in the CloudStream node.",
    },
    REDGE_STREAM_OFFLINE: {
        message: "Node {node} is not connected to CloudStream",
        cause: "The gateway is off or without network, or its EdgeStream is not running.",
        remedy: "Check the EdgeStream node at the gateway; it connects to port 10004 of the cloud.",
    },
    REDGE_STREAM_TARGET: {
        message: "{path} does not lead to an edge node: {reason}",
        cause: "The pod does not exist, is on no node yet, or the request is none that a kubelet answers.",
        remedy: "Check the pod with kubectl get pod -o wide.",
    },
    REDGE_STREAM_CALLER: {
        message: "The caller {caller} may not reach pods through CloudStream",
        cause: "Only the API server may: with its kubelet client certificate, signed by the cluster's client CA.",
        remedy: "Use kubectl logs or exec; or give the CA of the API server in the CloudStream node.",
    },
    REDGE_STREAM_METRICS_API: {
        message: "metrics.k8s.io is not registered with the API server, kubectl top does not work: {reason}",
        cause: "The API server did not take the Service redge-metrics of the namespace kubeedge or the APIService.",
        remedy: "Apply deploy/cloud (namespace and roles), or switch the metrics API off in the CloudStream node.",
    },
    REDGE_STREAM_FRONT_PROXY: {
        message: "The API server does not say by which certificate its aggregation layer is known",
        cause: "ConfigMap kube-system/extension-apiserver-authentication has no requestheader-client-ca-file.",
        remedy: "Run the API server with --requestheader-client-ca-file and --proxy-client-cert-file, or use metrics-server.",
    },
    REDGE_STREAM_KUBELET: {
        message: "Edged does not answer at {kubelet}: {reason}",
        cause: "Edged is not running, or EdgeStream is configured with another address than Edged.",
        remedy: "Check the Edged node and the kubelet address in the EdgeStream node.",
    },
} as const;
