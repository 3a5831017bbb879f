// SPDX-License-Identifier: Apache-2.0
import type { DeviceTwin } from "../../../src/edge/devicetwin/index.ts";
import type { NodeRed } from "../../shell/red.ts";

/** The admin route from which forms take the devices and properties to choose from: those of every twin that runs here. */
export function offerDevices(RED: NodeRed, twins: ReadonlyMap<unknown, DeviceTwin>): void {
    RED.httpAdmin.get("/kubeedge/devices", RED.auth.needsPermission("kubeedge.read"), (_request, response) =>
        response.json([...twins.values()].flatMap(({ devices }) => devices)),
    );
}
