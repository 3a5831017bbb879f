// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request } from "node:http";
import { errorText } from "../../core/errors/redge-error.ts";
import { containerFor } from "../../kube/rest/pod-containers.ts";
import type { ResourceRequest } from "../../kube/rest/resource-handler.ts";
import { notFound, StatusError, unavailable } from "../../kube/rest/status.ts";
import type { ObjectReader } from "../../kube/storage/registry.ts";

const MAX_REASON_BYTES = 4096;

/** GET pods/<name>/log from Edged's own kubelet endpoint: needs no cloud. */
export async function servePodLog(
    { context, path }: ResourceRequest,
    reader: ObjectReader,
    kubelet: string | undefined,
): Promise<void> {
    const { namespace = "", name = "" } = path;
    const pod = await reader.get({ group: "", plural: "pods", namespace, name });
    if (pod === undefined) throw notFound({ group: "", plural: "pods" }, name);
    if (kubelet === undefined) throw unavailable("logs are not offered: no kubelet endpoint is configured");
    const query = new URLSearchParams(context.query);
    query.delete("container");
    const target = `/containerLogs/${namespace}/${name}/${containerFor(pod.object, context.query.get("container"))}?${query}`;
    const answer = await ask(kubelet, target, context.response);
    const code = answer.statusCode ?? 502;
    if (code >= 400) {
        let text = "";
        for await (const chunk of answer as AsyncIterable<Buffer>)
            if (text.length < MAX_REASON_BYTES) text += chunk.toString();
        throw new StatusError(code, code === 404 ? "NotFound" : "BadRequest", text.trim());
    }
    context.response.writeHead(code, { "Content-Type": "text/plain" });
    context.response.flushHeaders();
    answer.on("error", () => context.response.destroy());
    answer.pipe(context.response);
}

function ask(
    kubelet: string,
    path: string,
    response: ResourceRequest["context"]["response"],
): Promise<IncomingMessage> {
    const socketPath = /^unix:(\/.+)$/.exec(kubelet)?.[1];
    return new Promise((resolve, reject) => {
        const sent = socketPath === undefined ? request(new URL(path, kubelet)) : request({ socketPath, path });
        sent.on("response", resolve);
        sent.on("error", (error) => reject(unavailable(`Edged does not answer: ${errorText(error)}`)));
        response.on("close", () => sent.destroy());
        sent.end();
    });
}
