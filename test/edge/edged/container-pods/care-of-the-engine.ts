// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { FakeMachine } from "../fake-machine.ts";
import { pod, tempDir, until } from "../harness.ts";
import { type EngineSuite, MovedClock, POD } from "./suite.ts";

/** What of the engine is taken over, kept and cleared away. */
export function careOfTheEngine(suite: EngineSuite): void {
    const { end, gateway, phaseIs } = suite;

    it("adopts what runs after a restart of the gateway and of the engine", async () => {
        const store = new MemoryStore();
        const rootDir = await tempDir();
        const first = await gateway({ store, rootDir });
        first.cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: suite.engine.image, command: ["sleep", "3600"] }] }),
        );
        await phaseIs(first.cloud, "Running");
        const before = await suite.engine.containers();
        await first.stop();
        await suite.engine.kill();
        const second = await gateway({ store, rootDir, cloud: first.cloud });
        await suite.engine.start();
        const status = await until(() => {
            const worker = second.edged.pods.find("default", "web");
            return worker?.record?.containers[0]?.state.phase === "running"
                ? worker.pod.status?.containerStatuses?.[0]
                : undefined;
        }, "adopted");
        expect(status?.restartCount).toBe(0);
        expect(await suite.engine.containers()).toEqual(before);
        await end(second.cloud);
    });

    it("removes containers that no pod owns", async () => {
        const store = new MemoryStore();
        const first = await gateway({ store });
        first.cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: suite.engine.image, command: ["sleep", "3600"] }] }),
        );
        await phaseIs(first.cloud, "Running");
        await first.stop();
        await store.write([{ op: "delete", key: `metamanager/objects/${POD}` }]);
        await gateway({ store, rootDir: first.rootDir });
        await until(async () => (await suite.engine.containers()).length === 0 || undefined, "orphans gone");
    });

    it("keeps one dead container of each beside the newest", async () => {
        const clock = new MovedClock();
        const { cloud, edged } = await gateway({ clock });
        cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: suite.engine.image, command: ["sh", "-c", "exit 1"] }] }),
        );
        const worker = await until(() => edged.pods.find("default", "web"), "known");
        await until(() => {
            const [told] = cloud.status(POD)?.containerStatuses ?? [];
            if ((told?.restartCount ?? 0) >= 3) return true;
            if (told?.state.waiting?.reason !== "CrashLoopBackOff") return undefined;
            clock.move(300_000);
            worker.wake();
            return undefined;
        }, "three restarts");
        // Two starts and the sandbox.
        await until(
            async () => (await suite.engine.containers()).length === 3 || undefined,
            "two starts and the sandbox",
        );
        await end(cloud);
    });

    it("removes images that pods left behind when their disk is full, and none in use or of somebody else", async () => {
        const clock = new MovedClock();
        const machine = new FakeMachine();
        const mine = suite.engine.image.replace(/[^/]+$/, "mine:1");
        const theirs = suite.engine.image.replace(/[^/]+$/, "theirs:1");
        await suite.engine.addImage(mine);
        await suite.engine.addImage(theirs);
        const { cloud, edged } = await gateway({ clock, machine });
        cloud.apply(POD, pod("web", { containers: [{ name: "web", image: mine, command: ["sleep", "3600"] }] }));
        await phaseIs(cloud, "Running");
        const runtime = edged.pods.find("default", "web")?.runtime;
        const has = async (image: string): Promise<boolean> => (await runtime?.imageId(image)) !== undefined;
        expect(await runtime?.imageDir()).toMatch(/^\//);
        machine.imagesFreeBytes = 2 ** 30;
        clock.move(3_600_000);
        await edged.images.collect();
        expect(await has(mine)).toBe(true);
        await end(cloud);
        await until(async () => (await suite.engine.containers()).length === 0 || undefined, "nothing left");
        await edged.images.collect();
        // Unused for less than the age at which images may go.
        expect(await has(mine)).toBe(true);
        clock.move(121_000);
        await edged.images.collect();
        expect(await has(mine)).toBe(false);
        expect(await has(theirs)).toBe(true);
        expect(await has(suite.engine.image)).toBe(true);
        await until(
            () => cloud.events.find(({ reason }) => reason === "FreeDiskSpaceFailed"),
            "told that it is too little",
        );
    });
}
