// SPDX-License-Identifier: Apache-2.0

/** The command and the start of a site. */
export const cliErrors = {
    REDGE_CLI_NODE_TOO_OLD: {
        message: "Node.js {found} is too old for Node-RED {wanted}",
        cause: "Node-RED 5 needs Node.js 22.9 or newer, and the binary that npm installs beside Redge is missing.",
        remedy: "Run `npm ci` without --ignore-scripts, or install Node.js 22.9 or newer.",
    },
    REDGE_CLI_NO_NODE_RED: {
        message: "Node-RED is not installed beside Redge",
        cause: "`redge cloud`, `edge` and `site` start Node-RED; a palette install is started by the Node-RED it was installed into.",
        remedy: "Start from a clone with `npm start`, use the container image, or `npm install node-red` in this folder.",
    },
    REDGE_CLI_PORT_TAKEN: {
        message: "Port {port} on {host} ({purpose}) is taken",
        cause: "Another program, or another Redge, listens there.",
        remedy: "Stop it, or choose another port with {variable}.",
    },
    REDGE_CLI_FLOWS_BROKEN: {
        message: "The flow file {path} cannot be read: {reason}",
        cause: "The file was edited by hand or damaged.",
        remedy: "Mend the JSON, or move the file away: the shipped flows are then put in its place.",
    },
    REDGE_CLI_FLOWS_INCOMPLETE: {
        message: "The flows in {path} do not start: no installed module has the node types {types}",
        cause: "A palette module was removed, or the flow came from another machine.",
        remedy: "Install the module that has these types, or remove the nodes in the editor.",
    },
    REDGE_CLI_START_FAILED: {
        message: "The {role} side did not start: {reason}",
        cause: "A part of it could not be brought up.",
        remedy: "Mend what the message names and start again; nothing was changed.",
    },
    REDGE_CLI_NOT_READY: {
        message: "The {role} side was not ready within {seconds} s: {reason}",
        cause: "A node in its flow does not come up.",
        remedy: "Open its editor: the node with the red or yellow status says why.",
    },
    REDGE_CLI_HOME_UNUSABLE: {
        message: "The folder {path} cannot be used: {reason}",
        cause: "It belongs to somebody else, is not a folder, or the disk is full.",
        remedy: "Mend its permissions or choose another folder with REDGE_HOME.",
    },
    REDGE_CLI_NOT_JOINED: {
        message: "The gateway in {path} has not joined a cloud side",
        cause: "No start of it was told where the cloud is.",
        remedy: "Start it once with `redge edge --join https://<cloud>:10002 --token <token>`; `redge token` prints one.",
    },
    REDGE_CLI_NO_CLOUD: {
        message: "There is no cloud side in {path}",
        cause: "`redge token` needs the kubeconfig that a started cloud side writes.",
        remedy: "Start `redge cloud` or `redge site` first, or name a kubeconfig with --kubeconfig.",
    },
    REDGE_CLI_NO_GATEWAY: {
        message: "There is no gateway here: {path} is missing",
        cause: "No edge gateway of this home was started yet, or its MetaServer could not start.",
        remedy: "Start it with `redge edge`, or set REDGE_HOME to the home of the gateway you mean.",
    },
    REDGE_CLI_KUBECTL: {
        message: "kubectl could not be run: {reason}",
        cause: "The command passes its arguments to the kubectl of this machine, which is not installed or not on the PATH.",
        remedy: "Install kubectl (kubernetes.io/docs/tasks/tools), or use any other client with the kubeconfig metaserver/kubeconfig of the gateway's folder.",
    },
} as const;
