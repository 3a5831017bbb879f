// SPDX-License-Identifier: Apache-2.0
const { settingsFor } = require("./base.js");
const { podFlowStorage } = require("../dist/nodes/edge/edged/pod-flow-storage.js");

/** Node-RED settings of an edge gateway. */
module.exports = {
    ...settingsFor({ role: "edge", port: 1881, title: "Redge edge" }),
    // Flows of pods are tabs while they run; the owner's flow file never holds them.
    storageModule: podFlowStorage(__filename),
};
