// SPDX-License-Identifier: Apache-2.0
import { processRegistry } from "../../nodes/shell/metrics.ts";
import { cluster } from "../../nodes/shell/parts.ts";
import type { NodeRed } from "../../nodes/shell/red.ts";
import { openParts } from "../../nodes/shell/shell.ts";
import { errorText } from "../../src/core/errors/redge-error.ts";
import { redact } from "../../src/core/log.ts";
import { ComponentStatuses } from "./components.ts";
import type { FleetSummary } from "./summary.ts";

/** The runtime half of the fleet sidebar: two admin routes that only read. */
export default function (RED: NodeRed): void {
    const statuses = new ComponentStatuses(RED);
    RED.plugins.registerPlugin("kubeedge-fleet", {
        type: "kubeedge-sidebar",
        onadd: () => statuses.start(),
        onremove: () => statuses.stop(),
    });
    const mayRead = RED.auth.needsPermission("kubeedge.read");

    RED.httpAdmin.get("/kubeedge/fleet", mayRead, (_request, response) => {
        void summary(RED, statuses).then((body) => response.json(body));
    });
    RED.httpAdmin.get("/kubeedge/metrics", mayRead, (_request, response) => {
        processRegistry.metrics().then(
            (text) => response.type(processRegistry.contentType).send(text),
            (thrown: unknown) => response.status(500).json({ message: errorText(thrown) }),
        );
    });
}

async function summary(RED: NodeRed, statuses: ComponentStatuses): Promise<FleetSummary> {
    const components = statuses.list();
    try {
        const [client] = await openParts(RED, cluster);
        if (client === undefined) return { components };
        const { summarise } = await import("./cluster-summary.ts");
        return { components, cluster: await summarise(client) };
    } catch (thrown) {
        return { components, trouble: String(redact(errorText(thrown))) };
    }
}
