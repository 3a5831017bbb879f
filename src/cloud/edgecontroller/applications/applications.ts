// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { asRecord, isRecord } from "../../../core/json.ts";
import { type Envelope, Group, responseTo, Source } from "../../../envelope/envelope.ts";
import type { DeleteOptions, KubeClient, PatchType } from "../../../kube/client/client.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { isAllowed, type Subject } from "../../shared/access-review.ts";
import type { EdgeControllerConfig } from "../config.ts";
import type { PodIndex } from "../pod-index.ts";
import { statusOf } from "../replies.ts";
import { type Application, approved, parseApplication, rejected } from "./application.ts";
import { Watches } from "./watches.ts";

const ANSWER = { source: Source.dynamiccontroller, group: Group.resource, operation: "applicationResponse" } as const;
const ANSWER_RESOURCE = "ignore/Application/ignore";
const SYNC = "watchapp/sync";
const PATCH_TYPES: Readonly<Record<string, PatchType>> = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
};

/**
 * Carries out what programs at an edge node ask of the API through the node's MetaServer (wire protocol, section 5.8).
 * In mode "node" the cluster's own rules decide, asked for the user `system:node:<name>` of the group `system:nodes`.
 */
export class Applications {
    readonly #cluster: KubeClient;
    readonly #mode: EdgeControllerConfig["authorization"];
    readonly #send: (envelope: Envelope) => void;
    readonly #watches: Watches;
    readonly #pods: Pick<PodIndex, "usesAccount">;

    constructor(
        mode: EdgeControllerConfig["authorization"],
        ports: Ports & { readonly cluster: KubeClient; readonly pods: Pick<PodIndex, "usesAccount"> },
        send: (envelope: Envelope) => void,
    ) {
        this.#mode = mode;
        this.#cluster = ports.cluster;
        this.#pods = ports.pods;
        this.#send = send;
        this.#watches = new Watches(ports.cluster, ports, send);
    }

    async receive(node: string, request: Envelope): Promise<void> {
        if (request.route.resource === SYNC) {
            await this.#sync(node, request);
            return;
        }
        const document = asRecord(request.content);
        let answer: Record<string, unknown>;
        try {
            const application = parseApplication(document);
            if (application === undefined) throw unsupported(document["Key"]);
            await this.#authorize(node, application);
            answer = approved(application, await this.#carryOut(node, application));
        } catch (thrown) {
            answer = rejected(document, statusOf(thrown));
        }
        const reply = responseTo(request, answer, ANSWER);
        this.#send({ ...reply, route: { ...reply.route, resource: ANSWER_RESOURCE } });
    }

    /** The node has left: it asks for its watches again when it is back. */
    async forget(node: string): Promise<void> {
        await this.#watches.keep(node, new Set());
    }

    stop(): Promise<void> {
        return this.#watches.stop();
    }

    /** The watches the node believes in: others end, and those that are not running are answered as failed. */
    async #sync(node: string, request: Envelope): Promise<void> {
        const wanted = Object.entries(asRecord(request.content));
        await this.#watches.keep(node, new Set(wanted.map(([id]) => id)));
        const status = statusOf(
            new RedgeError("REDGE_KUBE_STATUS", { code: 410, reason: "Expired", message: "watch again" }),
        );
        const failed = wanted.filter(([id]) => !this.#watches.has(node, id));
        const answer = Object.fromEntries(failed.map(([id, document]) => [id, rejected(asRecord(document), status)]));
        this.#send(responseTo(request, answer, ANSWER));
    }

    /**
     * A node may speak for the service accounts of its own pods, whose tokens it can have anyway, and for the people
     * who operate it, whom the cluster knows as a user and a group of their own.
     * @throws REDGE_CLOUD_FORBIDDEN for anybody else
     */
    #subject(node: string, actor: string | undefined): Subject {
        if (actor === undefined) {
            return { user: `system:node:${node}`, groups: ["system:nodes", "system:authenticated"] };
        }
        if (actor === "operator") {
            return { user: `redge:operator:${node}`, groups: ["redge:operators", "system:authenticated"] };
        }
        const [kind, namespace = "", name = "", ...more] = actor.split(":");
        if (kind === "serviceaccount" && more.length === 0 && this.#pods.usesAccount(node, namespace, name)) {
            const groups = [`system:serviceaccounts`, `system:serviceaccounts:${namespace}`, "system:authenticated"];
            return { user: `system:serviceaccount:${namespace}:${name}`, groups };
        }
        const reason = "none of its pods runs as that service account";
        throw new RedgeError("REDGE_CLOUD_FORBIDDEN", { node, operation: "impersonate", resource: actor, reason });
    }

