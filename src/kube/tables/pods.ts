// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import { count, specOf, statusOf, stringColumn, text } from "./read.ts";
import { age, ageColumn, type Column, nameColumn } from "./table.ts";

const containerStatuses = (object: KubeObject): readonly JsonRecord[] =>
    asRecords(statusOf(object)["containerStatuses"]);
const initStatuses = (object: KubeObject): readonly JsonRecord[] =>
    asRecords(statusOf(object)["initContainerStatuses"]);
const isSidecar = (object: KubeObject, { name }: JsonRecord): boolean =>
    asRecords(specOf(object)["initContainers"]).find((one) => one["name"] === name)?.["restartPolicy"] === "Always";
const state = (container: JsonRecord, name: string): JsonRecord | undefined => {
    const found = asRecord(container["state"])[name];
    return found === undefined || found === null ? undefined : asRecord(found);
};

function exitReason(terminated: JsonRecord): string {
    const { reason, signal, exitCode } = terminated;
    if (asText(reason) !== undefined) return String(reason);
    return count(signal) !== 0 ? `Signal:${count(signal)}` : `ExitCode:${count(exitCode)}`;
}

/** What `kubectl get pods` shows under STATUS. */
export function podPhase(object: KubeObject): string {
    const status = statusOf(object);
    const deleting = object.metadata.deletionTimestamp !== undefined;
    const gated = asRecords(status["conditions"]).some(
        (one) => one["type"] === "PodScheduled" && one["reason"] === "SchedulingGated",
    );
    let reason = gated ? "SchedulingGated" : (asText(status["reason"]) ?? text(status["phase"], "Unknown"));
    reason = initReason(object) ?? reason;
    if (!initializing(object)) {
        let running = false;
        for (const container of [...containerStatuses(object)].reverse()) {
            const waiting = state(container, "waiting");
            const terminated = state(container, "terminated");
            if (asText(waiting?.["reason"]) !== undefined) reason = String(waiting?.["reason"]);
            else if (terminated !== undefined) reason = exitReason(terminated);
            else if (container["ready"] === true && state(container, "running") !== undefined) running = true;
        }
        const ready = asRecords(status["conditions"]).some(
            (one) => one["type"] === "Ready" && one["status"] === "True",
        );
        if (reason === "Completed" && running) reason = ready ? "Running" : "NotReady";
    }
    const ended = status["phase"] === "Succeeded" || status["phase"] === "Failed";
    if (deleting && status["reason"] === "NodeLost") return "Unknown";
    return deleting && !ended ? "Terminating" : reason;
}

/** The init containers' states are what counts. */
function initializing(object: KubeObject): boolean {
    const initialized = asRecords(statusOf(object)["conditions"]).some(
        (one) => one["type"] === "Initialized" && one["status"] === "True",
    );
    return !initialized && initReason(object) !== undefined;
}

/** What the first init container that has not done its part, or the first sidecar that is not up, waits for. */
function initReason(object: KubeObject): string | undefined {
    const containers = asRecords(specOf(object)["initContainers"]);
    for (const [at, container] of initStatuses(object).entries()) {
        const terminated = state(container, "terminated");
        if (terminated !== undefined && count(terminated["exitCode"]) === 0) continue;
        if (isSidecar(object, container) && container["started"] === true) continue;
        if (terminated !== undefined) return `Init:${exitReason(terminated)}`;
        const waiting = asText(state(container, "waiting")?.["reason"]);
        if (waiting !== undefined && waiting !== "PodInitializing") return `Init:${waiting}`;
        return `Init:${at}/${containers.length}`;
    }
    return undefined;
}

/** Sidecars count as the containers they are. */
function ready(object: KubeObject): string {
    const sidecars = asRecords(specOf(object)["initContainers"]).filter((one) => one["restartPolicy"] === "Always");
    const total = asRecords(specOf(object)["containers"]).length + sidecars.length;
    const up = initStatuses(object).filter((one) => isSidecar(object, one) && one["started"] === true);
    if (!initializing(object))
        up.push(...containerStatuses(object).filter((one) => state(one, "running") !== undefined));
    return `${up.filter((one) => one["ready"] === true).length}/${total}`;
}

/** Of the init containers as long as they run, of the others and the sidecars afterwards. */
function restarts(object: KubeObject, nowMs: number): string {
    const init = initStatuses(object);
    const statuses = initializing(object)
        ? init
        : [...init.filter((one) => isSidecar(object, one)), ...containerStatuses(object)];
    const total = statuses.reduce((sum, one) => sum + count(one["restartCount"]), 0);
    const ends = statuses
        .map((one) => asText(asRecord(asRecord(one["lastState"])["terminated"])["finishedAt"]) ?? "")
        .sort();
    const last = ends.at(-1);
    return total > 0 && last ? `${total} (${age(last, nowMs)} ago)` : String(total);
}

function gates(object: KubeObject): string {
    const wanted = asRecords(specOf(object)["readinessGates"]);
    if (wanted.length === 0) return "<none>";
    const conditions = asRecords(statusOf(object)["conditions"]);
    const met = wanted.filter((gate) =>
        conditions.some((one) => one["type"] === gate["conditionType"] && one["status"] === "True"),
    );
    return `${met.length}/${wanted.length}`;
}

export const podColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Ready", ready),
    stringColumn("Status", podPhase),
    stringColumn("Restarts", restarts),
    ageColumn,
    stringColumn(
        "IP",
        (object) => text(asRecords(statusOf(object)["podIPs"])[0]?.["ip"] ?? statusOf(object)["podIP"], "<none>"),
        1,
    ),
    stringColumn("Node", (object) => text(specOf(object)["nodeName"], "<none>"), 1),
    stringColumn("Nominated Node", (object) => text(statusOf(object)["nominatedNodeName"], "<none>"), 1),
    stringColumn("Readiness Gates", gates, 1),
];

export const jobColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Status", (object) => jobState(object)),
    stringColumn(
        "Completions",
        (object) => `${count(statusOf(object)["succeeded"])}/${text(specOf(object)["completions"], "1")}`,
    ),
    stringColumn("Duration", (object, nowMs) => {
        const { startTime, completionTime } = statusOf(object);
        if (asText(startTime) === undefined) return "";
        return age(startTime, asText(completionTime) === undefined ? nowMs : Date.parse(String(completionTime)));
    }),
    ageColumn,
];

function jobState(object: KubeObject): string {
    const has = (type: string): boolean =>
        asRecords(statusOf(object)["conditions"]).some((one) => one["type"] === type && one["status"] === "True");
    if (has("Complete")) return "Complete";
    if (has("Failed")) return "Failed";
    if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
    return has("Suspended") ? "Suspended" : "Running";
}
