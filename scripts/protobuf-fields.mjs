// SPDX-License-Identifier: Apache-2.0
// Makes src/kube/protobuf/fields.json: the protobuf field numbers of the built-in Kubernetes kinds, read from the
// descriptors that every installed kubectl carries. Run by hand for a newer Kubernetes: node scripts/protobuf-fields.mjs [kubectl]
import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const kubectl = realpathSync(process.argv[2] ?? execFileSync("sh", ["-c", "command -v kubectl"]).toString().trim());
const GZIP = Buffer.from([0x1f, 0x8b, 0x08]);
const GROUPS =
    "apps|authentication|authorization|autoscaling|batch|coordination|core|discovery|events|networking|node|policy|rbac|scheduling|storage";
const MACHINERY = "apis\\.meta\\.v1|api\\.resource|runtime|util\\.intstr";
const PACKAGES = new RegExp(`^k8s\\.io\\.(api\\.(${GROUPS})\\.v[12]|apimachinery\\.pkg\\.(${MACHINERY}))$`);
const SCALARS = { 1: "double", 3: "int", 4: "int", 5: "int", 8: "bool", 9: "string", 12: "bytes", 13: "int" };
const REPEATED = 3;

/** Fields of one message as [number, value] pairs; a value is a Buffer or a number. */
function fieldsOf(bytes) {
    const fields = [];
    let at = 0;
    const varint = () => {
        let value = 0;
        for (let shift = 1; ; shift *= 128) {
            const byte = bytes[at++];
            value += (byte & 127) * shift;
            if (byte < 128) return value;
        }
    };
    while (at < bytes.length) {
        const tag = varint();
        const wire = tag & 7;
        if (wire === 0) fields.push([tag >>> 3, varint()]);
        else if (wire === 2) {
            const length = varint();
            fields.push([tag >>> 3, bytes.subarray(at, at + length)]);
            at += length;
        } else throw new Error("not a descriptor");
    }
    return fields;
}

const one = (fields, number) => fields.find(([n]) => n === number)?.[1];
const all = (fields, number) => fields.filter(([n]) => n === number).map(([, value]) => value);

function descriptors(binary) {
    const found = [];
    for (let at = binary.indexOf(GZIP); at >= 0; at = binary.indexOf(GZIP, at + 1)) {
        let text;
        try {
            // The blob's end is not known: what follows the gzip stream is ignored.
            text = gunzipSync(binary.subarray(at, at + 400_000), { finishFlush: 2 });
        } catch {
            continue;
        }
        try {
            found.push(fieldsOf(text));
        } catch {
            // Some other gzip stream.
        }
    }
    return found;
}

const messages = {};
function addMessage(prefix, bytes) {
    const message = fieldsOf(bytes);
    const name = `${prefix}.${one(message, 1).toString()}`;
    const fields = {};
    for (const raw of all(message, 2)) {
        const field = fieldsOf(raw);
        const type = one(field, 5) === 11 ? one(field, 6).toString().slice(1) : SCALARS[one(field, 5)];
        if (type === undefined) throw new Error(`${name}: field type ${one(field, 5)} is not known`);
        fields[one(field, 3)] = [one(field, 1).toString(), type, one(field, 4) === REPEATED ? 1 : 0];
    }
    messages[name] = fields;
    // Maps are repeated entries {1: key, 2: value} of a nested message type.
    for (const nested of all(message, 3)) addMessage(name, nested);
}
for (const file of descriptors(readFileSync(kubectl))) {
    const name = one(file, 2)?.toString() ?? "";
    if (PACKAGES.test(name)) for (const message of all(file, 4)) addMessage(name, message);
}
for (const [name, fields] of Object.entries(messages)) {
    for (const field of Object.values(fields)) if (field[1].startsWith(`${name}.`)) field[2] = 2;
}
const short = (name) => name.replace(/^k8s\.io\.api(machinery\.pkg(\.apis)?)?\./, "");
const table = Object.fromEntries(
    Object.entries(messages)
        .filter(([name]) => !/List$/.test(name))
        .map(([name, fields]) => [
            short(name),
            Object.fromEntries(
                Object.entries(fields).map(([number, [field, type, many]]) => [number, [field, short(type), many]]),
            ),
        ])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
);
const lines = Object.entries(table).map(([name, fields]) => `    ${JSON.stringify(name)}: ${JSON.stringify(fields)}`);
writeFileSync("src/kube/protobuf/fields.json", `{\n${lines.join(",\n")}\n}\n`);
process.stdout.write(`${lines.length} messages\n`);
