// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Envelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { freePorts } from "../../../support/free-ports.ts";
import { packageRoot, TestNodeRed } from "../../../support/node-red.ts";

/** A shipped flow file as it is. */
export function shippedFlow(name: string): Record<string, unknown>[] {
    return JSON.parse(readFileSync(join(packageRoot, "edge-flows", name), "utf8")) as Record<string, unknown>[];
}

/** The Modbus mapper's flow file in a real Node-RED, its wires to DeviceTwin led out to this process by TCP. */
export async function startMapperFlow(receive: (envelope: Envelope) => void, more: readonly object[] = [], env = {}) {
    const [port = 0] = await freePorts(1);
    const nodeRed = await TestNodeRed.start({
        flows: [...shippedFlow("modbus-mapper.json"), ...more, ...tap(port)],
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

function tap(port: number): object[] {
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
        { id: "redge-edge-to-mappers", z, type: "link out", mode: "link", links: ["redge-modbus-from-devicetwin"] },
        {
            id: "redge-edge-from-mappers",
            z,
            type: "link in",
            links: ["redge-modbus-to-devicetwin"],
            wires: [["tap-take"]],
        },
        { id: "tap-take", z, type: "function", ...take, wires: [["tap-out"]] },
        { id: "tap-out", ...tcp, type: "tcp out", beserver: "reply", end: false },
    ];
}
