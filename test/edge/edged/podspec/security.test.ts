// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { admitPod } from "../../../../src/edge/edged/admission.ts";
import { hostDns, parseResolvConf } from "../../../../src/edge/edged/pods/resolv-conf.ts";
import { sandboxSpec } from "../../../../src/edge/edged/pods/sandbox.ts";
import type { Pod } from "../../../../src/edge/edged/podspec/types.ts";
import { payloadOf, type VolumeContext } from "../../../../src/edge/edged/volumes/payload.ts";
import { pod } from "../harness.ts";

const folder = mkdtempSync(join(tmpdir(), "redge-resolv-"));
afterAll(() => rmSync(folder, { recursive: true }));
const withSpec = (spec: Partial<Pod["spec"]>): Pod =>
    pod("web", { containers: [{ name: "web", image: "busybox" }], ...spec });

describe("sysctls", () => {
    const refusal = (name: string, more: Partial<Pod["spec"]> = {}) =>
        admitPod(withSpec({ securityContext: { sysctls: [{ name, value: "1" }] }, ...more }), {}, undefined, []);

    test.each([
        "net.ipv4.tcp_syncookies",
        "net/ipv4/ip_local_port_range",
        "kernel.shm_rmid_forced",
        "fs.mqueue.msg_max",
    ])("%s is the pod's own", (name) => expect(refusal(name)).toBeUndefined());

    test.each(["vm.swappiness", "kernel.panic", "fs.file-max", "kernel.hostname"])(
        "%s would be the gateway's: the pod fails",
        (name) =>
            expect(refusal(name)).toMatchObject({ reason: "SysctlForbidden", message: expect.stringContaining(name) }),
    );

    test("none of a namespace that the pod shares with the gateway", () => {
        expect(refusal("net.ipv4.tcp_syncookies", { hostNetwork: true })?.reason).toBe("SysctlForbidden");
        expect(refusal("kernel.msgmax", { hostIPC: true })?.reason).toBe("SysctlForbidden");
        expect(refusal("kernel.msgmax", { hostNetwork: true })).toBeUndefined();
    });
});

describe("dnsConfig", () => {
    const host = () => ({ servers: ["192.0.2.1"], searches: ["site.example"], options: ["ndots:1", "edns0"] });
    const dnsOf = (spec: Partial<Pod["spec"]>) => sandboxSpec(withSpec(spec), "", host).dns;

    test("is added to what the machine has; an option of the pod's replaces the machine's", () => {
        const dnsConfig = {
            nameservers: ["192.0.2.2", "192.0.2.1"],
            searches: ["plant.example"],
            options: [{ name: "ndots", value: "5" }, { name: "rotate" }],
        };
        expect(dnsOf({ dnsConfig })).toEqual({
            servers: ["192.0.2.1", "192.0.2.2"],
            searches: ["site.example", "plant.example"],
            options: ["edns0", "ndots:5", "rotate"],
        });
        expect(dnsOf({ dnsConfig: { options: [{ name: "ndots", value: "5" }] } })?.servers).toEqual(["192.0.2.1"]);
        expect(dnsOf({ dnsConfig, dnsPolicy: "None" })?.servers).toEqual(["192.0.2.2", "192.0.2.1"]);
        expect(dnsOf({})).toBeUndefined();
    });

    test("the machine's is read behind a stub on loopback", () => {
        const [stub, real] = [join(folder, "stub"), join(folder, "real")];
        writeFileSync(stub, "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n");
        writeFileSync(real, "# of the router\nnameserver 192.0.2.1\nnameserver ::1\nsearch a.example b.example\n");
        expect(hostDns([stub, real])).toEqual({
            servers: ["192.0.2.1"],
            searches: ["a.example", "b.example"],
            options: [],
        });
        expect(hostDns([stub, join(folder, "none")])).toEqual({ servers: [], searches: [], options: [] });
        expect(parseResolvConf("search .\n").searches).toEqual([]);
    });
});

describe("who may read a service account token", () => {
    const context = { token: async () => "t" } as unknown as VolumeContext;
    const access = async (spec: Partial<Pod["spec"]>) => {
        const sources = [{ serviceAccountToken: { path: "token" } }];
        const payload = await payloadOf(withSpec(spec), { name: "token", projected: { sources } }, context);
        const { data: _, ...rest } = payload?.get("token") ?? { data: "" };
        return rest;
    };
    const container = (name: string, runAsUser?: number) => ({
        name,
        image: "busybox",
        ...(runAsUser === undefined ? {} : { securityContext: { runAsUser } }),
    });

    test("the user all containers run as, else the pod's group, else everybody", async () => {
        // A gateway that is not root can give a file to nobody else.
        const isRoot = process.getuid?.() === 0;
        const ofUser = isRoot ? { mode: 0o600, uid: 7 } : { mode: 0o644 };
        expect(await access({ securityContext: { runAsUser: 7 } })).toEqual(ofUser);
        expect(await access({ containers: [container("a", 7), container("b", 7)] })).toEqual(ofUser);
        expect(await access({ containers: [container("a", 7), container("b", 8)] })).toEqual({ mode: 0o644 });
        expect(await access({ containers: [container("a", 7), container("b")] })).toEqual({ mode: 0o644 });
        expect(await access({ securityContext: { fsGroup: 9 } })).toEqual({ mode: isRoot ? 0o600 : 0o644 });
        expect(await access({})).toEqual({ mode: 0o644 });
    });
});
