// SPDX-License-Identifier: Apache-2.0
import { isRedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { Pod } from "../podspec/types.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import type { RuntimeChoice } from "./deps.ts";

/** Known without asking, so that flows run with any cloud, also one that does not hand out RuntimeClasses. */
const BUILT_IN = new Set(["node-red", "node-red-isolated"]);

/** Which runtime a pod's RuntimeClass names; without one, the first that serves the default handler. */
export async function chooseRuntime(
    pod: Pod,
    runtimes: readonly PodRuntime[],
    lookup: (type: string, namespace: string | undefined, name: string) => Promise<KubeObject>,
): Promise<RuntimeChoice> {
    const className = pod.spec.runtimeClassName ?? "";
    const handler = className === "" || BUILT_IN.has(className) ? className : await handlerOf(className, lookup);
    if (handler === undefined) {
        const problem = `Failed to create pod sandbox: RuntimeClass.node.k8s.io "${className}" not found`;
        return { problem, reason: "FailedCreatePodSandBox" };
    }
    const serving = runtimes.filter((runtime) => runtime.serves(handler));
    if (serving.length === 0) {
        const problem =
            handler === ""
                ? "This node has no container engine; it runs flows (runtimeClassName: node-red)"
                : `No runtime of this node serves the handler "${handler}"`;
        return { problem, reason: "FailedCreatePodSandBox" };
    }
    let reason = "";
    for (const runtime of serving) {
        const info = await runtime.info();
        if (info.ready) return { runtime, handler };
        reason = info.reason ?? "not ready";
    }
    return { problem: `${serving[0]?.name} is not available: ${reason}`, reason: "FailedCreatePodSandBox" };
}

async function handlerOf(
    className: string,
    lookup: (type: string, namespace: string | undefined, name: string) => Promise<KubeObject>,
): Promise<string | undefined> {
    try {
        const object = await lookup("runtimeclass", undefined, className);
        return typeof object["handler"] === "string" ? object["handler"] : undefined;
    } catch (thrown) {
        if (isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER")) return undefined;
        throw thrown;
    }
}
