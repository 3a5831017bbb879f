// SPDX-License-Identifier: Apache-2.0
import type { Counter, Gauge, Metrics } from "../../core/metrics.ts";

/** What CloudHub counts. */
export class CloudHubMetrics {
    readonly online: Gauge;
    readonly queued: Gauge;
    readonly joined: Counter;
    readonly refused: Counter;
    readonly cutOff: Counter;
    readonly up: Counter;
    readonly down: Counter;
    readonly invalid: Counter;
    readonly dropped: Counter;
    readonly throttled: Counter;

    constructor(metrics: Metrics) {
        this.online = metrics.gauge("redge_cloudhub_online_nodes", "Edge nodes connected to this CloudHub");
        this.queued = metrics.gauge("redge_cloudhub_queued_messages", "Pushes that no edge node acknowledged yet");
        this.joined = metrics.counter("redge_cloudhub_joined_total", "Sessions that began");
        this.refused = metrics.counter("redge_cloudhub_refused_total", "Connections that were refused");
        this.cutOff = metrics.counter(
            "redge_cloudhub_cut_off_total",
            "Edge nodes cut off that asked for what is another's",
        );
        this.up = metrics.counter("redge_cloudhub_received_total", "Messages from edge nodes", ["to"]);
        this.down = metrics.counter("redge_cloudhub_sent_total", "Messages to edge nodes", ["delivery"]);
        this.invalid = metrics.counter("redge_cloudhub_invalid_total", "Messages that were no envelopes");
        this.dropped = metrics.counter("redge_cloudhub_dropped_total", "Messages that a full queue did not take");
        this.throttled = metrics.counter("redge_cloudhub_throttled_total", "Times an edge node was held back");
    }
}
