// SPDX-License-Identifier: Apache-2.0
import { FleetView } from "./editor/fleet-view.ts";

let added = false;

RED.plugins.registerPlugin("kubeedge-fleet", {
    type: "kubeedge-sidebar",
    onadd(this: { _: (key: string) => string }): void {
        // A reconnecting editor adds its plugins again.
        if (added) return;
        added = true;
        const view = new FleetView((key) => this._(`kubeedge-fleet.${key}`));
        RED.actions.add("kubeedge:show-fleet", () => RED.sidebar.show("kubeedge-fleet"));
        RED.sidebar.addTab({
            id: "kubeedge-fleet",
            label: this._("kubeedge-fleet.label"),
            name: this._("kubeedge-fleet.name"),
            iconClass: "fa fa-sitemap",
            content: view.element,
            action: "kubeedge:show-fleet",
            enableOnEdit: true,
            onchange: () => view.refresh(),
        });
        view.start();
    },
});
