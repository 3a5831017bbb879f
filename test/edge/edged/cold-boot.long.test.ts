// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { FlowRuntime, type PodRuntime } from "../../../src/edge/edged/index.ts";
import type { Pod } from "../../../src/edge/edged/podspec/types.ts";
import { DockerRuntime } from "../../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";
import { BUSYBOX, call, type DockerEngine, dockerParts, startDocker } from "../../support/docker.ts";
import { describeWith } from "../../support/requires.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";
import {
    configMap,
    flowPod,
    type Gateway,
    pod,
    removeTempDirs,
    startGateway,
    tempDir,
    testPorts,
    until,
} from "./harness.ts";

const OF_EACH = 10;
const WITHIN_MS = 120_000;
const DAY_MS = 24 * 3_600_000;
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);
const TOKEN = "volumes/token/token";
const VOLUME = {
    name: "token",
    projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }] },
};

function withToken(made: Pod): Pod {
    return { ...made, spec: { ...made.spec, volumes: [...(made.spec.volumes ?? []), VOLUME] } };
}

function containerPod(name: string): Pod {
    const mount = { name: "token", mountPath: "/token" };
    // It runs only where its token is mounted.
    const command = ["sh", "-c", "test -s /token/token && exec sleep 100000"];
    return withToken(
        pod(name, {
            containers: [{ name: "main", image: BUSYBOX, imagePullPolicy: "Never", command, volumeMounts: [mount] }],
        }),
    );
}

/** Running, all of its containers too. */
function isRunning({ status }: Pod): boolean {
    const containers = status?.containerStatuses ?? [];
    return status?.phase === "Running" && containers.length > 0 && containers.every(({ state }) => state?.running);
}

describeWith(dockerParts, "a gateway that boots cold without a cloud", () => {
    let engine: DockerEngine;
    const running: Gateway[] = [];
    let store: DocumentStore | undefined;

    beforeAll(async () => {
        engine = await startDocker();
    }, 120_000);
    afterAll(() => engine?.stop(), 60_000);
    afterEach(async () => {
        for (const each of running.splice(0)) await each.stop();
        await store?.close();
        for (const id of await ids("?all=true")) await call(engine.socket, "DELETE", `/containers/${id}?force=true`);
        await removeTempDirs();
    }, 60_000);

    async function ids(query = ""): Promise<readonly string[]> {
        const listed = JSON.parse(await call(engine.socket, "GET", `/containers/json${query}`)) as { Id: string }[];
        return listed.map(({ Id }) => Id);
    }

    /** As a power cut leaves them: all dead, none removed. */
    async function cutPower(): Promise<void> {
        for (const id of await ids()) {
            await call(engine.socket, "POST", `/containers/${id}/kill`);
            await call(engine.socket, "POST", `/containers/${id}/wait`);
        }
        expect(await ids()).toEqual([]);
    }

    async function boot(
        rootDir: string,
        host: FakeFlowHost,
        more: { readonly clock?: Clock; readonly link?: boolean } = {},
    ): Promise<Gateway> {
        store = await openStore({ engine: "nedb", path: join(rootDir, "redge.nedb") }, testPorts);
        const ports = { ...testPorts, clock: more.clock ?? systemClock };
        const runtimes = (dir: string, from: DocumentStore): PodRuntime[] => [
            new FlowRuntime({ ...ports, store: from, host, logDir: join(dir, "logs") }),
            new DockerRuntime({ ...ports, socket: engine.socket, owner: "test" }),
        ];
        const started = await startGateway({ runtimes, store, rootDir, ...more });
        running.push(started);
        return started;
    }

    async function allRun({ edged }: Gateway): Promise<void> {
        const waiting = (): string[] =>
            edged.pods.workers.filter((one) => !isRunning(one.pod)).map((one) => one.pod.metadata.name);
        const look = (): true | undefined =>
            (edged.pods.workers.length === 2 * OF_EACH && waiting().length === 0) || undefined;
        await until(look, () => `all Running, but ${waiting()}`, WITHIN_MS);
    }

    it.each([0, 400])(
        "has its flows and containers Running again, %i days later",
        { timeout: 300_000 },
        async (days) => {
            const rootDir = await tempDir();
            const first = await boot(rootDir, new FakeFlowHost());
            const containerPods = Array.from({ length: OF_EACH }, (_, index) => containerPod(`container-${index}`));
            for (const made of containerPods) first.cloud.apply(`default/pod/${made.metadata.name}`, made);
            for (let index = 0; index < OF_EACH; index += 1) {
                const name = `flow-${index}`;
                first.cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": FLOW }));
                first.cloud.apply(`default/pod/${name}`, withToken(flowPod(name)));
            }
            await allRun(first);
            const tokens = containerPods.map(({ metadata }) => join(rootDir, "pods", metadata.uid, TOKEN));
            const before = await Promise.all(tokens.map((path) => readFile(path, "utf8")));
            await running.pop()?.stop();
            await store?.close();
            await cutPower();

            const clock: Clock = { ...systemClock, nowMs: () => Date.now() + days * DAY_MS };
            const host = new FakeFlowHost();
            const beganMs = performance.now();
            const second = await boot(rootDir, host, { link: false, clock });
            // What the store says of before the power cut is no proof: a container and its sandbox live for each pod.
            await until(() => host.units.size === OF_EACH || undefined, "flows deployed", WITHIN_MS);
            await until(async () => (await ids()).length === 2 * OF_EACH || undefined, "containers live", WITHIN_MS);
            await allRun(second);
            console.log(
                `${OF_EACH} flow pods and ${OF_EACH} container pods Running ${Math.round(performance.now() - beganMs)} ms after a cold boot without a link, ${days} days later`,
            );
            expect(await Promise.all(tokens.map((path) => readFile(path, "utf8")))).toEqual(before);
        },
    );
});
