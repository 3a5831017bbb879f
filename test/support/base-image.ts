// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What npm and a shell script need; everything else of the machine stays out. */
const PROGRAMS = [
    "sh",
    "bash",
    "env",
    "ls",
    "cat",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "chmod",
    "chown",
    "ln",
    "id",
    "uname",
    "tar",
    "gzip",
    "grep",
    "sed",
    "ps",
];
const FILES = [
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/etc/npmrc",
];

/**
 * Makes a Docker image from this machine's own Debian programs, the Node.js that runs this test and npm, so that the
 * Dockerfile can be built where no public image registry is reachable. Answers its name.
 */
export function makeBaseImage(docker: (args: readonly string[]) => string, name = "redge-test/node-base:1"): string {
    const folder = mkdtempSync(join(tmpdir(), "redge-base-"));
    try {
        for (const link of ["bin", "sbin", "lib", "lib64"]) {
            mkdirSync(join(folder, "usr", link), { recursive: true });
            symlinkSync(`usr/${link}`, join(folder, link));
        }
        for (const program of PROGRAMS) {
            const path = execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();
            copyWithLibraries(path, `/usr/bin/${program}`, folder);
        }
        copyWithLibraries(process.execPath, "/usr/bin/node", folder);
        copyNpm(folder);
        for (const file of FILES) if (existsSync(file)) copy(file, file, folder);
        mkdirSync(join(folder, "tmp"), { mode: 0o1777 });
        mkdirSync(join(folder, "root"));
        writeFileSync(join(folder, "Dockerfile"), dockerfile());
        docker(["build", "-q", "-t", name, folder]);
        return name;
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

function dockerfile(): string {
    const certificates = "/etc/ssl/certs/ca-certificates.crt";
    return [
        "FROM scratch",
        "COPY . /",
        'RUN ["/usr/bin/rm", "-f", "/Dockerfile"]',
        `ENV PATH=/usr/bin:/usr/sbin NODE_EXTRA_CA_CERTS=${certificates} SSL_CERT_FILE=${certificates}`,
        "",
    ].join("\n");
}

function copyNpm(folder: string): void {
    const cli = realpathSync(
        execFileSync("sh", ["-c", "PATH=/usr/local/bin:/usr/bin command -v npm"], { encoding: "utf8" }).trim(),
    );
    const npm = dirname(dirname(cli));
    copy(npm, "/usr/lib/node_modules/npm", folder);
    for (const name of ["npm", "npx"]) {
        symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(folder, "usr/bin", name));
    }
}

function copyWithLibraries(source: string, target: string, folder: string): void {
    copy(source, target, folder);
    const listing = execFileSync("ldd", [realpathSync(source)], { encoding: "utf8" });
    for (const [, library] of listing.matchAll(/(?:=>\s*)?(\/\S+)\s+\(0x/g)) {
        if (library !== undefined && !existsSync(join(folder, library)))
            copy(library, library.replace(/^\/(lib\w*)\//, "/usr/$1/"), folder);
    }
}

function copy(source: string, target: string, folder: string): void {
    const to = join(folder, target);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(realpathSync(source), to, { recursive: true, dereference: true });
}
