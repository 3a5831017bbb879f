// SPDX-License-Identifier: Apache-2.0
import { beforeAll, expect, test } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { MetaManager, metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { parseEnvelope } from "../../../src/envelope/codec.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { readRecording, recordingsPart, type WireMessage } from "../../support/link/recording.ts";
import { describeWith } from "../../support/requires.ts";

/**
 * What a stock CloudCore pushed, one recording after the other, to MetaManager: each acknowledgement compared with that of
 * the recorded EdgeCore, field by field but for its own id and time.
 */
const SCENES = ["02", "03", "04", "05", "06", "11", "12", "13"];

interface Acknowledged {
    readonly push: WireMessage;
    readonly recorded: WireMessage;
    readonly ours: readonly Envelope[];
}

describeWith([recordingsPart], "recorded pushes of a stock CloudCore, stored by MetaManager", () => {
    const byScene = new Map<string, Acknowledged[]>();

    beforeAll(async () => {
        const toCloud: Envelope[] = [];
        const ports = { clock: new ManualClock(), log: silentLogger, metrics: noMetrics, random: () => 0.5 };
        const meta = new MetaManager(parseConfig(metaManagerConfig, {}), { ...ports, store: new MemoryStore() });
        meta.on("output", (output, envelope) => {
            if (output === "edgehub") toCloud.push(envelope);
        });
        await meta.start();
        for (const scene of SCENES) {
            const messages = readRecording(scene).flatMap((step) => (step.event === "message" ? [step] : []));
            const found: Acknowledged[] = [];
            for (const { dir, message } of messages) {
                const { header, route } = message;
                const isPush = route["source"] === "edgecontroller" && header.parent_msg_id === undefined;
                if (dir !== "cloud->edge" || !isPush || route["resource"]?.includes("/devicemodel/") === true) continue;
                await meta.receive(parseEnvelope(message));
                const isAnswer = ({
                    message: {
                        header: { parent_msg_id },
                    },
                }: (typeof messages)[number]) => parent_msg_id === header.msg_id;
                const recorded = messages.find((one) => one.dir === "edge->cloud" && isAnswer(one))?.message;
                const ours = toCloud.filter((envelope) => envelope.header.parent_msg_id === header.msg_id);
                if (recorded !== undefined) found.push({ push: message, recorded, ours });
            }
            byScene.set(scene, found);
        }
        await meta.stop();
    });

    test.each(SCENES)("recording %s", (scene) => {
        for (const { push, recorded, ours } of byScene.get(scene) ?? []) {
            const resource = push.route["resource"];
            expect(
                ours.map(({ route, content }) => ({ route, content })),
                resource,
            ).toEqual([{ route: recorded.route, content: recorded.content }]);
        }
    });

    test("enough was compared to mean something", () => {
        expect([...byScene.values()].flat().length).toBeGreaterThan(25);
    });
});
