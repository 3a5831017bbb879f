// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pauseTar } from "../../src/edge/edged/runtimes/docker/pause-image.ts";
import { Daemon, ready } from "./daemon.ts";
import { BUSYBOX, busyboxTar } from "./docker.ts";
import { removeRules } from "./iptables.ts";
import { unmountBelow } from "./mounts.ts";
import { type Part, program } from "./requires.ts";

export const containerdParts: readonly Part[] = [
    program("containerd", "/usr/bin/containerd"),
    program("ctr", "/usr/bin/ctr"),
    program("bridge (CNI)", "/usr/lib/cni/bridge"),
    program("busybox", "/bin/busybox"),
    { name: "root", probe: () => (process.getuid?.() === 0 ? undefined : "starting an engine needs root") },
];

const PAUSE = "docker.io/redge/pause:1";

export interface ContainerdEngine {
    readonly socket: string;
    /** Name of the busybox image in this engine. */
    readonly image: string;
    /** Pods live on. */
    kill(): Promise<void>;
    start(): Promise<void>;
    stop(): Promise<void>;
    /** Another image of busybox, of its own id. */
    addImage(name: string): Promise<void>;
}

/** Engines of this process so far: each has a network of its own. */
let started = 0;

/**
 * containerd with CRI, of the test's own: own folders, socket, network and images.
 * @param options.ociRuntime what pods without a RuntimeClass run on
 * @param options.bridgeOnly without the network's firewall and host ports
 */
export async function startContainerd({
    ociRuntime = "runc",
    bridgeOnly = false,
}: {
    readonly ociRuntime?: "runc" | "crun";
    readonly bridgeOnly?: boolean;
} = {}): Promise<ContainerdEngine> {
    const root = mkdtempSync(join(tmpdir(), "redge-containerd-"));
    const socket = join(root, "containerd.sock");
    started += 1;
    const bridge = `rdc${process.pid % 100_000}x${started}`;
    const subnet = `10.${64 + (process.pid % 128)}.${(process.pid + 124 + started) % 250}.0/24`;
    writeNetwork(root, bridge, subnet, bridgeOnly);
    writeFileSync(join(root, "config.toml"), config(root, socket, ociRuntime));
    const daemon = new Daemon("containerd", ["--config", join(root, "config.toml")], join(root, "containerd.log"));
    const start = async (): Promise<void> => {
        daemon.start();
        await ready("containerd", async () => spawnSync("ctr", ["-a", socket, "version"]).status === 0);
    };
    await start();
    load(root, socket, PAUSE, pauseTar("amd64"), { Entrypoint: ["/pause"] });
    const busybox = busyboxTar(root);
    load(root, socket, `docker.io/${BUSYBOX}`, busybox, { Env: ["PATH=/bin"], Cmd: ["/bin/sh"] });
    return {
        addImage: async (name) => load(root, socket, name, busybox, { Env: ["PATH=/bin", `NAME=${name}`] }),
        socket,
        image: `docker.io/${BUSYBOX}`,
        start,
        kill: () => daemon.end("SIGKILL"),
        stop: async () => {
            const tasks = spawnSync("ctr", ["-a", socket, "-n", "k8s.io", "task", "ls", "-q"], {
                encoding: "utf8",
            }).stdout;
            for (const id of tasks.split("\n").filter(Boolean)) {
                spawnSync("ctr", ["-a", socket, "-n", "k8s.io", "task", "rm", "-f", id]);
            }
            await daemon.end("SIGTERM");
            unmountBelow(root);
            spawnSync("ip", ["link", "del", bridge]);
            removeRules(`\\"${bridge}\\"`, subnet.replace(/0\/24$/, ""));
            rmSync(root, { recursive: true, force: true, maxRetries: 20 });
        },
    };
}

function config(root: string, socket: string, ociRuntime: string): string {
    const crun = existsSync("/usr/bin/crun")
        ? `\n    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]\n      runtime_type = "io.containerd.runc.v2"\n      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]\n        BinaryName = "/usr/bin/crun"`
        : "";
    return `version = 2
root = "${join(root, "data")}"
state = "${join(root, "state")}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(root, "opt")}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${join(root, "net.d")}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "${ociRuntime}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"${crun}
`;
}

/** The network that docs/workloads.md gives a gateway, under a name and with addresses of the test's own. */
function writeNetwork(root: string, bridge: string, subnet: string, bridgeOnly: boolean): void {
    mkdirSync(join(root, "net.d"));
    const shipped = readFileSync(join(import.meta.dirname, "../../deploy/edge/10-redge.conflist"), "utf8");
    const own = shipped
        .replace('"name": "redge"', `"name": "${bridge}"`)
        .replace("redge0", bridge)
        .replace("10.88.0.0/16", subnet)
        .replace('"type": "host-local"', `"type": "host-local", "dataDir": "${join(root, "ipam")}"`);
    const network = JSON.parse(own) as { plugins: readonly object[] };
    if (bridgeOnly) network.plugins = network.plugins.slice(0, 1);
    writeFileSync(join(root, "net.d/10-test.conflist"), JSON.stringify(network));
}

/** Packs a root file system as an image archive and imports it where CRI looks. */
function load(root: string, socket: string, name: string, tar: Buffer, settings: object): void {
    const dir = mkdtempSync(join(root, "image-"));
    const layer = gzipSync(tar);
    const sha = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
    const config = Buffer.from(
        JSON.stringify({
            architecture: "amd64",
            os: "linux",
            config: settings,
            rootfs: { type: "layers", diff_ids: [`sha256:${sha(tar)}`] },
        }),
    );
    writeFileSync(join(dir, "layer.tar.gz"), layer);
    writeFileSync(join(dir, `${sha(config)}.json`), config);
    const manifest = [{ Config: `${sha(config)}.json`, RepoTags: [name], Layers: ["layer.tar.gz"] }];
    writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
    const archive = join(root, "image.tar");
    execFileSync("tar", ["-C", dir, "-cf", archive, "."]);
    execFileSync("ctr", ["-a", socket, "-n", "k8s.io", "images", "import", archive], { stdio: "ignore" });
}