    async #authorize(node: string, { verb, target, subresource, actor }: Application): Promise<void> {
        if (this.#mode === "kubeedge") return;
        const verbs: Readonly<Record<string, string>> = { updatestatus: "update" };
        const { type, namespace, name } = target;
        const part = verb === "updatestatus" ? "status" : subresource;
        const subject = this.#subject(node, actor);
        const allowed = await isAllowed(this.#cluster, subject, {
            verb: verbs[verb] ?? verb,
            group: type.group,
            resource: type.plural,
            namespace,
            name,
            ...(part === undefined ? {} : { subresource: part }),
        });
        if (!allowed) {
            const named = name === undefined ? type.plural : `${type.plural}/${name}`;
            const resource = namespace === undefined ? named : `${named} in ${namespace}`;
            const reason = `the cluster's rules do not let ${subject.user} do it`;
            throw new RedgeError("REDGE_CLOUD_FORBIDDEN", { node, operation: verb, resource, reason });
        }
    }

    async #carryOut(node: string, application: Application): Promise<unknown> {
        const { verb, target, options, subresource, body } = application;
        const { type, namespace, name = "" } = target;
        const ref = { type, namespace, name };
        switch (verb) {
            case "get":
                return this.#cluster.get(ref);
            case "list": {
                const list = await this.#cluster.list({ type, namespace, ...selectors(options) });
                // Items of built-in lists carry no kind, and an edge stores them one by one.
                const kind = list.kind.replace(/List$/, "");
                return { ...list, items: list.items.map((item) => ({ ...item, kind: item.kind || kind })) };
            }
            case "watch":
                if (!(await this.#watches.start(node, application))) throw tooMany(node);
                return undefined;
            case "create":
                return this.#cluster.create(
                    type,
                    objectOf(body),
                    subresource === undefined ? undefined : { name: subresource, of: name },
                );
            case "update":
                return this.#cluster.replace(type, objectOf(body), subresource);
            case "updatestatus":
                return this.#cluster.replace(type, objectOf(body), "status");
            case "patch":
                return this.#patch(application);
            case "delete":
                await this.#cluster.delete(ref, deleteOptions(options));
                return undefined;
            default:
                throw unsupported(`the verb ${verb}`);
        }
    }

    #patch({ target, options }: Application): Promise<KubeObject> {
        const { type, namespace, name = "" } = target;
        const kind = PATCH_TYPES[String(options["PatchType"])];
        const data = typeof options["Data"] === "string" ? Buffer.from(options["Data"], "base64").toString("utf8") : "";
        const [subresource] = Array.isArray(options["Subresources"]) ? options["Subresources"] : [];
        if (kind === undefined) throw unsupported(`the patch type ${String(options["PatchType"])}`);
        let patch: unknown;
        try {
            patch = JSON.parse(data);
        } catch {
            throw invalid("the patch is not JSON");
        }
        const part = typeof subresource === "string" && subresource !== "" ? { subresource } : {};
        return this.#cluster.patch({ type, namespace, name }, patch, kind, part);
    }
}

/** metav1.DeleteOptions, as far as the client carries them. */
function deleteOptions(options: Record<string, unknown>): DeleteOptions {
    const { uid, resourceVersion } = asRecord(options["preconditions"]);
    const seconds = options["gracePeriodSeconds"];
    return {
        ...(typeof uid === "string" ? { uid } : {}),
        ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
        ...(typeof seconds === "number" ? { gracePeriodSeconds: seconds } : {}),
    };
}

function selectors(options: Record<string, unknown>) {
    const text = (key: string) => (typeof options[key] === "string" ? { [key]: options[key] } : {});
    return { ...text("labelSelector"), ...text("fieldSelector") };
}

function objectOf(body: unknown): KubeObject {
    if (!isRecord(body) || !isRecord(body["metadata"])) throw invalid("the body is no object");
    return body as KubeObject;
}

function unsupported(what: unknown): RedgeError {
    return new RedgeError("REDGE_KUBE_STATUS", {
        code: 405,
        reason: "MethodNotAllowed",
        message: `${String(what)} is not passed on`,
    });
}

function invalid(message: string): RedgeError {
    return new RedgeError("REDGE_KUBE_STATUS", { code: 400, reason: "BadRequest", message });
}

function tooMany(node: string): RedgeError {
    const message = `node ${node} watches too much`;
    return new RedgeError("REDGE_KUBE_STATUS", { code: 429, reason: "TooManyRequests", message });
}
