// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../core/json.ts";

/**
 * A set of fields as a tree, in the path elements of FieldsV1: `f:<field>`, `k:<keys of a list element>`,
 * `v:<value in a set>`. `self` says that the place itself belongs to the set, not only what is below.
 */
export class FieldSet {
    self = false;
    readonly children = new Map<string, FieldSet>();

    get empty(): boolean {
        return !this.self && this.children.size === 0;
    }

    child(element: string): FieldSet {
        let found = this.children.get(element);
        if (found === undefined) {
            found = new FieldSet();
            this.children.set(element, found);
        }
        return found;
    }

    at(path: readonly string[]): FieldSet | undefined {
        let set: FieldSet | undefined = this;
        for (const element of path) set = set?.children.get(element);
        return set;
    }

    /** Everything of both. */
    union(other: FieldSet): FieldSet {
        const result = new FieldSet();
        result.self = this.self || other.self;
        for (const key of new Set([...this.children.keys(), ...other.children.keys()])) {
            const [left, right] = [this.children.get(key), other.children.get(key)];
            result.children.set(
                key,
                left === undefined ? (right ?? new FieldSet()) : right === undefined ? left : left.union(right),
            );
        }
        return result;
    }

    /** What is here and not there. */
    minus(other: FieldSet): FieldSet {
        return this.#combine(other, (mine, theirs) => mine && !theirs, true);
    }

    /** What is in both. */
    and(other: FieldSet): FieldSet {
        return this.#combine(other, (mine, theirs) => mine && theirs, false);
    }

    #combine(other: FieldSet, keep: (mine: boolean, theirs: boolean) => boolean, keepUnmatched: boolean): FieldSet {
        const result = new FieldSet();
        result.self = keep(this.self, other.self);
        for (const [key, child] of this.children) {
            const match = other.children.get(key);
            const kept =
                match === undefined ? (keepUnmatched ? child : undefined) : child.#combine(match, keep, keepUnmatched);
            if (kept !== undefined && !kept.empty) result.children.set(key, kept);
        }
        return result;
    }

    /** Every place that belongs to the set. */
    *paths(prefix: readonly string[] = []): Generator<readonly string[]> {
        if (this.self) yield prefix;
        for (const [key, child] of this.children) yield* child.paths([...prefix, key]);
    }

    toFieldsV1(): Record<string, unknown> {
        const result: Record<string, unknown> = {};
        if (this.self && this.children.size > 0) result["."] = {};
        for (const [key, child] of this.children) result[key] = child.toFieldsV1();
        return result;
    }

    static fromFieldsV1(fields: unknown, root = true): FieldSet {
        const set = new FieldSet();
        const entries = Object.entries(isRecord(fields) ? fields : {});
        if (!root) set.self = entries.length === 0 || entries.some(([key]) => key === ".");
        for (const [key, inner] of entries) if (key !== ".") set.children.set(key, FieldSet.fromFieldsV1(inner, false));
        return set;
    }
}

/** A path for people: `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
    return path
        .map((element) => {
            const rest = element.slice(2);
            if (element.startsWith("f:")) return `.${rest}`;
            if (element.startsWith("v:")) return `[=${rest}]`;
            const keys = JSON.parse(rest) as Record<string, unknown>;
            return `[${Object.entries(keys)
                .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
                .join(",")}]`;
        })
        .join("");
}
