// SPDX-License-Identifier: Apache-2.0

/** Header names as Go writes them, each with its values. */
export type GoHeader = Readonly<Record<string, readonly string[]>>;

/** A request to the kubelet, as the data of a connect message holds it (wire protocol, section 7.2). */
export interface KubeletRequest {
    readonly method: string;
    /** Path and query. */
    readonly target: string;
    readonly header: GoHeader;
}

/** Where stock CloudCore says the kubelet is; whoever gets it takes its own. */
const KUBELET_HOST = "127.0.0.1:10350";

/** JSON with Go's url.URL and http.Header, members in Go's order. */
export function encodeKubeletRequest(connectId: number, request: KubeletRequest, withMethod: boolean): Buffer {
    const [path = "", query = ""] = split(request.target);
    const decoded = decodeURIComponent(path);
    const url = {
        Scheme: "http",
        Opaque: "",
        User: null,
        Host: KUBELET_HOST,
        Path: decoded,
        RawPath: encodeURI(decoded) === path ? "" : path,
        OmitHost: false,
        ForceQuery: false,
        RawQuery: query,
        Fragment: "",
        RawFragment: "",
    };
    const header = Object.fromEntries(Object.entries(request.header).sort(([a], [b]) => (a < b ? -1 : 1)));
    const method = withMethod ? { method: request.method } : {};
    const text = JSON.stringify({ MessID: connectId, url, header, ...method });
    // Go escapes these; an edge takes both spellings, but so the message is the same to the byte.
    const escaped = text.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
    return Buffer.from(escaped, "utf8");
}

/** Undefined for what cannot be sent to a kubelet as it is. */
export function decodeKubeletRequest(data: Buffer): KubeletRequest | undefined {
    let parsed: unknown;
    try {
        parsed = JSON.parse(data.toString("utf8"));
    } catch {
        return undefined;
    }
    const { url, header, method } = (parsed ?? {}) as Record<string, unknown>;
    const { Path: path, RawPath: rawPath, RawQuery: query } = (url ?? {}) as Record<string, unknown>;
    if (typeof path !== "string" || !path.startsWith("/")) return undefined;
    const encoded = typeof rawPath === "string" && rawPath !== "" ? rawPath : encodeURI(path);
    const request = {
        method: typeof method === "string" && method !== "" ? method : "GET",
        target: typeof query === "string" && query !== "" ? `${encoded}?${query}` : encoded,
        header: readHeader(header),
    };
    return isSendable(request) ? request : undefined;
}

/** The names and values of a Node.js request, spelled as Go spells them, without those Go keeps elsewhere. */
export function goHeader(rawHeaders: readonly string[]): Record<string, string[]> {
    const header: Record<string, string[]> = {};
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
        const name = (rawHeaders[at] ?? "").toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
        // The credentials are the API server's for us; they are of no use to the kubelet behind.
        if (name === "Host" || name === "Transfer-Encoding" || name === "Authorization") continue;
        header[name] ??= [];
        header[name].push(rawHeaders[at + 1] ?? "");
    }
    // What is said about this connection is not about the next one, unless it asks for an upgrade.
    if (header["Upgrade"] === undefined) delete header["Connection"];
    return header;
}

function readHeader(header: unknown): Record<string, string[]> {
    const entries = Object.entries((header ?? {}) as Record<string, unknown>);
    return Object.fromEntries(
        entries.map(([name, values]) => [name, (Array.isArray(values) ? values : []).map(String)]),
    );
}

/** Nothing that would end a line of HTTP early. */
function isSendable({ method, target, header }: KubeletRequest): boolean {
    const texts = Object.entries(header).flatMap(([name, values]) => [`${name}:`, ...values]);
    const isLine = (text: string): boolean => !/[\r\n\0]/.test(text);
    return /^[A-Z]+$/.test(method) && /^[\x21-\x7e]+$/.test(target) && texts.every(isLine);
}

function split(target: string): [string, string?] {
    const at = target.indexOf("?");
    return at === -1 ? [target] : [target.slice(0, at), target.slice(at + 1)];
}
