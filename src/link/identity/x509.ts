// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { isIP } from "node:net";
import { bitString, Der, der, explicit, integer, octetString, oid, sequence, Tag, text, time } from "./der.ts";

/** Attribute types of the names in certificates, short name to identifier. */
const ATTRIBUTES = { C: "2.5.4.6", ST: "2.5.4.8", L: "2.5.4.7", O: "2.5.4.10", OU: "2.5.4.11", CN: "2.5.4.3" } as const;

/** A distinguished name, one value an attribute, in the order given. */
export type Name = readonly (readonly [keyof typeof ATTRIBUTES, string])[];

export type ExtendedKeyUsage = "serverAuth" | "clientAuth";

const EXTENDED_USAGES: Readonly<Record<ExtendedKeyUsage, string>> = {
    serverAuth: "1.3.6.1.5.5.7.3.1",
    clientAuth: "1.3.6.1.5.5.7.3.2",
};
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const RSA_SHA256 = "1.2.840.113549.1.1.11";
const SIGNATURE_HASHES: Readonly<Record<string, string>> = {
    [ECDSA_SHA256]: "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    [RSA_SHA256]: "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
};

export interface CertificateInit {
    readonly subject: Name;
    /** Subject public key as SubjectPublicKeyInfo DER. */
    readonly spkiDer: Buffer;
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
    readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
    /** Who signs. Absent: the certificate is self-signed with `signingKey`. */
    readonly issuerDer?: Buffer | undefined;
    readonly signingKey: KeyObject;
    readonly ca?: boolean | undefined;
    /** DNS names and IP addresses. */
    readonly hosts?: readonly string[] | undefined;
    /** Absent: random below 2^63. */
    readonly serial?: number | undefined;
}

/** An X.509 v3 certificate as DER. Key usages are those that KubeEdge gives its certificates. */
export function createCertificate(init: CertificateInit): Buffer {
    const subject = encodeName(init.subject);
    const issuer = init.issuerDer === undefined ? undefined : readCertificate(init.issuerDer);
    const algorithm = signatureAlgorithm(init.signingKey);
    const tbs = sequence(
        explicit(0, integer(Buffer.from([2]))),
        integer(init.serial === undefined ? randomSerial() : numberBytes(init.serial)),
        algorithm,
        issuer?.subject ?? subject,
        sequence(time(init.notBeforeMs), time(init.notAfterMs)),
        subject,
        init.spkiDer,
        explicit(3, sequence(...extensions(init, issuer?.subjectKeyId))),
    );
    return sequence(tbs, algorithm, bitString(sign("sha256", tbs, init.signingKey)));
}

function extensions(init: CertificateInit, issuerKeyId: Buffer | undefined): Buffer[] {
    // digitalSignature, keyEncipherment; a CA also keyCertSign.
    const keyUsage = init.ca ? bitString(Buffer.from([0xa4]), 2) : bitString(Buffer.from([0xa0]), 5);
    const usages = init.extendedKeyUsages.map((usage) => oid(EXTENDED_USAGES[usage]));
    const list = [extension("2.5.29.15", keyUsage, true), extension("2.5.29.37", sequence(...usages))];
    if (init.ca) {
        list.push(extension("2.5.29.19", sequence(der(Tag.boolean, Buffer.from([0xff]))), true));
        list.push(extension("2.5.29.14", octetString(keyIdOf(init.spkiDer))));
    }
    if (issuerKeyId !== undefined) list.push(extension("2.5.29.35", sequence(der(0x80, issuerKeyId))));
    if (init.hosts !== undefined && init.hosts.length > 0)
        list.push(extension("2.5.29.17", sequence(...init.hosts.map(generalName))));
    return list;
}

/** A PKCS#10 request as DER, signed by the key it asks a certificate for. */
export function createCsr(subject: Name, key: KeyObject): Buffer {
    const spki = createPublicKey(key).export({ type: "spki", format: "der" });
    const info = sequence(integer(Buffer.from([0])), encodeName(subject), spki, explicit(0));
    return sequence(info, signatureAlgorithm(key), bitString(sign("sha256", info, key)));
}

export interface ParsedCsr {
    readonly commonName: string;
    readonly organizations: readonly string[];
    readonly spkiDer: Buffer;
}

