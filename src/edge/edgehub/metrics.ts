// SPDX-License-Identifier: Apache-2.0
import type { Counter, Gauge, Metrics } from "../../core/metrics.ts";

/** What EdgeHub counts. */
export class EdgeHubMetrics {
    readonly connected: Gauge;
    readonly queued: Gauge;
    readonly queuedBytes: Gauge;
    readonly connects: Counter;
    readonly dropped: Counter;
    readonly coalesced: Counter;
    readonly received: Counter;
    readonly sent: Counter;

    constructor(metrics: Metrics) {
        this.connected = metrics.gauge("redge_edgehub_connected", "1 while the link to the cloud is up");
        this.queued = metrics.gauge(
            "redge_edgehub_outbox_messages",
            "Messages on disk that the cloud does not have yet",
        );
        this.queuedBytes = metrics.gauge("redge_edgehub_outbox_bytes", "Bytes of these messages");
        this.connects = metrics.counter("redge_edgehub_connects_total", "Times the link came up");
        this.dropped = metrics.counter("redge_edgehub_dropped_total", "Messages given up", ["class", "reason"]);
        this.coalesced = metrics.counter("redge_edgehub_coalesced_total", "Device reports that a newer one took along");
        this.received = metrics.counter("redge_edgehub_received_total", "Messages from the cloud", ["output"]);
        this.sent = metrics.counter("redge_edgehub_sent_total", "Messages to the cloud", ["class"]);
    }
}
