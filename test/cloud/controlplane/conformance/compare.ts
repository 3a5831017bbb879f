// SPDX-License-Identifier: Apache-2.0
import https from "node:https";
import type { ClusterConnection } from "../../../../src/kube/client/connection.ts";
import type { Call } from "./calls.ts";

export interface Answer {
    readonly code: number;
    readonly body: unknown;
}

/** One place where two answers differ. */
export interface Difference {
    readonly call: string;
    /** Where in the answer, e.g. "body.spec.replicas". */
    readonly path: string;
    readonly real: unknown;
    readonly ours: unknown;
}

/** Sends the calls one after the other. */
export async function answersOf(connection: ClusterConnection, calls: readonly Call[]): Promise<Answer[]> {
    const agent = new https.Agent({
        keepAlive: true,
        ca: connection.caPem,
        cert: connection.certPem,
        key: connection.keyPem,
    });
    const token = await connection.token?.();
    const versions = new Map<string, string>();
    const answers: Answer[] = [];
    for (const call of calls) {
        const answer = await send(connection.server, agent, token, call, versions.get(call.path));
        const { metadata } = (answer.body ?? {}) as { metadata?: { resourceVersion?: string } };
        if (metadata?.resourceVersion !== undefined) versions.set(call.path, metadata.resourceVersion);
        answers.push(answer);
    }
    agent.destroy();
    return answers;
}

function send(
    server: string,
    agent: https.Agent,
    token: string | undefined,
    call: Call,
    version: string | undefined,
): Promise<Answer> {
    const body = call.fresh ? withVersion(call.body, version) : call.body;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { accept: call.accept ?? "application/json" };
    if (text !== undefined) {
        headers["content-type"] = call.contentType ?? "application/json";
        headers["content-length"] = String(Buffer.byteLength(text));
    }
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    return new Promise((resolve, reject) => {
        const request = https.request(server + call.path, { method: call.method, agent, headers }, (response) => {
            let got = "";
            response.setEncoding("utf8").on("data", (chunk: string) => {
                got += chunk;
            });
            response.once("end", () => resolve({ code: response.statusCode ?? 0, body: parsed(got) }));
            response.once("error", reject);
        });
        request.once("error", reject);
        request.end(text);
    });
}

function withVersion(body: unknown, resourceVersion: string | undefined): unknown {
    const object = body as { metadata: Record<string, unknown> };
    return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

function parsed(text: string): unknown {
    try {
        return JSON.parse(text) as unknown;
    } catch {
        return text;
    }
}

export function differences(call: Call, real: Answer, ours: Answer): Difference[] {
    const found: Difference[] = [];
    walk("", normal(real), normal(ours), (path, one, other) => {
        found.push({ call: call.name, path, real: one, ours: other });
    });
    return found;
}

function walk(
    path: string,
    one: unknown,
    other: unknown,
    tell: (path: string, one: unknown, other: unknown) => void,
): void {
    if (isObject(one) && isObject(other) && Array.isArray(one) === Array.isArray(other)) {
        for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
            walk(path === "" ? key : `${path}.${key}`, one[key], other[key], tell);
        }
    } else if (JSON.stringify(one) !== JSON.stringify(other)) tell(path, one, other);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const FIXED_TIME = "2026-01-01T00:00:00";
const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const AGE = /^(\d+[smhd])+$|^<invalid>$/;
/** Who last wrote which field differs by nature: neither server is asked about it here. */
const LEFT_OUT = new Set(["managedFields", "selfLink"]);

/** What is different by nature (times, versions, uids) becomes a word. */
function normal(value: unknown, key = ""): unknown {
    if (Array.isArray(value)) return value.map((item) => normal(item, key));
    if (isObject(value)) {
        // Go writes what is not set where JavaScript leaves it out: null times, empty texts, zero counts, empty objects.
        const kept = Object.entries(value).filter(([name, inner]) => !LEFT_OUT.has(name) && !isUnset(inner));
        return Object.fromEntries(kept.map(([name, inner]) => [name, normal(inner, name)]));
    }
    if (typeof value !== "string") return value;
    if (key === "resourceVersion") return "<version>";
    if (TIME.test(value) && !value.startsWith(FIXED_TIME)) return "<time>";
    if (key === "cells" && AGE.test(value)) return "<age>";
    if (/^10\.\d+\.\d+\.\d+$/.test(value) && key.startsWith("clusterIP")) return "<address>";
    return value.replace(UID, "<uid>");
}

function isUnset(value: unknown): boolean {
    if (value === null || value === "" || value === 0) return true;
    return isObject(value) && Object.values(value).every(isUnset);
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null;
}
