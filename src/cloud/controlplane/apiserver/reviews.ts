// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { asRecord, asRecords, asText } from "../../../core/json.ts";
import type { RbacAuthorizer } from "../../../kube/authz/rbac.ts";
import { type Attributes, authenticated, MASTERS, type User } from "../../../kube/authz/user.ts";
import { isoSeconds } from "../../../kube/meta/time.ts";
import { type ResourceRequest, readObject } from "../../../kube/rest/resource-handler.ts";
import { sendValue } from "../../../kube/rest/respond.ts";
import { badRequest, conflict, invalid, invalidValue, methodNotAllowed, notFound } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import { type Authenticator, serviceAccountUser } from "./authenticator.ts";
import { DEFAULT_AUDIENCE, type ServiceAccountTokens } from "./service-account-tokens.ts";

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** SelfSubjectAccessReview and SubjectAccessReview: may somebody do something? */
export async function reviewAccess(request: ResourceRequest, authorizer: RbacAuthorizer): Promise<void> {
    const { context, resource, verb } = request;
    if (verb !== "create") throw methodNotAllowed();
    const review = await readObject(context, resource);
    const spec = asRecord(review["spec"]);
    const groups = Array.isArray(spec["groups"]) ? spec["groups"].map(String) : [];
    const user: User =
        resource.kind === "SelfSubjectAccessReview" ? context.user : authenticated(asText(spec["user"]) ?? "", groups);
    const reason = await authorizer.refuse(attributesOf(user, spec));
    const status = reason === undefined ? { allowed: true } : { allowed: false, ...(reason === "" ? {} : { reason }) };
    sendValue(context.response, 201, { ...review, status });
}

function attributesOf(user: User, spec: Record<string, unknown>): Attributes {
    const path = asRecord(spec["nonResourceAttributes"]);
    const { verb, group, resource, subresource, namespace, name } = asRecord(spec["resourceAttributes"]);
    const plural = asText(resource);
    return {
        user,
        verb: asText(verb) ?? asText(path["verb"]) ?? "",
        group: asText(group) ?? "",
        resource:
            plural === undefined
                ? undefined
                : asText(subresource) === undefined
                  ? plural
                  : `${plural}/${String(subresource)}`,
        namespace: asText(namespace),
        name: asText(name),
        path: asText(path["path"]) ?? "",
    };
}

/** SelfSubjectRulesReview: what may I do here? (kubectl auth can-i --list) */
export async function reviewRules(
    { context, resource, verb }: ResourceRequest,
    authorizer: RbacAuthorizer,
): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const review = await readObject(context, resource);
    const rules = [...(await authorizer.rulesFor(context.user, asText(asRecord(review["spec"])["namespace"])))];
    if (context.user.groups.includes(MASTERS)) {
        rules.push({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }, { verbs: ["*"], nonResourceURLs: ["*"] });
    }
    const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
    const status = {
        incomplete: false,
        resourceRules: rules
            .filter((rule) => rule["resources"] !== undefined)
            .map(({ verbs, apiGroups, resources, resourceNames }) => ({
                verbs,
                apiGroups: list(apiGroups),
                resources,
                ...(resourceNames === undefined ? {} : { resourceNames }),
            })),
        nonResourceRules: rules
            .filter((rule) => rule["nonResourceURLs"] !== undefined)
            .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    };
    sendValue(context.response, 201, { ...review, status });
}

/** SelfSubjectReview: who am I? (kubectl auth whoami) */
export async function reviewSelf({ context, resource, verb }: ResourceRequest): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const review = await readObject(context, resource);
    const { name, groups, uid } = context.user;
    const userInfo = { username: name, groups, ...(uid === undefined ? {} : { uid }) };
    sendValue(context.response, 201, { ...review, status: { userInfo } });
}

