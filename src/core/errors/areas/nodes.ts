// SPDX-License-Identifier: Apache-2.0

/** Node configuration in the editor. */
export const nodeErrors = {
    REDGE_CONFIG_INVALID: {
        message: "The configuration is not valid: {field} {reason}",
        cause: "A field of the node's form, or the environment variable it names, is missing or out of range.",
        remedy: "Open the node in the editor and mend the field {field}, or set the variable before the start.",
    },
    REDGE_NODE_NOT_CHOSEN: {
        message: "No {type} is chosen in the field {field}, or it is disabled",
        cause: "The node needs a config node of that type; it was not chosen, was removed, or is switched off.",
        remedy: "Open the node in the editor and choose or add one in the field {field}.",
    },
    REDGE_NODE_TWICE: {
        message: "Another {type} node ({other}) keeps its state in the same store",
        cause: "Two of them would write over each other's records; an imported example may have brought the second one.",
        remedy: "Delete this node or the other one, or give this one a store of its own with another folder.",
    },
} as const;
