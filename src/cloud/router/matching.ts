// SPDX-License-Identifier: Apache-2.0
import { type Route, segmentsOf } from "./route.ts";

export interface RestMatch {
    readonly route: Route;
    /** What follows the rule's path, without a slash in front. */
    readonly rest: string;
}

/** The rule for a path: the one with the most segments, and of those the one with the fewest places for any segment. */
export function matchRest(routes: Iterable<Route>, namespace: string, path: string): RestMatch | undefined {
    const given = segmentsOf(path);
    let best: { match: RestMatch; length: number; wild: number } | undefined;
    for (const route of routes) {
        if (route.source.type !== "rest" || route.namespace !== namespace) continue;
        const { segments } = route.source;
        if (segments.length > given.length || !segments.every((part, at) => isPlace(part) || part === given[at]))
            continue;
        const wild = segments.filter(isPlace).length;
        if (
            best !== undefined &&
            (segments.length < best.length || (segments.length === best.length && wild >= best.wild))
        ) {
            continue;
        }
        best = { match: { route, rest: given.slice(segments.length).join("/") }, length: segments.length, wild };
    }
    return best?.match;
}

/** MQTT's own matching: `+` is any one level, `#` at the end all further ones, and the level above them. */
export function topicMatches(filter: string, topic: string): boolean {
    const wanted = filter.split("/");
    const given = topic.split("/");
    for (const [at, level] of wanted.entries()) {
        if (level === "#") return at === wanted.length - 1;
        if (at >= given.length || (level !== "+" && level !== given[at])) return false;
    }
    return wanted.length === given.length;
}

function isPlace(segment: string): boolean {
    return /^\{[^{}]+\}$/.test(segment);
}
