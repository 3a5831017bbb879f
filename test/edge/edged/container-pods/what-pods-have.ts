// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { hostDns } from "../../../../src/edge/edged/pods/resolv-conf.ts";
import { configMap, pod, secret, until } from "../harness.ts";
import { type EngineSuite, MovedClock, POD } from "./suite.ts";

/** What a pod is given: files, environment, names, kernel settings, tokens. */
export function whatPodsHave(suite: EngineSuite): void {
    const { end, gateway, logOf, phaseIs } = suite;

    it("runs a container with ConfigMap files and Secret environment, and removes it with the pod", async () => {
        const one = await gateway();
        const { cloud } = one;
        cloud.apply("default/configmap/web", configMap("web", { "greeting.txt": "hello" }));
        cloud.put("default/secret/keys", secret("keys", { token: "s3cret" }));
        cloud.apply(
            POD,
            pod("web", {
                containers: [
                    {
                        name: "web",
                        image: suite.engine.image,
                        command: [
                            "sh",
                            "-c",
                            "cat /etc/web/greeting.txt; echo; echo token=$TOKEN; echo $(POD_IP); sleep 3600",
                        ],
                        env: [
                            { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
                            { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
                        ],
                        volumeMounts: [{ name: "web", mountPath: "/etc/web" }],
                    },
                ],
                volumes: [{ name: "web", configMap: { name: "web" } }],
            }),
        );
        await phaseIs(cloud, "Running");
        const text = await until(async () => {
            const log = await logOf(one);
            return log.split("\n").length > 3 ? log : undefined;
        }, "log");
        const ip = cloud.status(POD)?.podIP;
        expect(text).toBe(`hello\ntoken=s3cret\n${ip}\n`);
        expect(ip).toMatch(/^10\./);
        const worker = one.edged.pods.find("default", "web");
        const id = worker?.record?.containers[0]?.id ?? "";
        cloud.apply("default/configmap/web", configMap("web", { "greeting.txt": "changed" }));
        await until(async () => {
            const session = await worker?.runtime?.exec({
                containerId: id,
                command: ["cat", "/etc/web/greeting.txt"],
                stdin: false,
                tty: false,
            });
            let out = "";
            session?.stdout.on("data", (data: Buffer) => {
                out += data;
            });
            expect(await session?.exit).toBe(0);
            return out === "changed" || undefined;
        }, "changed file in the container");
        expect(worker?.pod.status?.containerStatuses?.[0]?.restartCount).toBe(0);
        await end(cloud);
        expect(await suite.engine.containers()).toEqual([]);
        expect(readdirSync(`${one.rootDir}/pods`)).toEqual([]);
    });

    it("has its own sysctls, resolver, group and token, and follows the token's renewal", async () => {
        const clock = new MovedClock();
        const one = await gateway({ clock });
        const { cloud } = one;
        const script = [
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced",
            "id -u; id -G",
            "stat -c '%a %g' /data; touch /data/mine && stat -c '%u %g' /data/mine",
            "stat -L -c '%a %u %g' /var/run/token/token; cat /var/run/token/token; echo",
            "cat /etc/resolv.conf; echo end; sleep 3600",
        ].join("; ");
        const web = pod("web", {
            serviceAccountName: "reader",
            dnsConfig: {
                nameservers: ["192.0.2.53"],
                searches: ["plant.example"],
                options: [{ name: "ndots", value: "3" }],
            },
            securityContext: {
                runAsUser: 1234,
                fsGroup: 2345,
                sysctls: [
                    { name: "net.ipv4.ip_unprivileged_port_start", value: "99" },
                    { name: "kernel.shm_rmid_forced", value: "1" },
                ],
            },
            containers: [
                {
                    name: "web",
                    image: suite.engine.image,
                    command: ["sh", "-c", script],
                    volumeMounts: [
                        { name: "data", mountPath: "/data" },
                        { name: "token", mountPath: "/var/run/token" },
                    ],
                },
            ],
            volumes: [
                { name: "data", emptyDir: {} },
                {
                    name: "token",
                    projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3600 } }] },
                },
            ],
        });
        cloud.apply(POD, web);
        await phaseIs(cloud, "Running");
        const text = await until(async () => {
            const log = await logOf(one);
            return log.endsWith("end\n") ? log : undefined;
        }, "log");
        const [port, shared, uid, groups, folder, file, access, token = "", ...resolver] = text.split("\n");
        expect({ port, shared, uid }).toEqual({ port: "99", shared: "1", uid: "1234" });
        expect(groups?.split(" ")).toContain("2345");
        expect({ folder, file, access }).toEqual({ folder: "2777 2345", file: "1234 2345", access: "640 1234 2345" });
        expect(token).toMatch(/^token-\d+$/);
        expect(resolver.join("\n")).toMatch(/^nameserver 192\.0\.2\.53$/m);
        expect(resolver.join("\n")).toMatch(/^search .*\bplant\.example\b/m);
        expect(resolver.join("\n")).toMatch(/^options .*\bndots:3\b/m);
        // The machine's own servers come first, as long as the pod does not want them away.
        const own = hostDns().servers;
        const seen = resolver.filter((line) => line.startsWith("nameserver ")).map((line) => line.split(" ")[1]);
        expect(seen).toEqual([...new Set([...own, "192.0.2.53"])].slice(0, seen.length));

        // Four fifths of its life are over: the next look renews it, in the running container.
        clock.move(49 * 60_000);
        const labels = { looked: "again" };
        cloud.apply(POD, { ...cloud.objects.get(POD), ...web, metadata: { ...web.metadata, labels } });
        const worker = one.edged.pods.find("default", "web");
        const id = worker?.record?.containers[0]?.id ?? "";
        await until(
            async () => {
                const command = ["cat", "/var/run/token/token"];
                const session = await worker?.runtime?.exec({ containerId: id, command, stdin: false, tty: false });
                let out = "";
                session?.stdout.on("data", (data: Buffer) => {
                    out += data;
                });
                expect(await session?.exit).toBe(0);
                return (/^token-\d+$/.test(out) && out !== token) || undefined;
            },
            "another token",
            20_000,
        );
        expect(worker?.record?.containers).toHaveLength(1);
        await end(cloud);
    });
}
