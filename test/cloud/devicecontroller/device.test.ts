// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { expectsReports, reportPeriodMs } from "../../../src/cloud/devicecontroller/device.ts";
import { refusal, sameValue, typeMismatch } from "../../../src/cloud/devicecontroller/values.ts";

const device = (spec: Record<string, unknown>) => ({
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "Device",
    metadata: { name: "d" },
    spec,
});

test.each<[string, Record<string, unknown>, boolean, number | undefined]>([
    ["nothing at all", {}, false, undefined],
    ["a property that says nothing", { properties: [{ name: "a", collectCycle: 7000 }] }, true, 7000],
    ["a property that does not report", { properties: [{ name: "a", reportToCloud: false }] }, false, undefined],
    ["a stateReport that says nothing", { stateReport: { reportCycle: 9000 } }, true, 9000],
    ["a stateReport that does not report", { stateReport: { reportToCloud: false } }, false, undefined],
])("the cloud waits for a device with %s", (_case, spec, expected, periodMs) => {
    expect([expectsReports(device(spec)), reportPeriodMs(device(spec))]).toEqual([expected, periodMs]);
});

test("whole numbers of 64 bits are told apart", () => {
    const property = { type: "INT", writable: true, minimum: "-9007199254740993", maximum: "9007199254740992" };
    expect(refusal(property, "9007199254740993")).toBe("is above 9007199254740992");
    expect(refusal(property, "-9007199254740994")).toBe("is below -9007199254740993");
    expect(refusal(property, "-9007199254740993")).toBeUndefined();
    expect(sameValue(property, "9007199254740993", "9007199254740992")).toBe(false);
    expect(sameValue(property, "+7", "07")).toBe(true);
    expect(sameValue({ ...property, type: "DOUBLE" }, "9007199254740993", "9007199254740992")).toBe(true);
});

test("a value of type BYTES is base64, reported or desired", () => {
    const property = { type: "BYTES", writable: true, minimum: undefined, maximum: undefined };
    for (const said of [typeMismatch, refusal]) {
        expect(said(property, "AA==")).toBeUndefined();
        expect(said(property, "warm")).toBeUndefined();
        expect(said(property, "warm!")).toBe("is not base64");
    }
});
