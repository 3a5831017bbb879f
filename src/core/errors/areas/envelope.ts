// SPDX-License-Identifier: Apache-2.0

/** Messages that are not KubeEdge envelopes. */
export const envelopeErrors = {
    REDGE_ENVELOPE_NOT_JSON: {
        message: "A message is not JSON: {reason}",
        cause: "The peer, or a node on the wire, produced text that does not parse.",
        remedy: "Look at what is wired in front of this node; the message was refused and nothing else was changed.",
    },
    REDGE_ENVELOPE_INVALID: {
        message: "A message is not a KubeEdge envelope: {field} {reason}",
        cause: "A field that every message needs is missing or has another type.",
        remedy: "Send msg.topic or msg.route.resource, msg.route.operation and msg.payload as the node help describes.",
    },
} as const;
