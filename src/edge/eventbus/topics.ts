// SPDX-License-Identifier: Apache-2.0

/** What KubeEdge's EventBus always listens to (device plane reference 4.4), and the one-segment device ids of old. */
export const FIXED_SUBSCRIPTIONS = [
    "$hw/events/upload/#",
    "$hw/events/device/+/+/state/update",
    "$hw/events/device/+/+/twin/+",
    "$hw/events/device/+/state/update",
    "$hw/events/device/+/twin/+",
    "$hw/events/node/+/membership/get",
    "SYS/dis/upload_records",
    "+/user/#",
] as const;

const MAX_TOPIC_BYTES = 65_535;

/** True for topics that belong to DeviceTwin; all others that are subscribed go to the cloud. */
export function isForDeviceTwin(topic: string): boolean {
    return topic.startsWith("$hw/events/device/") || topic.startsWith("$hw/events/node/");
}

/** MQTT's own rules of topic filters (MQTT 3.1.1, 4.7): + and #, and no leading wildcard meets a topic that starts with $. */
export function topicMatches(filter: string, topic: string): boolean {
    return levelsMatch(filter.split("/"), topic.split("/"));
}

/** Several filters, taken apart once: every message that comes in is held against all of them. */
export class TopicFilters {
    readonly #levels = new Map<string, readonly string[]>();

    add(filter: string): void {
        this.#levels.set(filter, filter.split("/"));
    }

    delete(filter: string): void {
        this.#levels.delete(filter);
    }

    /** Whether any of them meets the topic. */
    match(topic: string): boolean {
        const given = topic.split("/");
        for (const wanted of this.#levels.values()) if (levelsMatch(wanted, given)) return true;
        return false;
    }
}

function levelsMatch(wanted: readonly string[], given: readonly string[]): boolean {
    if (given[0]?.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
    for (let index = 0; index < wanted.length; index += 1) {
        const level = wanted[index];
        if (level === "#") return true;
        if (index >= given.length || (level !== "+" && level !== given[index])) return false;
    }
    return wanted.length === given.length;
}

/** Whether whatever meets `wanted`, a filter or a topic, meets `filter` too: "plant/+" does not cover "plant/#". */
export function filterCovers(filter: string, wanted: string): boolean {
    const [levels, given] = [filter.split("/"), wanted.split("/")];
    if (given[0]?.startsWith("$") && (levels[0] === "+" || levels[0] === "#")) return false;
    for (const [index, level] of levels.entries()) {
        if (level === "#") return true;
        const other = given[index];
        if (other === undefined || other === "#" || (level !== "+" && level !== other)) return false;
    }
    return levels.length === given.length;
}

/** A topic that may be published on: not empty, no wildcards, no NUL, not too long; U+FFFD stands where it was no UTF-8. */
export function isTopicName(topic: string): boolean {
    return topic !== "" && !/[+#\0\ufffd]/.test(topic) && Buffer.byteLength(topic) <= MAX_TOPIC_BYTES;
}

/** A filter that may be subscribed: + fills a level, # is the last one. */
export function isTopicFilter(filter: string): boolean {
    if (filter === "" || filter.includes("\0") || Buffer.byteLength(filter) > MAX_TOPIC_BYTES) return false;
    const levels = filter.split("/");
    return levels.every((level, index) => {
        if (level === "#") return index === levels.length - 1;
        return level === "+" || !/[+#]/.test(level);
    });
}
