// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { eventually } from "../../support/eventually.ts";
import { freePorts } from "../../support/free-ports.ts";
import { packageRoot, TestNodeRed } from "../../support/node-red.ts";

type FlowNode = Readonly<Record<string, unknown>> & { readonly links?: readonly string[] };

/** A shipped flow file as it is. */
export function shippedFlow(name: string): FlowNode[] {
    return JSON.parse(readFileSync(join(packageRoot, "edge-flows", name), "utf8")) as FlowNode[];
}

/** A mapper's flow file in a real Node-RED, its wires to DeviceTwin led out to this process by TCP. */
export async function startMapperFlow(
    file: string,
    receive: (envelope: Envelope) => void,
    more: readonly object[] = [],
    env: Readonly<Record<string, string>> = {},
) {
    const [port = 0] = await freePorts(1);
    const flow = shippedFlow(file);
    const linkedWith = (id: string): string[] =>
        flow.filter(({ links }) => links?.includes(id)).map((node) => String(node["id"]));
    const nodeRed = await TestNodeRed.start({
        flows: [
            ...flow,
            ...more,
            ...tap(port, linkedWith("redge-edge-to-mappers"), linkedWith("redge-edge-from-mappers")),
        ],
        env,
    });
    const socket = await eventually(
        () =>
            new Promise<ReturnType<typeof connect>>((done, failed) => {
                const opened = connect(port, "127.0.0.1", () => done(opened));
                opened.once("error", failed);
            }),
    );
    createInterface({ input: socket }).on("line", (line) => {
        const { route, payload, header } = JSON.parse(line) as {
            route: Envelope["route"];
            payload: unknown;
            header: Envelope["header"];
        };
        receive({ header, route, content: payload });
    });
    return {
        nodeRed,
        send: async ({ header, route, content }: Envelope): Promise<void> => {
            socket.write(`${JSON.stringify({ topic: route.resource, header, route, payload: content })}\n`);
        },
        stop: async (): Promise<void> => {
            socket.destroy();
            await nodeRed.stop();
        },
    };
}

function tap(port: number, toMapper: readonly string[], fromMapper: readonly string[]): object[] {
    const z = "tap";
    const put = {
        func: 'flow.set("session", msg._session); return msg.payload ? JSON.parse(msg.payload) : null;',
        outputs: 1,
    };
    const take = {
        func: 'const _session = flow.get("session"); return _session ? { _session, payload: JSON.stringify(msg) + "\\n" } : null;',
        outputs: 1,
    };
    const tcp = {
        z,
        host: "127.0.0.1",
        port: String(port),
        datamode: "stream",
        datatype: "utf8",
        newline: "\\n",
        topic: "",
        trim: true,
        base64: false,
        tls: "",
    };
    return [
        { id: z, type: "tab", label: "tap" },
        { id: "tap-in", type: "tcp in", server: "server", ...tcp, wires: [["tap-put"]] },
        { id: "tap-put", z, type: "function", ...put, wires: [["redge-edge-to-mappers"]] },
        { id: "redge-edge-to-mappers", z, type: "link out", mode: "link", links: toMapper },
        { id: "redge-edge-from-mappers", z, type: "link in", links: fromMapper, wires: [["tap-take"]] },
        { id: "tap-take", z, type: "function", ...take, wires: [["tap-out"]] },
        { id: "tap-out", ...tcp, type: "tcp out", beserver: "reply", end: false },
    ];
}
