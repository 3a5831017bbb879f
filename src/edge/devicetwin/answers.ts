// SPDX-License-Identifier: Apache-2.0
import { type Envelope, Group, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import { field, text } from "../mappers/fields.ts";
import { deviceIdOf } from "../mappers/wire.ts";
import type { TwinContext } from "./context.ts";
import { readableTwin, readableValue } from "./readable-twin.ts";

const FROM = { source: Source.twin, group: Group.twin };
const DEFAULT_COUNT = 100;

/**
 * Answers a flow's question about one device: `<ns>/device/<name>/twin`, or `<ns>/device/<name>/history` with `{property, count}`.
 * Undefined: it asks for neither. An unknown device is answered with operation `error`.
 */
export async function answerQuery(context: TwinContext, envelope: Envelope): Promise<Envelope | undefined> {
    const { resource } = envelope.route;
    const slash = resource.lastIndexOf("/");
    const what = resource.slice(slash + 1);
    const id = deviceIdOf(resource.slice(0, slash));
    if (id === undefined || (what !== "twin" && what !== "history")) return undefined;
    const record = context.registry.records.get(id);
    if (record === undefined) return responseTo(envelope, null, { ...FROM, operation: Operation.error });
    if (what === "twin") return responseTo(envelope, { twin: readableTwin(record), state: record.state ?? null }, FROM);
    const property = text(field(envelope.content, "property")) ?? "";
    const count = Number(field(envelope.content, "count") ?? DEFAULT_COUNT);
    const type = record.twin.get(property)?.type ?? "string";
    const values = await context.history.read(id, property, Number.isFinite(count) ? count : DEFAULT_COUNT);
    const history = values.map(({ value, timestamp }) => ({ value: readableValue(type, value, property), timestamp }));
    return responseTo(envelope, { property, history }, FROM);
}
