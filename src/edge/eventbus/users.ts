// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from "node:crypto";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { isRecord } from "../mappers/fields.ts";
import type { EventBusUser } from "./config.ts";
import { filterCovers, topicMatches } from "./topics.ts";

/** Who may connect to the embedded broker, and what each may publish and subscribe. */
export class Users {
    readonly #users: ReadonlyMap<string, EventBusUser> | undefined;

    /** @throws REDGE_CONFIG_INVALID when the text is no list of users */
    constructor(json: string | undefined) {
        this.#users = json === undefined ? undefined : parseUsers(json);
    }

    authenticate(username: string | undefined, password: Buffer | undefined): boolean {
        if (this.#users === undefined) return true;
        const user = username === undefined ? undefined : this.#users.get(username);
        // Compared even when there is no such user, so that the time it takes tells nothing.
        const right = digest(user?.password ?? "");
        const equal = timingSafeEqual(right, digest(password ?? ""));
        return user !== undefined && equal;
    }

    mayPublish(username: string | undefined, topic: string): boolean {
        return this.#allows(username, "publish", (filter) => topicMatches(filter, topic));
    }

    /** A filter (or a topic) is allowed when one of the user's filters covers it. */
    maySubscribe(username: string | undefined, wanted: string): boolean {
        return this.#allows(username, "subscribe", (filter) => filterCovers(filter, wanted));
    }

    #allows(username: string | undefined, what: "publish" | "subscribe", meets: (filter: string) => boolean): boolean {
        if (this.#users === undefined) return true;
        const user = username === undefined ? undefined : this.#users.get(username);
        return user !== undefined && (user[what] === undefined || user[what].some(meets));
    }
}

function digest(secret: string | Buffer): Buffer {
    return createHash("sha256").update(secret).digest();
}

function parseUsers(json: string): ReadonlyMap<string, EventBusUser> {
    let list: unknown;
    try {
        list = JSON.parse(json);
    } catch (thrown) {
        throw invalid(errorText(thrown));
    }
    if (!Array.isArray(list)) throw invalid("is not a list");
    return new Map(list.map((user: unknown) => parseUser(user)).map((user) => [user.username, user]));
}

function parseUser(user: unknown): EventBusUser {
    if (!isRecord(user)) throw invalid("holds something that is not an object");
    const { username, password, publish, subscribe } = user;
    if (typeof username !== "string" || username === "") throw invalid("holds a user without username");
    if (typeof password !== "string" || password === "") throw invalid(`gives ${username} no password`);
    const filters = (given: unknown): readonly string[] | undefined => {
        if (given === undefined) return undefined;
        if (Array.isArray(given) && given.every((one) => typeof one === "string")) return given;
        throw invalid(`gives ${username} topics that are not a list of texts`);
    };
    const published = filters(publish);
    const subscribed = filters(subscribe);
    return {
        username,
        password,
        ...(published === undefined ? {} : { publish: published }),
        ...(subscribed === undefined ? {} : { subscribe: subscribed }),
    };
}

function invalid(reason: string): RedgeError {
    return new RedgeError("REDGE_CONFIG_INVALID", { field: "users", reason });
}
