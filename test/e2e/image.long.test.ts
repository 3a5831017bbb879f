// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeBaseImage } from "../support/base-image.ts";
import { type DockerEngine, dockerPart, startDocker } from "../support/docker.ts";
import { eventually } from "../support/eventually.ts";
import { freePorts } from "../support/free-ports.ts";
import { describeWith, program } from "../support/requires.ts";
import { root, run } from "../support/site.ts";

const NETWORK = "redge-image-test";
const CLOUD = "redge-image-test-cloud";
const EDGE = "redge-image-test-edge";
const BUILD_TIMEOUT_MS = 1_200_000;

describeWith([dockerPart, program("kubectl")], "the container images", () => {
    let engine: DockerEngine;
    let kubeconfig: string;
    const folder = mkdtempSync(join(tmpdir(), "redge-image-"));

    const docker = (args: readonly string[]): string =>
        execFileSync("docker", [...args], {
            encoding: "utf8",
            env: { ...process.env, DOCKER_BUILDKIT: "0", DOCKER_HOST: engine.host },
            stdio: ["ignore", "pipe", "pipe"],
            maxBuffer: 64 * 1024 * 1024,
        });
    const redge = (container: string, ...args: string[]): string =>
        docker([
            "exec",
            container,
            "node",
            "/usr/src/redge/node_modules/@redge/node-red-kubeedge/dist/cli/redge.js",
            ...args,
        ]);
    const health = (container: string): string =>
        docker(["inspect", "-f", "{{.State.Health.Status}}", container]).trim();

    beforeAll(async () => {
        engine = await startDocker();
        const base = makeBaseImage(docker);
        for (const target of ["cloud", "edge"]) {
            docker([
                "build",
                "-q",
                "--network",
                "host",
                "--build-arg",
                `NODE_IMAGE=${base}`,
                "--target",
                target,
                "-t",
                `redge-test/${target}:1`,
                root,
            ]);
        }
        docker(["network", "create", NETWORK]);
    }, BUILD_TIMEOUT_MS);

    afterAll(async () => {
        for (const name of [CLOUD, EDGE])
            await run("docker", ["rm", "-f", "-v", name], { ...process.env, DOCKER_HOST: engine.host });
        await run("docker", ["network", "rm", NETWORK], { ...process.env, DOCKER_HOST: engine.host });
        await engine.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    test("the cloud starts as an ordinary user and becomes healthy", async () => {
        const [apiPort] = await freePorts(1);
        docker([
            "run",
            "-d",
            "--name",
            CLOUD,
            "--network",
            NETWORK,
            "-p",
            `127.0.0.1:${apiPort}:6443`,
            "-e",
            `REDGE_CLOUD_NAMES=${CLOUD}`,
            "redge-test/cloud:1",
        ]);
        await eventually(() => expect(health(CLOUD)).toBe("healthy"), 180_000, 1_000);
        expect(docker(["exec", CLOUD, "id", "-u"]).trim()).toBe("1000");
        kubeconfig = join(folder, "kubeconfig");
        const text = docker(["exec", CLOUD, "cat", "/data/cloud/redge/kubeconfig"]);
        writeFileSync(kubeconfig, text.replace(/server: https:\/\/[^\s]+/, `server: https://127.0.0.1:${apiPort}`), {
            mode: 0o600,
        });
    });

    test("an edge joins it with a token, and its node becomes Ready", async () => {
        const token = redge(CLOUD, "token", "--node", "edge-1").trim();
        docker([
            "run",
            "-d",
            "--name",
            EDGE,
            "--network",
            NETWORK,
            "redge-test/edge:1",
            "edge",
            "--join",
            `https://${CLOUD}:10002`,
            "--token",
            token,
            "--name",
            "edge-1",
        ]);
        await eventually(() => expect(health(EDGE)).toBe("healthy"), 180_000, 1_000);
        await eventually(
            async () => {
                const { stdout } = await run(
                    "kubectl",
                    ["get", "node", "edge-1", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"],
                    { ...process.env, KUBECONFIG: kubeconfig },
                );
                expect(stdout).toBe("True");
            },
            60_000,
            500,
        );
    });

    test("both stop when they are told to", () => {
        for (const name of [EDGE, CLOUD]) {
            docker(["stop", "-t", "10", name]);
            expect(docker(["inspect", "-f", "{{.State.ExitCode}}", name]).trim(), name).toBe("0");
        }
    });
});
