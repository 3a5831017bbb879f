// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance, PropertyInstance } from "../device-instance.ts";
import { field, optionalBoolean, optionalNumber, text } from "../fields.ts";

export const SECURITY_MODES = ["None", "Sign", "SignAndEncrypt"] as const;
export const SECURITY_POLICIES = [
    "None",
    "Basic128Rsa15",
    "Basic256",
    "Basic256Sha256",
    "Aes128_Sha256_RsaOaep",
    "Aes256_Sha256_RsaPss",
] as const;

export interface OpcuaUser {
    readonly name: string;
    /** The password itself, or the absolute path of a file that holds it. */
    readonly password: string;
}

/** How a server is reached and entered. Two devices with equal ones share a session. */
export interface OpcuaConnection {
    /** `opc.tcp://host:port/path` */
    readonly url: string;
    readonly securityMode: (typeof SECURITY_MODES)[number];
    readonly securityPolicy: (typeof SECURITY_POLICIES)[number];
    /** Absent: anonymous. */
    readonly user?: OpcuaUser | undefined;
    /** Files in PEM: what this end shows of itself; absent: a pair that the mapper makes once. */
    readonly certificate?: string | undefined;
    readonly privateKey?: string | undefined;
    /** A file in PEM or DER: the server's certificate, trusted from then on. */
    readonly remoteCertificate?: string | undefined;
    readonly timeoutMs: number;
}

/** One property as the server shows it. */
export interface OpcuaPoint {
    readonly property: PropertyInstance;
    /** As OPC UA writes it: `ns=2;s=Press.Speed`. */
    readonly nodeId: string;
    /** false: read at the collect cycle although the server could be subscribed to. */
    readonly subscribe: boolean;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const NODE_ID = /^(ns=\d+;)?(i=\d+|s=.+|g=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|b=[A-Za-z0-9+/]+=*)$/is;

/**
 * Reads `spec.protocol.configData` with the keys of KubeEdge's OPC UA mapper.
 * @param fallback who enters where the device names nobody
 * @throws REDGE_DEVICE_INVALID
 */
export function parseConnection({ id, protocol }: DeviceInstance, fallback: OpcuaUser | undefined): OpcuaConnection {
    const data = protocol.configData;
    const refuse = (key: string, reason: string): never => {
        throw new RedgeError("REDGE_DEVICE_INVALID", { device: id, field: `spec.protocol.configData.${key}`, reason });
    };
    const option = (key: string): string | undefined => text(field(data, key)) || undefined;
    const url = option("url") ?? refuse("url", "is missing");
    if (!URL.canParse(url) || new URL(url).protocol !== "opc.tcp:") refuse("url", "does not begin with opc.tcp://");
    const securityMode = word(SECURITY_MODES, option("securityMode") ?? "None");
    if (securityMode === undefined) return refuse("securityMode", `is none of ${SECURITY_MODES.join(", ")}`);
    const usual = securityMode === "None" ? "None" : "Basic256Sha256";
    const securityPolicy = word(SECURITY_POLICIES, option("securityPolicy") ?? usual);
    if (securityPolicy === undefined) return refuse("securityPolicy", `is none of ${SECURITY_POLICIES.join(", ")}`);
    if ((securityMode === "None") !== (securityPolicy === "None"))
        refuse("securityPolicy", `${securityPolicy} does not go with the security mode ${securityMode}`);
    const [certificate, privateKey] = [option("certificate"), option("privateKey")];
    if ((certificate === undefined) !== (privateKey === undefined))
        refuse(certificate === undefined ? "certificate" : "privateKey", "is missing: the two go together");
    const name = option("userName");
    const user = name === undefined ? fallback : { name, password: option("password") ?? "" };
    return {
        url,
        securityMode,
        securityPolicy,
        user,
        certificate,
        privateKey,
        remoteCertificate: option("remoteCertificate"),
        timeoutMs: optionalNumber(field(data, "timeout"), id, "spec.protocol.configData.timeout") || DEFAULT_TIMEOUT_MS,
    };
}

/** Reads `visitors.configData`: `nodeID`, and `subscribe`. @throws REDGE_DEVICE_INVALID */
export function parseOpcuaVisitor(device: string, property: PropertyInstance): OpcuaPoint {
    const data = property.visitor.configData;
    const at = (key: string): string => `${property.name}.visitors.configData.${key}`;
    const nodeId = text(field(data, "nodeID"))?.trim() ?? "";
    if (!NODE_ID.test(nodeId)) {
        const reason = nodeId === "" ? "is missing" : "is no node id such as ns=2;s=Press.Speed or ns=2;i=1001";
        throw new RedgeError("REDGE_DEVICE_INVALID", { device, field: at("nodeID"), reason });
    }
    return { property, nodeId, subscribe: optionalBoolean(field(data, "subscribe"), true, device, at("subscribe")) };
}

/** One of the words, whatever its case and its underscores: KubeEdge writes Aes128Sha256RsaOaep. */
function word<T extends string>(words: readonly T[], given: string): T | undefined {
    const bare = (one: string): string => one.toLowerCase().replaceAll("_", "");
    return words.find((one) => bare(one) === bare(given));
}
