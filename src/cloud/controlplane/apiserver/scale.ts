// SPDX-License-Identifier: Apache-2.0
import { cloneJson } from "../../../core/clone.ts";
import { asRecord, asText, isRecord, type JsonRecord } from "../../../core/json.ts";
import type { Applier } from "../../../kube/apply/applier.ts";
import { builtinSchema } from "../../../kube/openapi/builtin.ts";
import { asKubeObject, mediaTypeOf, parseText, readBody } from "../../../kube/rest/body.ts";
import { writeOptions } from "../../../kube/rest/context.ts";
import type { ObjectService } from "../../../kube/rest/objects.ts";
import { patchObject } from "../../../kube/rest/patching.ts";
import { managerOf, type ResourceRequest } from "../../../kube/rest/resource-handler.ts";
import type { ServedResource } from "../../../kube/rest/resources.ts";
import { sendValue } from "../../../kube/rest/respond.ts";
import { invalid, invalidValue, methodNotAllowed } from "../../../kube/rest/status.ts";
import type { KubeObject } from "../../../kube/types.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };

interface ScalePaths {
    readonly spec: readonly string[];
    readonly status: readonly string[];
    readonly selector: readonly string[] | undefined;
}

const steps = (path: unknown): string[] => String(path).replace(/^\./, "").split(".");

function pathsOf({ scalePaths }: ServedResource): ScalePaths {
    if (scalePaths === undefined)
        return { spec: ["spec", "replicas"], status: ["status", "replicas"], selector: undefined };
    const selector = asText(scalePaths["labelSelectorPath"]);
    return {
        spec: steps(scalePaths["specReplicasPath"]),
        status: steps(scalePaths["statusReplicasPath"]),
        selector: selector === undefined ? undefined : steps(selector),
    };
}

const at = (object: unknown, path: readonly string[]): unknown =>
    path.reduce<unknown>((value, step) => asRecord(value)[step], object);

/** The Scale of an object that has replicas. */
function scaleOf(resource: ServedResource, object: KubeObject): KubeObject {
    const paths = pathsOf(resource);
    const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
    const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
    const selector =
        paths.selector === undefined ? labelText(at(object, ["spec", "selector"])) : asText(at(object, paths.selector));
    return {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        metadata: metadata as KubeObject["metadata"],
        spec: { replicas: at(object, paths.spec) ?? 0 },
        status: { replicas: at(object, paths.status) ?? 0, ...(selector === undefined ? {} : { selector }) },
    };
}

function labelText(selector: unknown): string | undefined {
    const labels = asRecord(selector)["matchLabels"];
    return isRecord(labels)
        ? Object.entries(labels)
              .map(([key, value]) => `${key}=${String(value)}`)
              .join(",")
        : undefined;
}

function withReplicas(object: KubeObject, path: readonly string[], replicas: number): KubeObject {
    const copy = cloneJson(object);
    let holder: JsonRecord = copy;
    for (const step of path.slice(0, -1)) {
        const next = holder[step];
        if (!isRecord(next)) holder[step] = {};
        holder = asRecord(holder[step]);
    }
    holder[path.at(-1) ?? ""] = replicas;
    return copy;
}

/** GET, PUT and PATCH of <object>/scale. */
export async function serveScale(
    { context, path, resource, verb }: ResourceRequest,
    objects: ObjectService,
    applier: Applier,
): Promise<void> {
    const name = path.name ?? "";
    if (verb === "get") {
        const stored = await objects.get(resource, path.namespace, name);
        return sendValue(context.response, 200, scaleOf(resource, stored.object));
    }
    if (verb !== "update" && verb !== "patch") throw methodNotAllowed();
    const mediaType = mediaTypeOf(context.request);
    const sent = await parseText(await readBody(context.request), mediaType);
    const scaled = { ...resource, ...SCALE, mergeSchema: builtinSchema(SCALE) };
    const track = await applier.tracker(resource, managerOf(context), "scale");
    const change = (current: KubeObject): KubeObject => {
        const scale =
            verb === "update" ? asKubeObject(sent) : patchObject(scaled, scaleOf(resource, current), sent, mediaType);
        const replicas = asRecord(scale["spec"])["replicas"] ?? 0;
        if (!Number.isInteger(replicas) || Number(replicas) < 0) {
            throw invalid(SCALE, name, [invalidValue("spec.replicas", replicas, "must be greater than or equal to 0")]);
        }
        const next = withReplicas(current, pathsOf(resource).spec, Number(replicas));
        const { resourceVersion } = scale.metadata;
        const based =
            resourceVersion === undefined ? next : { ...next, metadata: { ...next.metadata, resourceVersion } };
        return track(current, based);
    };
    const stored = await objects.update(resource, path.namespace, name, change, writeOptions(context));
    sendValue(context.response, 200, scaleOf(resource, stored.object));
}
