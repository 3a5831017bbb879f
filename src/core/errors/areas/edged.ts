// SPDX-License-Identifier: Apache-2.0

/** Workloads at the edge. */
export const edgedErrors = {
    REDGE_EDGED_STOPPED: {
        message: "{component} has been stopped",
        cause: "A message arrived while the node was being closed or deployed again.",
        remedy: "Nothing to do: the sender keeps the message and sends it again.",
    },
    REDGE_EDGED_OBJECT_INVALID: {
        message: "{resource} cannot be used: {reason}",
        cause: "An object arrived that lacks what every object of its kind has.",
        remedy: "Look at the object with kubectl; if a node in the flow changed it on its way, mend that node.",
    },
    REDGE_EDGED_NO_ANSWER: {
        message: "{resource} is not known here and could not be fetched: {reason}",
        cause: "The gateway has no copy of the object, and the cloud did not answer or does not have it.",
        remedy: "Create the object, or restore the link; the pod starts by itself afterwards.",
    },
    REDGE_METAMANAGER_NOT_AN_OBJECT: {
        message: "The content pushed for {resource} is not a Kubernetes object",
        cause: "A pushed message must carry a whole object with metadata.name.",
        remedy: "Look at what the nodes between EdgeHub and MetaManager do to the message.",
    },
    REDGE_METAMANAGER_OPERATION: {
        message: "MetaManager does not know the operation {operation} for {resource}",
        cause: "Only insert, update and delete are pushed by the cloud.",
        remedy: "Look at what is wired to MetaManager's input.",
    },
    REDGE_RUNTIME_UNAVAILABLE: {
        message: "The container engine does not answer: {reason}",
        cause: "The engine is not installed, not running, or its socket may not be used by this user.",
        remedy: "Start the engine or mend the socket's permissions; pods that need it start by themselves afterwards.",
    },
    REDGE_RUNTIME_FAILED: {
        message: "The container engine refused {what}: {reason}",
        cause: "The engine answered with an error.",
        remedy: "The reason is the engine's own; mend the pod or the engine accordingly.",
    },
    REDGE_RUNTIME_START: {
        message: "The container engine could not start container {container}: {reason}",
        cause: "The command is not in the image, a mount does not fit, or the engine refuses what the pod asks for.",
        remedy: "Mend the container's command, mounts or securityContext; the start is tried again with the usual back-off.",
    },
    REDGE_RUNTIME_NOT_STARTED: {
        message: 'container "{container}" in pod "{pod}" is waiting to start: {reason}',
        cause: "Its image is not here yet, or it cannot be started.",
        remedy: "Look at the pod with kubectl describe.",
    },
    REDGE_RUNTIME_NO_PREVIOUS: {
        message: 'previous terminated container "{container}" in pod "{pod}" not found',
        cause: "The container has not been restarted, or what it was before is cleared away.",
        remedy: "Read its log without --previous.",
    },
    REDGE_RUNTIME_IMAGE: {
        message: "The image {image} cannot be had: {reason}",
        cause: "The image is neither here nor could it be pulled.",
        remedy: "Check the name, the registry and imagePullSecrets, or load the image into the engine.",
    },
    REDGE_RUNTIME_ROOT_USER: {
        message: "Container {container} would run as root, which runAsNonRoot forbids",
        cause: "Neither the pod nor the image names a user other than root by number.",
        remedy: "Set securityContext.runAsUser, or build the image with a numeric USER.",
    },
    REDGE_RUNTIME_NO_CONTAINER: {
        message: "There is no container {container} in pod {pod} on this node",
        cause: "The container has not been started yet, is gone, or the name is wrong.",
        remedy: "Look at the pod with kubectl describe.",
    },
    REDGE_RUNTIME_NOT_OFFERED: {
        message: "The {runtime} runtime does not offer {what}",
        cause: "Not every runtime can do everything: a flow has no process to execute commands in.",
        remedy: "Use a container for what needs it.",
    },
    REDGE_FLOW_NOT_JSON: {
        message: "{file} is not a flow file: {reason}",
        cause: "Every *.json mounted at /flow must be a flow as Node-RED exports it: an array of nodes.",
        remedy: "Export the flow again and put the text into the ConfigMap as it is.",
    },
    REDGE_FLOW_EMPTY: {
        message: "No flow file is mounted at /flow of container {container}",
        cause: "The pod mounts no ConfigMap at /flow, or there is no *.json in it.",
        remedy: "Mount a ConfigMap with at least one *.json at /flow.",
    },
    REDGE_FLOW_TYPES_MISSING: {
        message: "The flow needs node types that this gateway does not have: {types}",
        cause: "The palette modules that bring these nodes are not installed.",
        remedy: "Install the modules on the gateway, or list them in the pod's annotation edge.redge.io/modules.",
    },
    REDGE_FLOW_FAILED: {
        message: "The flow could not be started: {reason}",
        cause: "A node of the flow failed while it was being made, or Node-RED refused the deploy.",
        remedy: "Look at the pod's log, mend the flow and update its ConfigMap; it is deployed again by itself.",
    },
    REDGE_FLOW_MODULE: {
        message: "The palette module {module} could not be installed: {reason}",
        cause: "The pod's annotation edge.redge.io/modules lists it; its name or version is wrong, or npm could not get it.",
        remedy: "Give name@1.2.3 with a version that the registry has, or install that version on the gateway beforehand.",
    },
    REDGE_FLOW_HOST_UNAVAILABLE: {
        message: "Node-RED cannot run pod flows here: {reason}",
        cause: "Node-RED is starting or closing, or it only has the palette: then pods would end up in its owner's flow file.",
        remedy: "Start the gateway with redge, or use runtimeClassName: node-red-isolated, which works everywhere.",
    },
    REDGE_KUBELET_ADDRESS: {
        message: "Edged cannot listen on {address}: {reason}",
        cause: "The address is malformed, taken by another process, or its folder may not be written.",
        remedy: "Set the Edged node's kubelet address to a free unix:/path or http://127.0.0.1:port.",
    },
    REDGE_KUBELET_REQUEST: {
        message: "The request cannot be served: {field} {reason}",
        cause: "A parameter of the request to the kubelet API is malformed.",
        remedy: "Mend the parameter {field}; kubectl sends them right.",
    },
    REDGE_VOLUME_FAILED: {
        message: "Volume {volume} cannot be mounted: {reason}",
        cause: "Something the volume refers to is missing or cannot be written.",
        remedy: "Create what is missing; the pod starts by itself afterwards.",
    },
    REDGE_METASERVER_PORT: {
        message: "MetaServer cannot listen on {host}:{port}: {reason}",
        cause: "Another program, perhaps another gateway on this machine, has the port.",
        remedy: "Stop the other program or choose another port for MetaServer. Workloads are not affected.",
    },
} as const;