/** Reads a PKCS#10 request and checks that its sender holds the key. @throws an Error that says what is wrong */
export function parseCsr(csrDer: Buffer): ParsedCsr {
    const [info, algorithm, signature] = Der.parse(csrDer).expect(Tag.sequence).children;
    const [, subject, spki] = info?.expect(Tag.sequence).children ?? [];
    if (!info || !algorithm || !signature || !subject || !spki) throw new Error("not a certificate request");
    const publicKey = createPublicKey({ key: spki.raw, type: "spki", format: "der" });
    const hash = SIGNATURE_HASHES[algorithm.expect(Tag.sequence).children[0]?.oid ?? ""];
    if (hash === undefined) throw new Error("unknown signature algorithm");
    if (!verify(hash, info.raw, publicKey, signature.bits)) throw new Error("its signature does not match its key");
    return {
        commonName: attributesOf(subject, "CN")[0] ?? "",
        organizations: attributesOf(subject, "O"),
        spkiDer: spki.raw,
    };
}

export interface ReadCertificate {
    /** DER of the subject name. */
    readonly subject: Buffer;
    readonly commonName: string;
    readonly organizations: readonly string[];
    readonly subjectKeyId: Buffer | undefined;
}

/** What `node:crypto` does not tell of a certificate. */
export function readCertificate(certificateDer: Buffer): ReadCertificate {
    const fields = Der.parse(certificateDer).children[0]?.children ?? [];
    const at = fields[0]?.tag === 0xa0 ? 1 : 0; // The version is left out in v1.
    const subject = fields[at + 4]?.expect(Tag.sequence);
    if (subject === undefined) throw new Error("not a certificate");
    const list = fields.find((field) => field.tag === 0xa3)?.children[0]?.children ?? [];
    const keyId = list.find((item) => item.children[0]?.oid === "2.5.29.14")?.children.at(-1)?.content;
    return {
        subject: subject.raw,
        commonName: attributesOf(subject, "CN")[0] ?? "",
        organizations: attributesOf(subject, "O"),
        subjectKeyId: keyId === undefined ? undefined : Der.parse(keyId).content,
    };
}

export function toPem(label: "CERTIFICATE" | "EC PRIVATE KEY", bytes: Buffer): string {
    const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
    return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function attributesOf(name: Der, attribute: keyof typeof ATTRIBUTES): string[] {
    const values: string[] = [];
    for (const pair of name.children.flatMap((set) => set.children)) {
        const [type, value] = pair.children;
        if (type?.oid === ATTRIBUTES[attribute] && value !== undefined) values.push(value.content.toString("utf8"));
    }
    return values;
}

function encodeName(name: Name): Buffer {
    return sequence(
        ...name.map(([attribute, value]) => der(Tag.set, sequence(oid(ATTRIBUTES[attribute]), text(value)))),
    );
}

function extension(id: string, value: Buffer, critical = false): Buffer {
    const flag = critical ? [der(Tag.boolean, Buffer.from([0xff]))] : [];
    return sequence(oid(id), ...flag, octetString(value));
}

function signatureAlgorithm(key: KeyObject): Buffer {
    return key.asymmetricKeyType === "rsa" ? sequence(oid(RSA_SHA256), der(Tag.null)) : sequence(oid(ECDSA_SHA256));
}

/** SHA-1 of the public key's bits (RFC 5280, 4.2.1.2): an identifier, not a protection. */
function keyIdOf(spkiDer: Buffer): Buffer {
    const bits = Der.parse(spkiDer).children[1]?.bits;
    return createHash("sha1")
        .update(bits ?? spkiDer)
        .digest();
}

function generalName(host: string): Buffer {
    if (isIP(host) === 0) return der(0x82, Buffer.from(host, "latin1"));
    return der(0x87, isIP(host) === 4 ? Buffer.from(host.split(".").map(Number)) : ipv6Bytes(host));
}

function ipv6Bytes(address: string): Buffer {
    const [plain = ""] = address.split("%");
    // The URL parser knows every spelling, dotted tails too.
    const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::");
    const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
    const first = groups(head);
    const last = groups(tail ?? "");
    const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
    return Buffer.from([...first, ...zeros, ...last].map((group) => group.padStart(4, "0")).join(""), "hex");
}

function randomSerial(): Buffer {
    const bytes = randomBytes(8);
    bytes[0] = (bytes[0] ?? 0) & 0x7f;
    return bytes;
}

function numberBytes(value: number): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return bytes;
}
