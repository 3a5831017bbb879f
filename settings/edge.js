// SPDX-License-Identifier: Apache-2.0
const { settingsFor } = require("./base.js");

/** Node-RED settings of an edge gateway. */
module.exports = settingsFor({ role: "edge", port: 1881, title: "Redge edge" });
