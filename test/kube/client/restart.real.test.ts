// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { Informer } from "../../../src/kube/client/informer.ts";
import { isAlreadyExists } from "../../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import { eventually } from "../../support/eventually.ts";
import { realKube, startRealKube } from "../../support/kube.ts";
import { describeWith } from "../../support/requires.ts";

const type = Kinds.configMap;
const namespace = "default";

describeWith([realKube], "an informer whose real API server is killed and comes back", () => {
    it("misses nothing and tells nothing twice, however often", async () => {
        const kube = await startRealKube({ scheduler: false, controllers: false });
        const cluster = createKubeClient(kube.connection, { clock: systemClock, random: Math.random });
        const query = { type, namespace, labelSelector: "app=x" };
        const informer = new Informer<KubeObject>({ cluster, query }, { clock: systemClock, random: () => 0 });
        const told: string[] = [];
        let trouble = 0;
        informer.on("add", ({ metadata }) => told.push(`add ${metadata.name}`));
        informer.on("update", (object) =>
            told.push(`update ${object.metadata.name} ${JSON.stringify(object["data"])}`),
        );
        informer.on("delete", ({ metadata }) => told.push(`delete ${metadata.name}`));
        informer.on("trouble", () => {
            trouble += 1;
        });
        const create = async (name: string): Promise<void> => {
            const metadata = { name, namespace, labels: { app: "x" } };
            try {
                await cluster.create(type, { apiVersion: "v1", kind: "ConfigMap", metadata });
            } catch (failure) {
                // The answer to a write may be lost with the server; the write is not.
                if (!isAlreadyExists(failure)) throw failure;
            }
        };
        try {
            await informer.start();
            await informer.whenSynced();
            await create("kept");
            await create("gone");
            const expected = ["add kept", "add gone"];
            for (const round of [1, 2]) {
                await eventually(() => expect(told).toEqual(expected));
                const restart = await kube.killApiServer();
                const before = trouble;
                await eventually(() => expect(trouble).toBeGreaterThan(before));
                restart();
                await eventually(() => create(`new-${round}`), 60_000);
                // An informer that lists anew tells what it finds in the list's order: one change at a time.
                expected.push(`add new-${round}`);
                await eventually(() => expect(told).toEqual(expected), 60_000);
                await cluster.patch({ type, namespace, name: "kept" }, { data: { round: String(round) } }, "merge");
                expected.push(`update kept {"round":"${round}"}`);
            }
            await eventually(() => expect(told).toEqual(expected));
            await cluster.delete({ type, namespace, name: "gone" });
            expected.push("delete gone");
            await eventually(() => expect(told).toEqual(expected));
            expect(
                informer
                    .list()
                    .map(({ metadata }) => metadata.name)
                    .sort(),
            ).toEqual(["kept", "new-1", "new-2"]);
        } finally {
            await informer.stop();
            await cluster.close();
            await kube.stop();
        }
    }, 300_000);
});
