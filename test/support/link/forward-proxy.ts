// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";

/** An HTTP forward proxy that knows CONNECT and one user. */
export class ForwardProxy {
    /** Where connections were asked for, in order. */
    readonly asked: string[] = [];
    readonly #server: Server;
    readonly #tunnels = new Set<Duplex>();

    constructor(user = "joe", password = "s3cret") {
        const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
        this.#server = createServer((_request, response) => response.writeHead(405).end());
        this.#server.on("connect", (request, client, head) => {
            this.#tunnels.add(client);
            client.on("error", () => client.destroy());
            if (request.headers["proxy-authorization"] !== wanted) {
                client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
                return;
            }
            this.asked.push(request.url ?? "");
            const { hostname, port } = new URL(`http://${request.url}`);
            const target = connect({ host: hostname, port: Number(port) }, () => {
                client.write("HTTP/1.1 200 Connection established\r\n\r\n");
                target.write(head);
                target.pipe(client);
                client.pipe(target);
            });
            target.on("error", () => client.destroy());
            client.on("close", () => target.destroy());
        });
    }

    async start(): Promise<void> {
        await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    }

    url(credentials = "joe:s3cret@"): string {
        return `http://${credentials}127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    }

    async stop(): Promise<void> {
        await new Promise((resolve) => {
            this.#server.close(resolve);
            for (const tunnel of this.#tunnels) tunnel.destroy();
            this.#server.closeAllConnections();
        });
    }
}
