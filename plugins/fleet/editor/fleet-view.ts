// SPDX-License-Identifier: Apache-2.0
import type { FleetSummary, Health, Line } from "../summary.ts";

const EVERY_MS = 4000;

/** Node-RED's own status colours: the same in its light and dark theme, as on the nodes themselves. */
const DOTS: Readonly<Record<Health, string>> = {
    good: "var(--red-ui-node-status-colors-green, #5a8)",
    waiting: "var(--red-ui-node-status-colors-yellow, #F9DF31)",
    bad: "var(--red-ui-node-status-colors-red, #c00)",
    off: "var(--red-ui-node-status-colors-grey, #d3d3d3)",
};

const STYLE = `
.kubeedge-fleet { position: relative; height: 100%; overflow-y: auto; box-sizing: border-box; padding: 4px 8px;
    color: var(--red-ui-primary-text-color); background: var(--red-ui-secondary-background); font-size: 13px; }
.kubeedge-fleet h4 { margin: 10px 0 2px; font-size: 12px; font-weight: 600; color: var(--red-ui-secondary-text-color); }
.kubeedge-fleet ul { list-style: none; margin: 0; padding: 0; }
.kubeedge-fleet li { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 6px; padding: 2px 0;
    border-bottom: 1px solid var(--red-ui-secondary-border-color); }
.kubeedge-fleet-dot { flex: none; width: 9px; height: 9px; border-radius: 50%; }
.kubeedge-fleet-name { flex: 1 1 90px; min-width: 0; overflow-wrap: anywhere; }
.kubeedge-fleet-text { color: var(--red-ui-secondary-text-color); overflow-wrap: anywhere; }
.kubeedge-fleet-note { color: var(--red-ui-secondary-text-color); padding: 6px 0; }
.kubeedge-fleet a { color: inherit; cursor: pointer; }`;

/** The sidebar's content: asks while it can be seen, and draws what came. */
export class FleetView {
    readonly element: JQuery;
    readonly #text: (key: string) => string;
    #asking = false;

    constructor(text: (key: string) => string) {
        this.#text = text;
        this.element = $("<div>")
            .addClass("kubeedge-fleet")
            .attr({ role: "region", "aria-label": text("name") });
        this.#note(text("loading"));
    }

    start(): void {
        $("<style>").text(STYLE).appendTo(document.head);
        setInterval(() => this.refresh(), EVERY_MS);
        document.addEventListener("visibilitychange", () => this.refresh());
        this.refresh();
    }

    refresh(): void {
        if (this.#asking || document.hidden || !this.element.is(":visible")) return;
        this.#asking = true;
        $.getJSON("kubeedge/fleet")
            .done((summary: FleetSummary) => this.#draw(summary))
            .fail((request) => this.#note(this.#text(request.status === 401 ? "forbidden" : "unreachable")))
            .always(() => {
                this.#asking = false;
            });
    }

    #draw({ components, cluster, trouble }: FleetSummary): void {
        this.element.empty();
        if (trouble !== undefined) this.#note(`${this.#text("trouble")} ${trouble}`, false);
        if (cluster !== undefined) {
            this.#section("nodes", cluster.nodes);
            this.#section("pods", cluster.pods);
            this.#section("devices", cluster.devices);
        }
        this.#section(
            "components",
            components.map(({ id, name, health, text }) => ({
                name: called(id, name),
                health,
                text: translated(id, text),
                id,
            })),
        );
    }

    #section(title: string, lines: readonly (Line & { readonly id?: string })[]): void {
        $("<h4>")
            .text(`${this.#text(title)} (${lines.length})`)
            .appendTo(this.element);
        if (lines.length === 0) {
            this.#note(this.#text("none"), false);
            return;
        }
        const list = $("<ul>").appendTo(this.element);
        for (const line of lines) list.append(this.#line(line));
    }

    #line({ name, health, text, detail, id }: Line & { readonly id?: string }): JQuery {
        const row = $("<li>").attr("title", detail ?? text);
        const label = this.#text(`health.${health}`);
        $("<span>")
            .addClass("kubeedge-fleet-dot")
            .attr({ role: "img", "aria-label": label })
            .css("background", DOTS[health])
            .appendTo(row);
        const title = $("<span>").addClass("kubeedge-fleet-name").appendTo(row);
        if (id === undefined) title.text(name);
        else
            $("<a>")
                .text(name)
                .on("click", () => RED.view.reveal(id))
                .appendTo(title);
        $("<span>").addClass("kubeedge-fleet-text").text(text).appendTo(row);
        return row;
    }

    #note(text: string, alone = true): void {
        if (alone) this.element.empty();
        $("<div>").addClass("kubeedge-fleet-note").text(text).appendTo(this.element);
    }
}

/** A node without a name of its own is called as in the palette. */
function called(id: string, name: string): string {
    const node = RED.nodes.node(id) as { name?: string; type: string; _def: object } | null;
    if (node === null || node.name) return name;
    const label = RED.utils.getPaletteLabel(node.type, node._def);
    // Config nodes are in no palette.
    return label === node.type ? name : label;
}

/** A status without places is a key of the node's own catalogue. */
function translated(id: string, text: string): string {
    const node = RED.nodes.node(id);
    return node === null || !/^[a-zA-Z]/.test(text) ? text : node._(text, { defaultValue: text });
}
