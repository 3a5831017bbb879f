// SPDX-License-Identifier: Apache-2.0

/** The cloud-edge link. */
export const linkErrors = {
    REDGE_LINK_LISTEN: {
        message: "CloudHub cannot listen on {host}:{port}: {reason}",
        cause: "Another program has the port, or the address is not one of this machine's.",
        remedy: "Stop the other program, or choose another port in the CloudHub node.",
    },
    REDGE_LINK_NODE_OFFLINE: {
        message: "The edge node {node} is not connected to this CloudHub",
        cause: "User messages are handed over at once or not at all; the node's link is down.",
        remedy: "Send again after the node has joined (fourth output), or keep the message in the flow until then.",
    },
    REDGE_LINK_NO_NODE: {
        message: "A message for the edge names no node",
        cause: "msg.node is missing on what was wired into CloudHub.",
        remedy: "Keep msg.node of the message that is answered, or set it to the name of the edge node.",
    },
    REDGE_LINK_OUTBOX_FULL: {
        message: "A message of {bytes} bytes does not fit into the outbox (limit {limit} bytes)",
        cause: "One message is larger than everything the outbox may hold.",
        remedy: "Raise the outbox size in the EdgeHub node, or send less at once.",
    },
    REDGE_LINK_QUEUE_FULL: {
        message: "Too many requests wait for the cloud ({limit})",
        cause: "The link is down or slow and whatever asks does not wait for its answers.",
        remedy: "Slow down what is wired into EdgeHub; nothing was sent.",
    },
    REDGE_LINK_QUIC_FAILED: {
        message: "No QUIC connection to {url}: {reason}",
        cause: "UDP does not get through to the cloud, or its CloudHub does not listen for QUIC there.",
        remedy:
            "Nothing has to be done: the link goes over WebSocket and QUIC is tried again later. For QUIC open the UDP " +
            "port on the way, and switch QUIC on in the CloudHub node.",
    },
    REDGE_LINK_QUIC_LIBRARY: {
        message: "QUIC is not available on {platform}: {reason}",
        cause: "The optional package @matrixai/quic was left out at installation, or has no build for this machine.",
        remedy:
            "Install @matrixai/quic (where it has no build: @infisical/quic) in the user directory and restart Node-RED, " +
            "or leave QUIC off; WebSocket works without it.",
    },
    REDGE_LINK_REFUSED: {
        message: "The cloud at {url} refused this node: {reason}",
        cause: "The certificate is not accepted there, or it belongs to another node.",
        remedy: "Check the node's name and certificate; `redge token` makes a new join token.",
    },
    REDGE_LINK_STOPPED: {
        message: "The {hub} is stopped",
        cause: "A message arrived while the flow was being stopped or before it had started.",
        remedy: "Nothing to do: what matters is sent again after the start.",
    },
} as const;
