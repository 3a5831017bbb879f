// SPDX-License-Identifier: Apache-2.0
// Resident memory of both processes of `redge site` as a user starts it, in a home of its own:
// `npm run bench:memory [-- CASE] [--edgecore PATH]`
//   empty    the broker and every component, no pod, no device
//   rest     one flow pod and DEVICES devices in DeviceTwin, each reported once over MQTT, then silent: what the goal was measured with;
//            with the path of an EdgeCore v1.23 also that one, with a pod and as many devices (its broker and engine are beside it)
//   mqtt     the same, three values of each device reported each second, from another process
//   modbus   one flow pod and DEVICES devices of three registers, read each second by the Modbus mapper within the gateway
//   editors  as rest, with the editors on
// IDLE_S seconds after every device has a value /proc/<pid>/smaps_rollup is read. RSS counts pages shared with other processes of
// the same binary in full, PSS counts its share of them, "private" is what would be freed if the process ended.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startContainerd } from "../test/support/containerd.ts";
import { freePorts } from "../test/support/free-ports.ts";
import { root, TestSite } from "../test/support/site.ts";
import { print, printGoal } from "./devices/figures.ts";
import { device, model } from "./devices/gateway.ts";
import { publishEachSecond, serveModbus, startModbus, startPeer } from "./devices/peers.ts";
import { StockEdge } from "./stock-edge.ts";

const IDLE_S = Number(process.env["BENCH_IDLE_S"] ?? 30);
const DEVICES = Number(process.env["BENCH_DEVICES"] ?? 1000);
const PROPERTIES = ["p0", "p1", "p2"];
const GOAL_MIB = 128;

interface Case {
    readonly title: string;
    readonly env: NodeJS.ProcessEnv;
    /** Brings the site to what shall be measured; answers what ends the processes beside it. */
    load(site: TestSite): Promise<() => void>;
}

const headless: NodeJS.ProcessEnv = { REDGE_EDITOR: "off" };

const cases: Readonly<Record<string, Case>> = {
    empty: { title: "no pod, no device", env: headless, load: async () => () => {} },
    rest: { title: `a flow pod, ${DEVICES} devices at rest`, env: headless, load: reportOnce },
    mqtt: { title: `a flow pod, ${DEVICES} devices over MQTT`, env: headless, load: reportByMqtt },
    modbus: { title: `a flow pod, ${DEVICES} devices by the Modbus mapper`, env: headless, load: pollByModbus },
    editors: { title: `editors on, a flow pod, ${DEVICES} devices at rest`, env: {}, load: reportOnce },
};

function memoryMiB(pid: number): Record<"rss" | "pss" | "private" | "file", number> {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const mib = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN) / 1024;
    const rss = mib("Rss");
    return {
        rss,
        pss: mib("Pss"),
        private: mib("Private_Dirty") + mib("Private_Clean"),
        file: rss - mib("Anonymous"),
    };
}

function cpuSeconds(pid: number): number {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Answers the gateway's resident memory, MiB. */
async function measure({ title, env, load }: Case): Promise<number> {
    const site = await TestSite.create(env);
    let end = (): void => {};
    try {
        await site.start();
        end = await load(site);
        const { cloud, edge } = await site.pids();
        if (cloud === undefined || edge === undefined) throw new Error("a process is missing");
        const before = { cloud: cpuSeconds(cloud), edge: cpuSeconds(edge) };
        await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1000));
        for (const [role, pid] of Object.entries({ gateway: edge, cloud })) {
            const { rss, pss, private: own, file } = memoryMiB(pid);
            const used = cpuSeconds(pid) - before[role === "cloud" ? "cloud" : "edge"];
            print(
                `${title}: ${role}`,
                `${rss.toFixed(0)} MiB`,
                `PSS ${pss.toFixed(0)}, private ${own.toFixed(0)}, pages of files ${file.toFixed(0)} MiB; ` +
                    `${((used / IDLE_S) * 100).toFixed(1)} % of a core`,
            );
        }
        return memoryMiB(edge).rss;
    } finally {
        end();
        await site.stop();
        await site.remove();
    }
}

async function reportOnce(site: TestSite): Promise<() => void> {
    (await reportByMqtt(site))();
    return () => {};
}

async function reportByMqtt(site: TestSite): Promise<() => void> {
    await startPod(site);
    await create(site, (index) => device(`d${index}`, 1, 0, PROPERTIES));
    // Every device is reported until the gateway has answered for each of them.
    const peer = await startPeer("each-second", String(site.port("REDGE_MQTT_PORT")), String(DEVICES), ...PROPERTIES);
    return peer.stop;
}

