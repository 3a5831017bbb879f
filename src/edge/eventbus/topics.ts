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
    if (topic.startsWith("$") && (filter.startsWith("+") || filter.startsWith("#"))) return false;
    const wanted = filter.split("/");
    const given = topic.split("/");
    for (const [index, level] of wanted.entries()) {
        if (level === "#") return true;
        if (index >= given.length) return false;
        if (level !== "+" && level !== given[index]) return false;
    }
    return wanted.length === given.length;
}

/** A topic that may be published on: not empty, no wildcards, no NUL, not too long. */
export function isTopicName(topic: string): boolean {
    return topic !== "" && !/[+#\0]/.test(topic) && Buffer.byteLength(topic) <= MAX_TOPIC_BYTES;
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
