// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, it } from "vitest";
import { startEmbeddedApiServer } from "../../../support/embedded.ts";
import { realKube, startRealKube } from "../../../support/kube.ts";
import { describeWith } from "../../../support/requires.ts";
import { calls } from "./calls.ts";
import { type Answer, answersOf, type Difference, differences } from "./compare.ts";
import { meant } from "./meant.ts";

describeWith([realKube], "the embedded API server beside a real one", () => {
    let real: Answer[];
    let ours: Answer[];

    beforeAll(async () => {
        const kube = await startRealKube({ scheduler: false, controllers: false });
        try {
            real = await answersOf(kube.connection, calls);
        } finally {
            await kube.stop();
        }
        const embedded = await startEmbeddedApiServer();
        try {
            ours = await answersOf(embedded.connection, calls);
        } finally {
            await embedded.stop();
        }
    });

    const used = new Set<unknown>();
    const isMeant = ({ call, path }: Difference): boolean => {
        const rule = meant.find((candidate) => candidate.call.test(call) && candidate.path.test(path));
        if (rule !== undefined) used.add(rule);
        return rule !== undefined;
    };

    it.each(calls.map((call, index) => ({ name: call.name, call, index })))(
        "answers the same to $name",
        ({ call, index }) => {
            const [one, other] = [real[index], ours[index]];
            if (one === undefined || other === undefined) throw new Error("no answer");
            expect(differences(call, one, other).filter((difference) => !isMeant(difference))).toEqual([]);
        },
    );

    it("has no meant difference that is none any more", () => {
        expect(meant.filter((rule) => !used.has(rule))).toEqual([]);
    });

    afterAll(() => used.clear());
});
