// SPDX-License-Identifier: Apache-2.0

export interface PublishOptions {
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
}

export interface BrokerMessage {
    readonly topic: string;
    readonly payload: Buffer;
    /** Its client gets no acknowledgement before the message is on disk. */
    readonly held: boolean;
}

export interface BrokerHandlers {
    /** A client published on one of the subscribed topics. What is `held` is answered: once it is on disk, or not at all. */
    readonly message: (message: BrokerMessage) => Promise<void> | undefined;
    readonly connected: () => void;
    readonly disconnected: (reason: string) => void;
}

/** The MQTT side of EventBus: an embedded broker, or a client of another one. */
export interface Broker {
    start(handlers: BrokerHandlers): Promise<void>;
    stop(): Promise<void>;
    /** Resolves when the message was handed over. @throws REDGE_EVENTBUS_OFFLINE */
    publish(topic: string, payload: string | Buffer, options: PublishOptions): Promise<void>;
    subscribe(filter: string): Promise<void>;
    unsubscribe(filter: string): Promise<void>;
}
