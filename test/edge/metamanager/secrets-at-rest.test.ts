// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterEach, expect, it } from "vitest";
import { FlowRuntime } from "../../../src/edge/edged/index.ts";
import { Outbox } from "../../../src/edge/edgehub/outbox.ts";
import { NedbStore } from "../../../src/store/nedb-store.ts";
import { openStore, type StoreConfig } from "../../../src/store/open-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";
import { STORE_ID } from "../../../src/store/store-id.ts";
import { FakeFlowHost } from "../edged/fake-flow-host.ts";
import {
    configMap,
    FakeCloud,
    flowPod,
    type Gateway,
    removeTempDirs,
    secret,
    startGateway,
    tempDir,
    testPorts,
    until,
} from "../edged/harness.ts";

const VALUE = "correct-horse-battery-staple";
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);
const opened: DocumentStore[] = [];
const running: Gateway[] = [];

afterEach(async () => {
    for (const gateway of running.splice(0)) await gateway.stop();
    for (const store of opened.splice(0)) await store.close();
    await removeTempDirs();
});

async function open(folder: string, keys: Partial<StoreConfig> = {}): Promise<DocumentStore> {
    const store = await openStore({ engine: "nedb", path: join(folder, "redge.nedb"), ...keys }, testPorts);
    opened.push(store);
    return store;
}

async function gateway(
    folder: string,
    store: DocumentStore,
    host: FakeFlowHost,
    cloud = new FakeCloud(),
    link = true,
): Promise<Gateway> {
    const runtimes = (rootDir: string, from: DocumentStore) => [
        new FlowRuntime({ ...testPorts, store: from, host, logDir: join(rootDir, "logs") }),
    ];
    const started = await startGateway({ runtimes, store, rootDir: join(folder, "edged"), cloud, link });
    running.push(started);
    return started;
}

async function outboxOf(store: DocumentStore | undefined): Promise<Outbox> {
    if (store === undefined) throw new Error("no store is open");
    const limits = { maxBytes: 1e6, maxMessages: 10, maxAgeMs: 1e9 };
    const outbox = new Outbox(store, testPorts.clock, limits, { dropped: () => {}, coalesced: () => {} });
    await outbox.load();
    return outbox;
}

/** Files below the folder that hold the text in any form a document would have it. */
async function filesWith(folder: string, text: string): Promise<string[]> {
    const wanted = [text, Buffer.from(text).toString("base64"), Buffer.from(text).toString("hex")];
    const found: string[] = [];
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path).catch((thrown: unknown) => {
            // What has gone between the listing and the look, as a file that was written anew, holds nothing.
            if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
            throw thrown;
        });
        if (wanted.some((one) => bytes.includes(one))) found.push(relative(folder, path));
    }
    return found;
}

/** A flow pod that has a Secret as an environment variable and as a file, and a service account token. */
function user(name: string) {
    const made = flowPod(name, {
        env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "login", key: "password" } } }],
        volumeMounts: [
            { name: "flow", mountPath: "/flow" },
            { name: "login", mountPath: "/login" },
        ],
    });
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }];
    const volumes = [
        { name: "login", secret: { secretName: "login" } },
        { name: "token", projected: { sources } },
    ];
    return { ...made, spec: { ...made.spec, volumes: [...(made.spec.volumes ?? []), ...volumes] } };
}

async function runUser(started: Gateway, host: FakeFlowHost): Promise<string> {
    const { cloud } = started;
    cloud.apply("default/secret/login", secret("login", { password: VALUE }));
    cloud.apply("default/configmap/user-flow", configMap("user-flow", { "a.json": FLOW }));
    cloud.apply("default/pod/user", user("user"));
    await until(() => host.units.size === 1 || undefined, "the pod runs");
    const uid = cloud.objects.get("default/pod/user")?.metadata.uid ?? "";
    return readFile(join(started.rootDir, "pods", uid, "volumes/token/token"), "utf8");
}

it("leaves no byte of a Secret or a token in the gateway's folder, besides what pods mount", async () => {
    const folder = await tempDir();
    const host = new FakeFlowHost();
    const store = await open(folder);
    const started = await gateway(folder, store, host);
    const token = await runUser(started, host);
    expect([...host.units.values()][0]?.env).toContainEqual(["PASSWORD", VALUE]);
    for (const text of [VALUE, token]) {
        const found = await filesWith(folder, text);
        // The mount itself shows that the search finds what is there.
        expect(found.length).toBeGreaterThan(0);
        expect(found.filter((path) => !/^edged\/pods\/[^/]+\/volumes\//.test(path))).toEqual([]);
    }
    await started.stop();
    await store.purge?.();
    expect((await filesWith(folder, VALUE)).filter((path) => !path.includes("/volumes/"))).toEqual([]);
});

it("seals what an earlier version left in plain text, and the old text leaves the file", async () => {
    const folder = await tempDir();
    const path = join(folder, "redge.nedb");
    const old = await NedbStore.open(path, testPorts);
    const record = {
        issuedMs: Date.now(),
        expiresMs: Date.now() + 1e9,
        answer: { status: { token: `${VALUE}-token` } },
    };
    await old.write([
        { op: "put", key: "metamanager/objects/default/secret/login", value: secret("login", { password: VALUE }) },
        { op: "put", key: "metamanager/tokens/default/serviceaccounttoken/robot/0123", value: record },
    ]);
    await old.close();
    expect(await filesWith(folder, VALUE)).toEqual(["redge.nedb"]);
    const { meta } = await gateway(folder, await open(folder), new FakeFlowHost());
    expect(meta.cache.list("secret")).toHaveLength(1);
    expect(meta.accountOf(`${VALUE}-token`)).toEqual({ namespace: "default", name: "robot" });
    expect(await filesWith(folder, VALUE)).toEqual([]);
});

it("with a lost key goes on: what cannot be opened is set aside, asked for again, and then forgotten", async () => {
    const folder = await tempDir();
    const keys = () => ({ key: randomBytes(32).toString("hex") });
    const host = new FakeFlowHost();
    const first = await gateway(folder, await open(folder, keys()), host);
    await runUser(first, host);
    const name = (await outboxOf(opened[0])).storeId;
    await running.pop()?.stop();
    await opened.pop()?.close();

    const again = await open(folder, keys());
    const second = await gateway(folder, again, new FakeFlowHost(), first.cloud, false);
    expect(await again.get("metamanager/quarantine/default/secret/login")).toHaveProperty("$sealed");
    expect(await again.get(STORE_ID)).toBeUndefined();
    expect(second.meta.cache.list("pod")).toHaveLength(1);
    // The cloud knows this node by another name now, and offers everything.
    expect((await outboxOf(again)).storeId).not.toBe(name);
    await second.setLink(true);
    second.cloud.apply("default/secret/login", secret("login", { password: VALUE }));
    await until(() => second.meta.cache.list("secret").length === 1 || undefined, "the Secret is back");
    await until(
        async () => (await again.get("metamanager/quarantine/default/secret/login")) === undefined || undefined,
        "nothing is left in quarantine",
    );
});
