// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { describe } from "vitest";
import { FlowRuntime } from "../../../../src/edge/edged/index.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { FakeFlowHost } from "../fake-flow-host.ts";
import { testPorts } from "../harness.ts";
import { runtimeContract } from "./contract.ts";

describe("runtime contract: flow", () => {
    runtimeContract(async () => {
        const stores = new Map<string, MemoryStore>();
        let host = new FakeFlowHost();
        return {
            open: async (dir) => {
                const store = stores.get(dir) ?? new MemoryStore();
                stores.set(dir, store);
                host = new FakeFlowHost();
                return new FlowRuntime({ ...testPorts, store, host, logDir: join(dir, "logs") });
            },
            image: "node-red/flow",
            handler: "node-red",
            printing: () => ({ command: [], args: [] }),
            afterStart: ({ id }, lines) => {
                for (const line of lines) host.listener?.log(id, "stdout", line);
            },
            crash: async (_runtime, { id }, exitCode) => host.listener?.ended(id, exitCode, "Error", ""),
            hasProcesses: false,
            close: async () => {},
        };
    });
});
