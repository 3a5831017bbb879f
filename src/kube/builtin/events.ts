// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../types.ts";

/** Fields whose names differ between events.k8s.io/v1 and the core form in which events are kept. */
const RENAMED: Readonly<Record<string, string>> = {
    note: "message",
    regarding: "involvedObject",
    reportingController: "reportingComponent",
    deprecatedCount: "count",
    deprecatedFirstTimestamp: "firstTimestamp",
    deprecatedLastTimestamp: "lastTimestamp",
    deprecatedSource: "source",
};

const BACK = Object.fromEntries(Object.entries(RENAMED).map(([modern, core]) => [core, modern]));

function renamed(object: KubeObject, names: Readonly<Record<string, string>>, apiVersion: string): KubeObject {
    const entries = Object.entries(object).map(([key, value]) => [names[key] ?? key, value]);
    return { ...Object.fromEntries(entries), apiVersion };
}

/** events.k8s.io/v1 to v1. */
export const toCoreEvent = (object: KubeObject): KubeObject => renamed(object, RENAMED, "v1");
/** v1 to events.k8s.io/v1. */
export const fromCoreEvent = (object: KubeObject): KubeObject => renamed(object, BACK, "events.k8s.io/v1");
