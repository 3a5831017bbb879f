// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import type { User } from "../authz/user.ts";
import type { ApiAnswer, ApiRequest, ApiTransport } from "../client/transport.ts";
import { LocalRequest, LocalResponse } from "./local.ts";
import type { RestHandler } from "./rest-handler.ts";

export interface LocalTransportPorts {
    readonly handler: RestHandler;
    readonly clock: Clock;
    readonly server: string;
    /** False when nothing is answered any more (or yet). */
    readonly isServing: () => boolean;
}

/**
 * The way to an API server in this very process, in the name of `user`: the same handler answers as over TLS, with the same
 * checks; what is saved are the connection, its encryption and, for watches, a copy of every object for every watcher.
 */
export class LocalTransport implements ApiTransport {
    readonly #ports: LocalTransportPorts;
    readonly #user: User;

    constructor(user: User, ports: LocalTransportPorts) {
        this.#user = user;
        this.#ports = ports;
    }

    get server(): string {
        return this.#ports.server;
    }

    send(request: ApiRequest): Promise<ApiAnswer> {
        const { handler, clock, isServing } = this.#ports;
        const { method, path, signal, timeoutMs } = request;
        return new Promise((resolve, reject) => {
            if (!isServing()) throw new Error("the API server does not run");
            if (signal?.aborted) throw new Error("the request was given up");
            const give = (reason: Error): void => {
                response.cancel(reason);
                reject(reason);
            };
            const timer = clock.after(timeoutMs, () =>
                give(new Error(`no answer to ${method} ${path} in ${timeoutMs} ms`)),
            );
            const response = new LocalResponse(new LocalRequest(request), () => {
                timer.cancel();
                resolve(response);
            });
            const abort = (): void => give(new Error("the request was given up"));
            signal?.addEventListener("abort", abort, { once: true });
            response.once("close", () => {
                timer.cancel();
                signal?.removeEventListener("abort", abort);
            });
            void handler.handle(response.req, response, this.#user);
        });
    }

    close(): void {}
}
