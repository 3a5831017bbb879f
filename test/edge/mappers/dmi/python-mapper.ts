// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Part } from "../../../support/requires.ts";

const PYTHON = "/usr/bin/python3";

/** Debian's python3-grpcio and python3-protobuf: a gRPC that is not ours. */
export const grpcioPart: Part = {
    name: "python3-grpcio",
    probe: () => {
        const found = spawnSync(PYTHON, ["-c", "import grpc, google.protobuf"]).status === 0;
        return found ? undefined : "python3-grpcio or python3-protobuf is not installed";
    },
};

type Message = Record<string, unknown>;
type ManagerCall = "MapperRegister" | "ReportDeviceStatus" | "ReportDeviceStates";

export interface PythonMapper {
    /** What the gateway has called, in order: [method, request]. */
    readonly calls: [string, Message][];
    /** Rejects with `{code, message}`, gRPC's own. */
    call(method: ManagerCall, request: Message): Promise<Message>;
    /** The same with bytes that need not be a message. */
    raw(method: ManagerCall, bytes: Buffer): Promise<Message>;
    register(withData?: boolean): Promise<Message>;
    kill(): Promise<void>;
}

interface Line {
    readonly ready?: boolean;
    readonly called?: string;
    readonly request?: Message;
    readonly id?: number;
    readonly response?: Message;
    readonly code?: number;
    readonly message?: string;
}

/** Starts the mapper; it serves its socket when this resolves. */
export async function startPythonMapper(dmiSocket: string, socket: string): Promise<PythonMapper> {
    await rm(socket, { force: true });
    const script = join(import.meta.dirname, "stock_mapper.py");
    const child = spawn(PYTHON, [script, dmiSocket, socket], { stdio: ["pipe", "pipe", "inherit"] });
    const calls: [string, Message][] = [];
    const waiting = new Map<number, (line: Line) => void>();
    const gone = new Promise<void>((done) => child.once("exit", () => done()));
    const ready = new Promise<void>((done) =>
        createInterface({ input: child.stdout }).on("line", (text) => {
            const line = JSON.parse(text) as Line;
            if (line.ready) done();
            else if (line.called !== undefined) calls.push([line.called, line.request ?? {}]);
            else waiting.get(line.id ?? 0)?.(line);
        }),
    );
    let last = 0;
    const ask = async (order: Message): Promise<Message> => {
        last += 1;
        const id = last;
        const line = await new Promise<Line>((done) => {
            waiting.set(id, done);
            child.stdin.write(`${JSON.stringify({ id, ...order })}\n`);
        });
        waiting.delete(id);
        if (line.response === undefined) throw Object.assign(new Error(line.message), { code: line.code });
        return line.response;
    };
    await Promise.race([
        ready,
        gone.then(() => {
            throw new Error("the mapper ended before it was ready");
        }),
    ]);
    const call: PythonMapper["call"] = (method, request) => ask({ method, request });
    return {
        calls,
        call,
        raw: (method, bytes) => ask({ method, raw: bytes.toString("hex") }),
        register: (withData = true) => {
            const address = Buffer.from(socket).toString("base64");
            const mapper = { name: "thermo-mapper", version: "v1.23.0", api_version: "v1.0.0", protocol: "thermo" };
            return call("MapperRegister", { withData, mapper: { ...mapper, address, state: "ok" } });
        },
        kill: async () => {
            if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
            await gone;
        },
    };
}
