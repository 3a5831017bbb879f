// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { errorText, isRedgeError, RedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { dataOf } from "../objects.ts";
import type { Container, Pod } from "../podspec/types.ts";
import type { PodRuntime, PullCredentials } from "../runtimes/runtime.ts";
import { Backoff } from "./backoff.ts";

export type ImageAnswer =
    | {
          readonly imageId: string;
          /** How long the pull took; absent when the image was here. */
          readonly pulledMs?: number;
      }
    | {
          readonly waiting: "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName";
          /** For the container's status. */
          readonly message: string;
          readonly retryMs: number;
      };

/** Gets the images of containers by their pull policy; failures back off per image as crashes do. */
export class ImageKeeper {
    readonly #clock: Clock;
    readonly #backoff: Backoff;
    readonly #failed = new Map<string, { readonly atMs: number; readonly message: string }>();
    readonly #pulls = new Map<string, Promise<string>>();

    readonly #used: (imageId: string) => void;

    /** `used`: hears of every image that a container is about to be made of. */
    constructor(clock: Clock, used: (imageId: string) => void = () => {}) {
        this.#clock = clock;
        this.#used = used;
        this.#backoff = new Backoff(clock);
    }

    /** `pulling`: the image has to be pulled, which may take long. */
    async ensure(
        runtime: PodRuntime,
        pod: Pod,
        container: Container,
        lookup: (type: string, namespace: string | undefined, name: string) => Promise<KubeObject>,
        pulling: () => void = () => {},
    ): Promise<ImageAnswer> {
        const image = container.image ?? "";
        if (!runtime.hasImages) return { imageId: image };
        if (!isReference(image)) {
            const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
            return { waiting: "InvalidImageName", message, retryMs: 60_000 };
        }
        const policy =
            container.imagePullPolicy ??
            (/[:@][^/]+$/.test(image) && !image.endsWith(":latest") ? "IfNotPresent" : "Always");
        const present = policy === "Always" ? undefined : await runtime.imageId(image);
        if (present !== undefined) {
            this.#used(present);
            return { imageId: present };
        }
        if (policy === "Never") {
            const message = `Container image "${image}" is not present with pull policy of Never`;
            return { waiting: "ErrImageNeverPull", message, retryMs: 10_000 };
        }
        const failed = this.#failed.get(image);
        const retryMs = failed === undefined ? 0 : this.#backoff.remainingMs(image, failed.atMs);
        if (failed !== undefined && retryMs > 0) {
            return {
                waiting: "ImagePullBackOff",
                message: `Back-off pulling image "${image}": ErrImagePull: ${failed.message}`,
                retryMs,
            };
        }
        pulling();
        const beganMs = this.#clock.monotonicMs();
        try {
            const imageId = await this.#pull(runtime, image, await pullCredentials(pod, lookup));
            this.#used(imageId);
            this.#failed.delete(image);
            this.#backoff.reset(image);
            return { imageId, pulledMs: this.#clock.monotonicMs() - beganMs };
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            this.#backoff.next(image);
            const message = errorText(thrown);
            this.#failed.set(image, { atMs: this.#clock.nowMs(), message });
            return { waiting: "ErrImagePull", message, retryMs: this.#backoff.delayMs(image) };
        }
    }

    /** One pull of an image at a time, shared by all who wait for it. */
    #pull(runtime: PodRuntime, image: string, credentials: readonly PullCredentials[]): Promise<string> {
        const key = `${runtime.name} ${image}`;
        const running = this.#pulls.get(key);
        if (running !== undefined) return running;
        const pull = runtime.pull(image, credentials).finally(() => this.#pulls.delete(key));
        this.#pulls.set(key, pull);
        return pull;
    }
}

/** The registry logins of the pod's imagePullSecrets that fit none, one or many registries. */
async function pullCredentials(
    pod: Pod,
    lookup: (type: string, namespace: string | undefined, name: string) => Promise<KubeObject>,
): Promise<readonly PullCredentials[]> {
    const all: PullCredentials[] = [];
    for (const { name } of pod.spec.imagePullSecrets ?? []) {
        const secret = await lookup("secret", pod.metadata.namespace, name ?? "").catch((thrown: unknown) => {
            if (isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER")) return undefined;
            throw thrown;
        });
        if (secret !== undefined) all.push(...credentialsOf(secret));
    }
    return all;
}

/** Reads kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg. */
export function credentialsOf(secret: KubeObject): readonly PullCredentials[] {
    const data = dataOf(secret);
    const text = data.get(".dockerconfigjson") ?? data.get(".dockercfg");
    if (text === undefined) return [];
    let parsed: unknown;
    try {
        parsed = JSON.parse(text.toString("utf8"));
    } catch (thrown) {
        const resource = `${secret.metadata.namespace ?? ""}/secret/${secret.metadata.name}`;
        throw new RedgeError("REDGE_EDGED_OBJECT_INVALID", { resource, reason: errorText(thrown) });
    }
    const auths = ((parsed as { auths?: unknown }).auths ?? parsed) as Record<
        string,
        { username?: string; password?: string; auth?: string }
    >;
    return Object.entries(auths).flatMap(([serverAddress, entry]) => {
        const [user, ...rest] = Buffer.from(entry.auth ?? "", "base64")
            .toString("utf8")
            .split(":");
        const username = entry.username ?? user ?? "";
        const password = entry.password ?? rest.join(":");
        return username === "" ? [] : [{ username, password, serverAddress }];
    });
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const HOST = "(?:[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])(?::\\d+)?";
const REFERENCE = new RegExp(
    `^(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*(?::[\\w][\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z0-9]+)*:[0-9A-Fa-f]{32,})?$`,
);

/** Whether an image's name is one: [host[:port]/]path[:tag][@digest]. An image's id is none to Kubernetes. */
export function isReference(image: string): boolean {
    return REFERENCE.test(image);
}

/** The host part of an image's name, docker.io when it has none. */
export function registryOf(image: string): string {
    const [first = "", ...rest] = image.split("/");
    return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

/** The logins to try for an image, fitting ones only. */
export function credentialsFor(image: string, all: readonly PullCredentials[]): readonly PullCredentials[] {
    const registry = registryOf(image);
    return all.filter(({ serverAddress }) => {
        const host = serverAddress.replace(/^https?:\/\//, "").split("/")[0] ?? "";
        return host === registry || (registry === "docker.io" && /(^|\.)docker\.(io|com)$/.test(host));
    });
}
