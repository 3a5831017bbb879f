// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Timer } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { AuthorityStorage } from "./authority-storage.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { type KeyPair, keyDer, newKey, readPair } from "./key-pair.ts";

export interface ServerCertificateInit {
    readonly authority: CertificateAuthority;
    readonly storage: AuthorityStorage;
    /** Names and addresses that edges dial. */
    readonly hosts: readonly string[];
    readonly lifetimeMs: number;
}

/** The certificate is replaced when this part of its life is over. */
const RENEW_AT = 0.8;
/** How often the storage is looked at: another replica may have renewed. Timers cannot wait for months anyway. */
const CHECK_EVERY_MS = 3_600_000;

/** The certificate of the cloud's own listeners: made, renewed in time, shared by all replicas of one storage. */
export class ServerCertificate extends Emitter<{ renewed: [] }> {
    readonly #init: ServerCertificateInit;
    readonly #ports: Pick<Ports, "clock" | "log">;
    readonly #hosts: readonly string[];
    #pair: KeyPair | undefined;
    #checking: Promise<KeyPair> | undefined;
    #timer: Timer | undefined;
    #isStopped = false;

    /** @throws REDGE_CONFIG_INVALID for a host that is none */
    constructor(init: ServerCertificateInit, ports: Pick<Ports, "clock" | "log">) {
        super();
        this.#init = init;
        this.#ports = ports;
        this.#hosts = init.hosts.map(canonicalHost);
    }

    async start(): Promise<void> {
        await this.#check();
        this.#watch();
    }

    stop(): void {
        this.#isStopped = true;
        this.#timer?.cancel();
        this.clear();
    }

    /** The one to use now. */
    async current(): Promise<KeyPair> {
        if (this.#pair === undefined || this.#isDue(this.#pair.certificate)) return await this.#check();
        return this.#pair;
    }

    /** One look at a time; renews what is due, or takes over what another replica made. */
    #check(): Promise<KeyPair> {
        this.#checking ??= this.#refresh().finally(() => {
            this.#checking = undefined;
        });
        return this.#checking;
    }

    async #refresh(): Promise<KeyPair> {
        const { storage, authority, lifetimeMs } = this.#init;
        for (;;) {
            const stored = await storage.read("server");
            const kept = this.#read(stored?.fields["certificate"], stored?.fields["key"]);
            if (kept !== undefined && !this.#isDue(kept.certificate)) return this.#adopt(kept);
            const { key, spkiDer } = newKey();
            const certificate = authority.issue({
                subject: [
                    ["O", "KubeEdge"],
                    ["CN", "KubeEdge"],
                ],
                spkiDer,
                lifetimeMs,
                usages: ["serverAuth"],
                // Replicas may be reached by different names: the certificate they share has all of them.
                hosts: [...new Set([...this.#hosts, ...hostsOf(kept?.certificate)])],
            });
            if (await storage.write("server", { certificate, key: keyDer(key) }, stored?.version))
                return this.#adopt({ certificate: new X509Certificate(certificate), key });
        }
    }

    #read(certificate: Buffer | undefined, key: Buffer | undefined): KeyPair | undefined {
        if (certificate === undefined || key === undefined) return undefined;
        try {
            const pair = readPair(certificate, key, "server certificate", this.#init.storage.where);
            if (pair.certificate.checkIssued(this.#init.authority.certificate)) return pair;
            throw new RedgeError("REDGE_IDENTITY_MATERIAL", {
                what: "server certificate",
                where: this.#init.storage.where,
                reason: "the CA kept there did not issue it",
            });
        } catch (error) {
            // Unlike the CA it can be made again at any time, nobody has to be told of the new one.
            this.#ports.log.warn("the server certificate is made anew", { reason: errorText(error) });
            return undefined;
        }
    }

    #adopt(pair: KeyPair): KeyPair {
        const before = this.#pair?.certificate.fingerprint256;
        this.#pair = pair;
        if (before !== undefined && before !== pair.certificate.fingerprint256) this.emit("renewed");
        return pair;
    }

    #isDue(certificate: X509Certificate): boolean {
        const fromMs = Date.parse(certificate.validFrom);
        const toMs = Date.parse(certificate.validTo);
        const known = new Set(hostsOf(certificate));
        const isComplete = this.#hosts.every((host) => known.has(host));
        return !isComplete || this.#ports.clock.nowMs() >= fromMs + (toMs - fromMs) * RENEW_AT;
    }

    #watch(): void {
        const everyMs = Math.min(CHECK_EVERY_MS, this.#init.lifetimeMs * (1 - RENEW_AT) * 0.5);
        this.#timer = this.#ports.clock.after(everyMs, () => {
            this.#check()
                .catch((error: unknown) =>
                    this.#ports.log.warn("the server certificate could not be checked", { reason: errorText(error) }),
                )
                .finally(() => {
                    if (!this.#isStopped) this.#watch();
                });
        });
    }
}

/** Names and addresses a certificate is valid for, in canonical spelling. */
function hostsOf(certificate: X509Certificate | undefined): string[] {
    const names = certificate?.subjectAltName?.split(", ") ?? [];
    return names.flatMap((name) => canonical(/^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? "") ?? []);
}

function canonicalHost(host: string): string {
    const known = canonical(host);
    if (known !== undefined) return known;
    const reason = `names "${host}", no host name or address`;
    throw new RedgeError("REDGE_CONFIG_INVALID", { field: "hosts", reason });
}

function canonical(host: string): string | undefined {
    if (isIP(host) === 6) return new URL(`http://[${host}]`).hostname.slice(1, -1);
    const isName = isIP(host) === 4 || /^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(host);
    return isName ? host.toLowerCase() : undefined;
}
