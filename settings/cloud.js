// SPDX-License-Identifier: Apache-2.0
const { settingsFor } = require("./base.js");

/** Node-RED settings of the cloud side. */
module.exports = settingsFor({ role: "cloud", port: 1880, title: "Redge cloud" });