async function pollByModbus(site: TestSite): Promise<() => void> {
    await startPod(site);
    const [port = 0] = await freePorts(1);
    const plant = await startModbus(port);
    const polled = plant.polled(DEVICES);
    await create(site, (index) =>
        device(`d${index}`, 1 + (index % 250), port, PROPERTIES, { first: 4 * Math.floor(index / 250) }),
    );
    await polled;
    return plant.stop;
}

async function startPod(site: TestSite): Promise<void> {
    await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
    await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=60s"]);
}

async function create(site: TestSite, make: (index: number) => object): Promise<void> {
    const items = [model(PROPERTIES), ...Array.from({ length: DEVICES }, (_, index) => make(index))];
    await site.kubectlOk(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

/** A stock EdgeCore in the cloud of a site, with a pod on a containerd of its own and DEVICES devices that it has acknowledged. */
async function edgeCore(path: string): Promise<void> {
    const engine = await startContainerd();
    const site = await TestSite.create({ ...headless, REDGE_CONTAINER_RUNTIME: "none" });
    site.onRemove(() => engine.stop());
    try {
        await site.start();
        const stock = await StockEdge.start(path, site, engine.socket);
        site.onRemove(() => stock.stop());
        const overrides = JSON.stringify({ spec: { nodeName: stock.name } });
        const flags = ["--image", engine.image, "--image-pull-policy", "IfNotPresent", "--overrides", overrides];
        await site.kubectlOk(["run", "hello", ...flags, "--command", "--", "sleep", "1000"]);
        await site.kubectlOk(["wait", "--for=condition=Ready", "pod/hello", "--timeout=60s"]);
        await create(site, (index) => device(`d${index}`, 1, 0, PROPERTIES, { node: stock.name }));
        for (let there = 0; there < DEVICES; await new Promise((resolve) => setTimeout(resolve, 500))) {
            const names = await site.kubectlOk([
                "get",
                "objectsyncs",
                "-A",
                "-o",
                "jsonpath={.items[*].spec.objectKind}",
            ]);
            there = names.split(" ").filter((kind) => kind === "Device").length;
        }
        await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1000));
        const { rss, private: own } = memoryMiB(stock.pid);
        print(`a pod, ${DEVICES} devices at rest: EdgeCore`, `${rss.toFixed(0)} MiB`, `private ${own.toFixed(0)} MiB`);
    } finally {
        await site.stop();
        await site.remove();
    }
}

async function main(args: readonly string[]): Promise<void> {
    const options = { edgecore: { type: "string" } } as const;
    const { positionals, values } = parseArgs({ args: [...args], allowPositionals: true, options });
    const [only] = positionals;
    if (only !== undefined && cases[only] === undefined)
        throw new Error(`no case ${only}; there are ${Object.keys(cases).join(", ")}`);
    print(`resident memory ${IDLE_S} s after all was up`, "", "from /proc/<pid>/smaps_rollup");
    const found: Record<string, number> = {};
    for (const [name, each] of Object.entries(cases)) {
        if (only === undefined || only === name) found[name] = await measure(each);
        if (name === "rest" && values.edgecore !== undefined) await edgeCore(values.edgecore);
    }
    const goal = `${GOAL_MIB} MiB [EdgeCore alone: 128 MiB]`;
    const { rest, mqtt, modbus, editors } = found;
    if (rest !== undefined)
        printGoal("gateway with 1,000 devices at rest, editor off", `${rest.toFixed(0)} MiB`, rest <= GOAL_MIB, goal);
    if (mqtt !== undefined)
        print("gateway with 1,000 devices over MQTT each second, editor off", `${mqtt.toFixed(0)} MiB`);
    if (modbus !== undefined)
        print(
            "gateway with 1,000 devices by its own Modbus mapper, editor off",
            `${modbus.toFixed(0)} MiB`,
            "EdgeCore has no mapper within: each of its mappers is a process beside it",
        );
    if (rest !== undefined && editors !== undefined)
        print("the price of the editor at the gateway", `${(editors - rest).toFixed(0)} MiB`);
}

const [role, ...rest] = process.argv.slice(2);
if (role === "--modbus") serveModbus(rest[0] ?? "");
else if (role === "--each-second") await publishEachSecond(rest[0] ?? "", Number(rest[1]), rest.slice(2));
else await main(process.argv.slice(2));