/** TokenReview: whose token is this? */
export async function reviewToken(
    { context, resource, verb }: ResourceRequest,
    authenticator: Authenticator,
): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const review = await readObject(context, resource);
    const { token, audiences } = asRecord(review["spec"]);
    const wanted = Array.isArray(audiences) && audiences.length > 0 ? audiences.map(String) : [DEFAULT_AUDIENCE];
    const claims = await authenticator.review(String(token ?? ""), wanted);
    const user = claims === undefined ? undefined : serviceAccountUser(claims);
    const status =
        user === undefined || claims === undefined
            ? { authenticated: false, error: "the token is not valid" }
            : {
                  authenticated: true,
                  user: { username: user.name, uid: user.uid, groups: user.groups },
                  audiences: claims.audiences.filter((one) => wanted.includes(one)),
              };
    sendValue(context.response, 201, { ...review, status });
}

interface TokenPorts {
    readonly reader: ObjectReader;
    readonly tokens: ServiceAccountTokens;
    readonly clock: Clock;
}

/** POST serviceaccounts/<name>/token */
export async function requestToken(
    { context, path, verb }: ResourceRequest,
    { reader, tokens, clock }: TokenPorts,
): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const { namespace = "", name = "" } = path;
    const kind = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };
    const account = await reader.get({ group: "", plural: "serviceaccounts", namespace, name });
    if (account === undefined) throw notFound({ group: "", plural: "serviceaccounts" }, name);
    const serving = { ...kind, plural: "tokenrequests", namespaced: true };
    const request = await readObject(context, { ...serving } as Parameters<typeof readObject>[1]);
    const spec = asRecord(request["spec"]);
    const expirationSeconds = Number(spec["expirationSeconds"] ?? 3600);
    if (!(expirationSeconds >= MIN_TOKEN_SECONDS)) {
        throw invalid(kind, name, [
            invalidValue(
                "spec.expirationSeconds",
                expirationSeconds,
                "may not specify a duration less than 10 minutes",
            ),
        ]);
    }
    if (expirationSeconds > MAX_TOKEN_SECONDS) {
        throw invalid(kind, name, [
            invalidValue(
                "spec.expirationSeconds",
                expirationSeconds,
                "may not specify a duration larger than 2^32 seconds",
            ),
        ]);
    }
    const audiences =
        Array.isArray(spec["audiences"]) && spec["audiences"].length > 0
            ? spec["audiences"].map(String)
            : [DEFAULT_AUDIENCE];
    const pod = await boundPod(reader, namespace, spec["boundObjectRef"]);
    const uid = account.object.metadata.uid ?? "";
    const { token, expiresAtMs } = tokens.issue(
        { namespace, serviceAccount: { name, uid }, pod, audiences, expirationSeconds },
        clock.nowMs(),
    );
    const metadata = { name, namespace, creationTimestamp: isoSeconds(clock.nowMs()) };
    sendValue(context.response, 201, {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        metadata,
        spec: { audiences, expirationSeconds, boundObjectRef: spec["boundObjectRef"] ?? null },
        status: { token, expirationTimestamp: isoSeconds(expiresAtMs) },
    });
}

async function boundPod(
    reader: ObjectReader,
    namespace: string,
    reference: unknown,
): Promise<{ name: string; uid: string } | undefined> {
    const [bound] = asRecords([reference]);
    if (bound === undefined) return undefined;
    const name = asText(bound["name"]) ?? "";
    if (bound["kind"] !== "Pod") throw badRequest(`cannot bind a token to a ${String(bound["kind"])}: only pods`);
    const pod = await reader.get({ group: "", plural: "pods", namespace, name });
    const uid = pod?.object.metadata.uid;
    if (uid === undefined) throw notFound({ group: "", plural: "pods" }, name);
    if (asText(bound["uid"]) !== undefined && bound["uid"] !== uid) {
        throw conflict(
            { group: "", plural: "pods" },
            name,
            `the UID in the bound object reference (${String(bound["uid"])}) does not match the UID in record`,
        );
    }
    return { name, uid };
}
