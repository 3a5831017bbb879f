// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { hostsFile } from "../../../../src/edge/edged/runtimes/cri/hosts-file.ts";
import { pod, removeTempDirs, tempDir } from "../harness.ts";

afterEach(removeTempDirs);

describe("the hosts file of a pod on a CRI engine", () => {
    it("names the pod as its host name does, which is at most 63 characters long", async () => {
        const dir = await tempDir();
        const made = pod(`${"long-".repeat(13)}name`, { containers: [{ name: "main", image: "i" }] }, { uid: "u" });
        mkdirSync(join(dir, "u"));
        const mounts = await hostsFile(dir, made, ["10.0.0.7"]);
        expect(mounts).toMatchObject([{ containerPath: "/etc/hosts" }]);
        expect(readFileSync(join(dir, "u/etc-hosts"), "utf8")).toContain(
            `10.0.0.7\t${"long-".repeat(13).slice(0, 63)}\n`,
        );
    });

    it("is the host's own for a pod on the host's network", async () => {
        const made = pod("a", { hostNetwork: true, containers: [{ name: "main", image: "i" }] });
        expect(await hostsFile(await tempDir(), made, [])).toEqual([]);
    });
});
