// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import {
    chmodSync,
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon, ready } from "./daemon.ts";
import { removeRules } from "./iptables.ts";
import { unmountBelow } from "./mounts.ts";
import { type Part, program } from "./requires.ts";

const CRUN = "/usr/bin/crun";

/** What tests with a Docker engine need. */
export const dockerParts: readonly Part[] = [
    program("dockerd", "/usr/sbin/dockerd", "/usr/bin/dockerd"),
    program("busybox", "/bin/busybox"),
    { name: "root", probe: () => (process.getuid?.() === 0 ? undefined : "starting an engine needs root") },
];

/** A second OCI runtime, for RuntimeClass handlers. */
export const crunPart: Part = {
    name: "crun",
    probe: () => {
        const missing = program("crun", CRUN).probe();
        if (missing === undefined) freeHybridControllers();
        return missing;
    },
};

/** crun refuses cgroup v1 while cgroup v2 beside it still owns a controller; some machines leave it hugetlb: move it to v1. */
function freeHybridControllers(): void {
    const controllers = "/sys/fs/cgroup/unified/cgroup.controllers";
    if (process.getuid?.() !== 0 || !existsSync(controllers)) return;
    if (!/\bhugetlb\b/.test(readFileSync(controllers, "utf8"))) return;
    mkdirSync("/sys/fs/cgroup/hugetlb", { recursive: true });
    execFileSync("mount", ["-t", "cgroup", "-o", "hugetlb", "cgroup", "/sys/fs/cgroup/hugetlb"]);
}

/** All of it in one, for suites that list a single part. */
export const dockerPart: Part = {
    name: "docker engine",
    probe: () => dockerParts.map((part) => part.probe()).find((reason) => reason !== undefined),
};

/** The image that tests run: busybox and its links, made on the spot. */
export const BUSYBOX = "local/busybox:1";

export interface DockerEngine {
    readonly socket: string;
    /** As DOCKER_HOST. */
    readonly host: string;
    /** Comes back with `start`; containers live on (live-restore). */
    kill(): Promise<void>;
    start(): Promise<void>;
    stop(): Promise<void>;
    /** Another image of busybox, of its own id. */
    addImage(name: string): Promise<void>;
}

/** A Docker engine of the test's own: own folder, own bridge, own socket, with BUSYBOX loaded. */
export async function startDocker(): Promise<DockerEngine> {
    const root = mkdtempSync(join(tmpdir(), "redge-docker-"));
    const socket = join(root, "docker.sock");
    const bridge = `rdg${process.pid % 100_000}`;
    const net = 64 + (process.pid % 128);
    execFileSync("ip", ["link", "add", bridge, "type", "bridge"]);
    execFileSync("ip", ["addr", "add", `10.${net}.${process.pid % 250}.1/24`, "dev", bridge]);
    execFileSync("ip", ["link", "set", bridge, "up"]);
    const containerdSocket = join(root, "containerd.sock");
    const containerdConfig = join(root, "containerd.toml");
    writeFileSync(
        containerdConfig,
        `version = 2\nroot = "${join(root, "containerd")}"\nstate = "${join(root, "containerd-state")}"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${containerdSocket}"\n[plugins."io.containerd.internal.v1.opt"]\n  path = "${join(root, "opt")}"\n`,
    );
    const containerd = new Daemon("containerd", ["--config", containerdConfig], join(root, "containerd.log"));
    containerd.start();
    await ready("containerd", async () => existsSync(containerdSocket));
    const config = join(root, "daemon.json");
    writeFileSync(
        config,
        JSON.stringify({
            "data-root": join(root, "data"),
            "exec-root": join(root, "exec"),
            pidfile: join(root, "docker.pid"),
            hosts: [`unix://${socket}`],
            bridge,
            // Its own containerd, which a kill of dockerd leaves alone.
            containerd: containerdSocket,
            "live-restore": true,
            // A second OCI runtime, for RuntimeClass handlers.
            ...(existsSync(CRUN) ? { runtimes: { crun: { path: CRUN } } } : {}),
            "insecure-registries": ["127.0.0.0/8"],
            // Only this engine's share of the machine: other engines are left alone.
            "cgroup-parent": `/redge-${process.pid}`,
        }),
    );
    const daemon = new Daemon("dockerd", ["--config-file", config], join(root, "dockerd.log"));
    const start = async (): Promise<void> => {
        rmSync(join(root, "docker.pid"), { force: true });
        daemon.start();
        await ready("dockerd", () => ping(socket));
    };
    await start();
    const busybox = busyboxTar(root);
    await importImage(socket, busybox, BUSYBOX);
    return {
        addImage: (name) => importImage(socket, busybox, name),
        socket,
        host: `unix://${socket}`,
        start,
        kill: () => daemon.end("SIGKILL"),
        stop: async () => {
            for (const id of await containers(socket))
                await call(socket, "DELETE", `/containers/${id}?force=true&v=true`);
            await daemon.end("SIGTERM");
            await containerd.end("SIGTERM");
            spawnSync("ip", ["link", "del", bridge]);
            removeRules(` ${bridge} `);
            unmountBelow(root);
            rmSync(root, { recursive: true, force: true, maxRetries: 20 });
        },
    };
}

/** A root file system of busybox with its links, as a tar archive. */
export function busyboxTar(root: string): Buffer {
    const rootfs = join(root, "rootfs");
    for (const dir of ["bin", "etc", "tmp", "root", "dev"]) mkdirSync(join(rootfs, dir), { recursive: true });
    copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
    for (const name of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n")) {
        if (name !== "" && name !== "busybox") symlinkSync("busybox", join(rootfs, "bin", name));
    }
    writeFileSync(
        join(rootfs, "etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    );
    writeFileSync(join(rootfs, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
    chmodSync(join(rootfs, "tmp"), 0o1777);
    return execFileSync("tar", ["-C", rootfs, "-c", "."], { maxBuffer: 64 << 20 });
}

/** Loads a root file system as an image with PATH and a shell. */
export async function importImage(socket: string, tar: Buffer, image: string): Promise<void> {
    const [repo = "", tag = ""] = image.split(/:(?=[^/]+$)/);
    const changes = ["ENV PATH=/bin", 'CMD ["/bin/sh"]']
        .map((change) => `changes=${encodeURIComponent(change)}`)
        .join("&");
    await call(socket, "POST", `/images/create?fromSrc=-&repo=${encodeURIComponent(repo)}&tag=${tag}&${changes}`, tar);
}

async function ping(socket: string): Promise<boolean> {
    return (await call(socket, "GET", "/_ping")) === "OK";
}

/** Ids of every container, running or not. */
export async function containers(socket: string): Promise<readonly string[]> {
    const listed = JSON.parse(await call(socket, "GET", "/containers/json?all=true")) as { Id: string }[];
    return listed.map(({ Id }) => Id);
}

/** One request to the engine's API. */
export function call(
    socket: string,
    method: string,
    path: string,
    body?: Buffer,
    headers: Record<string, string> = {},
): Promise<string> {
    return new Promise((resolve, reject) => {
        const options = { socketPath: socket, method, path, headers: { host: "docker", ...headers } };
        const sent = request(options, (response) => {
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (chunk: string) => {
                text += chunk;
            });
            response.on("end", () => {
                if ((response.statusCode ?? 500) < 400) resolve(text);
                else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
            });
        });
        sent.on("error", reject);
        sent.end(body);
    });
}
