// SPDX-License-Identifier: Apache-2.0

/** What of aedes' store in memory is used here; the package describes it only by another name. */
declare module "aedes-persistence/asyncPersistence.js" {
    import type { Subscription } from "aedes" with { "resolution-mode": "import" };

    interface Owner {
        readonly id: string;
    }

    class MemoryPersistence {
        addSubscriptions(client: Owner, subscriptions: readonly Subscription[]): Promise<void>;
        removeSubscriptions(client: Owner, topics: readonly string[]): Promise<void>;
        subscriptionsByClient(client: Owner): Promise<readonly Subscription[]>;
        cleanSubscriptions(client: Owner): Promise<void>;
        /** A message of QoS 2 is released. */
        incomingDelPacket(client: Owner, packet: { readonly messageId: number }): Promise<void>;
        /** A session begins anew. */
        cleanIncoming(client: Owner): Promise<void>;
    }
    export = MemoryPersistence;
}
