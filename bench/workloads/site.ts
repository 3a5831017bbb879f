// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../src/core/clock.ts";
import type { PodStatus } from "../../src/edge/edged/podspec/types.ts";
import { CriClient } from "../../src/edge/edged/runtimes/cri/cri-client.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { Kinds } from "../../src/kube/types.ts";
import { type ContainerdEngine, startContainerd } from "../../test/support/containerd.ts";
import { TestSite } from "../../test/support/site.ts";
import { StockEdge } from "../stock-edge.ts";
import { p50p99, print } from "./figures.ts";
import { COMMAND } from "./kinds.ts";

const WARM_UP = 2;
const TURNS = 15;

interface Node {
    readonly name: string;
    readonly what: string;
    readonly engine: ContainerdEngine;
    /** Milliseconds from the API's event of the new pod to its process. */
    readonly process: number[];
    /** Milliseconds from the start of `kubectl run` to Running in the API. */
    readonly running: number[];
}

/**
 * The whole way as a user goes it: `kubectl run` at the embedded API server of a `redge site`, its gateway on containerd; in
 * turn with it, where its binary is given, a stock EdgeCore that has joined the same cloud, on a containerd of the same
 * settings.
 * @param edgecore path of EdgeCore v1.23
 */
export async function wholeSite(edgecore: string | undefined): Promise<void> {
    const engine = await startContainerd();
    const site = await TestSite.create({
        REDGE_EDITOR: "off",
        REDGE_CONTAINER_RUNTIME: "cri",
        DOCKER_HOST: `unix://${engine.socket}`,
    });
    site.onRemove(() => engine.stop());
    await site.start();
    const nodes: Node[] = [{ name: "edge", what: "redge site", engine, process: [], running: [] }];
    if (edgecore !== undefined) {
        const other = await startContainerd();
        site.onRemove(() => other.stop());
        const stock = await StockEdge.start(edgecore, site, other.socket);
        site.onRemove(() => stock.stop());
        nodes.push({ name: stock.name, what: "stock EdgeCore", engine: other, process: [], running: [] });
    }
    const connection = await connectionFromKubeconfig(site.kubeconfig);
    const client = createKubeClient(connection, { clock: systemClock, random: Math.random });
    for (let turn = -WARM_UP; turn < TURNS; turn += 1) {
        for (const node of nodes) await onePod(site, client, node, `${node.name}-${turn + WARM_UP}`, turn >= 0);
    }
    for (const { what, process: started, running } of nodes) {
        print(what, "1 pod", `API created → process ${p50p99(started)}; kubectl run → Running ${p50p99(running)}`);
    }
    await client.close();
    await site.stop();
    await site.remove();
}

async function onePod(site: TestSite, client: KubeClient, node: Node, name: string, counted: boolean): Promise<void> {
    const query = { type: Kinds.pod, namespace: "default", fieldSelector: `metadata.name=${name}` };
    const { resourceVersion = "" } = (await client.list(query)).metadata;
    const end = new AbortController();
    const watch = client.watch({ ...query, resourceVersion }, end.signal);
    const spec = { nodeName: node.name, terminationGracePeriodSeconds: 1 };
    const flags = ["--image", node.engine.image, "--image-pull-policy", "IfNotPresent"];
    const beganMs = Date.now();
    const ran = site.kubectlOk([
        ...["run", name, ...flags, "--overrides", JSON.stringify({ spec })],
        ...["--command", "--", ...COMMAND],
    ]);
    let createdMs = 0;
    for await (const { type, object } of watch) {
        if (type === "ADDED") createdMs = Date.now();
        const { phase } = (object["status"] ?? {}) as Partial<PodStatus>;
        if (type === "MODIFIED" && phase === "Running" && object.metadata.deletionTimestamp === undefined) {
            const runningMs = Date.now();
            await ran;
            if (counted) node.process.push((await startedMs(node.engine)) - createdMs);
            if (counted) node.running.push(runningMs - beganMs);
            await site.kubectlOk(["delete", "pod", name, "--wait=false"]);
        }
        if (type === "DELETED") break;
    }
    end.abort();
}

/** When the engine started the newest container, Unix milliseconds. */
async function startedMs({ socket }: ContainerdEngine): Promise<number> {
    const client = new CriClient(socket);
    try {
        const listed = await client.call("ListContainers", ["ListContainersRequest", {}], "ListContainersResponse");
        const ids = (listed["containers"] as readonly { id: string }[]).map(({ id }) => id);
        const starts = ids.map(async (id) => {
            const answer = await client.call(
                "ContainerStatus",
                ["ContainerId", { container_id: id }],
                "ContainerStatusResponse",
            );
            return Number((answer["status"] as { started_at: unknown }).started_at) / 1e6;
        });
        return Math.max(...(await Promise.all(starts)));
    } finally {
        client.close();
    }
}
