// SPDX-License-Identifier: Apache-2.0

/** EdgeController, DeviceController, the router and its edge end. */
export const cloudErrors = {
    REDGE_CLOUD_FORBIDDEN: {
        message: "Node {node} may not {operation} {resource}: {reason}",
        cause:
            "A node may only read and change itself, its own pods, and what those pods use. One that asks for what it never " +
            "had to do with is cut off as well.",
        remedy:
            "When the pod has just left the node, nothing is to be done. When CloudHub says that the node was cut off, find " +
            "out who uses its certificate. To let old edge nodes ask for anything, as KubeEdge does by default, set " +
            'authorization to "kubeedge".',
    },
    REDGE_CLOUD_BAD_REQUEST: {
        message: "Node {node} asked to {operation} {resource}, which cannot be done: {reason}",
        cause: "The message came from another version of the edge side, or a node on the wire changed it.",
        remedy: "Compare the message (a debug node on the wire shows it) with the documentation of the node.",
    },
    REDGE_ROUTER_LISTEN: {
        message: "The router cannot listen on {host}:{port}: {reason}",
        cause: "Another program holds the port, or the address is none of this machine's.",
        remedy: "Choose another port in the router node, or end the other program.",
    },
    REDGE_SERVICEBUS_LISTEN: {
        message: "The service bus cannot listen on {host}:{port}: {reason}",
        cause: "Another program holds the port, or the address is none of this machine's.",
        remedy: "Choose another port in the service bus node, or end the other program.",
    },
} as const;
