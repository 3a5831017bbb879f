// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { User } from "../authz/user.ts";
import type { WriteOptions } from "./objects.ts";
import { badRequest } from "./status.ts";

/** One request while it is answered. */
export interface RestContext {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly pathname: string;
    readonly query: URLSearchParams;
    readonly user: User;
}

export function isTrue(text: string | null): boolean {
    return text === "true" || text === "1" || text === "";
}

/** Write options as the query says. Warnings go out as Warning headers. */
export function writeOptions({ query, response, user }: RestContext, more: Partial<WriteOptions> = {}): WriteOptions {
    const dryRun = query.getAll("dryRun").filter((value) => value !== "");
    if (dryRun.some((value) => value !== "All"))
        throw badRequest(`Invalid value for dryRun: "${dryRun.join(",")}": supported values: "All"`);
    const validation = query.get("fieldValidation") ?? "Warn";
    if (validation !== "Strict" && validation !== "Warn" && validation !== "Ignore") {
        throw badRequest(
            `fieldValidation: Unsupported value: "${validation}": supported values: "Ignore", "Strict", "Warn"`,
        );
    }
    return {
        user: user.name,
        dryRun: dryRun.length > 0,
        fieldValidation: validation,
        warn: (text) => addWarning(response, text),
        ...more,
    };
}

/** RFC 7234 warning, which kubectl prints. */
export function addWarning(response: ServerResponse, text: string): void {
    const quoted = text.replace(/[\\"]/g, "\\$&").replace(/[^\x20-\x7e]/g, "?");
    response.appendHeader("Warning", `299 - "${quoted}"`);
}
