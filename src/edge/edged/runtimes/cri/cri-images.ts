// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../../../../core/errors/redge-error.ts";
import { credentialsFor } from "../../pods/images.ts";
import type { ContainerSpec, ImageRecord, PullCredentials } from "../runtime.ts";
import type { Message } from "./codec.ts";
import type { CriClient } from "./cri-client.ts";
import { type CriContainer, toImages } from "./cri-messages.ts";

/** The image service of a CRI engine (runtime.v1.ImageService). */
export class CriImages {
    readonly #client: CriClient;

    constructor(client: CriClient) {
        this.#client = client;
    }

    /** Undefined when it is not here. */
    async id(image: string): Promise<string | undefined> {
        const answer = await this.#client.call(
            "ImageStatus",
            ["ImageRequest", { image: { image } }],
            "ImageStatusResponse",
        );
        return (answer["image"] as { id?: string } | undefined)?.id;
    }

    async pull(image: string, credentials: readonly PullCredentials[]): Promise<string> {
        const logins = credentialsFor(image, credentials);
        let failure: unknown;
        for (const login of logins.length === 0 ? [undefined] : logins) {
            const auth = login && {
                username: login.username,
                password: login.password,
                server_address: login.serverAddress,
            };
            const request: Message = { image: { image }, ...(auth === undefined ? {} : { auth }) };
            try {
                const answer = await this.#client.call(
                    "PullImage",
                    ["PullImageRequest", request],
                    "PullImageResponse",
                    600_000,
                );
                return String(answer["image_ref"]);
            } catch (thrown) {
                failure = thrown;
            }
        }
        throw new RedgeError("REDGE_RUNTIME_IMAGE", { image, reason: errorText(failure) }, failure);
    }

    /** `kept`: images that are in use though no container says so. */
    async list(kept: readonly string[]): Promise<readonly ImageRecord[]> {
        const answer = await this.#client.call("ListImages", ["Empty", {}], "ListImagesResponse");
        const all = await this.#client.call("ListContainers", ["ListContainersRequest", {}], "ListContainersResponse");
        const used = (all["containers"] as readonly CriContainer[]).map(({ image_ref }) => image_ref);
        return toImages(answer, new Set([...used, ...kept]));
    }

    async remove(id: string): Promise<void> {
        await this.#client.call("RemoveImage", ["ImageRequest", { image: { image: id } }], "Empty");
    }

    /** The folder the images lie in. */
    async folder(): Promise<string | undefined> {
        const answer = await this.#client.call("ImageFsInfo", ["Empty", {}], "ImageFsInfoResponse");
        const [first] = answer["image_filesystems"] as readonly { fs_id?: { mountpoint: string } }[];
        return first?.fs_id?.mountpoint;
    }

    /** @throws REDGE_RUNTIME_ROOT_USER for a container that must not run as root and would */
    async checkUser({ pod, container, imageId }: ContainerSpec): Promise<void> {
        const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot;
        if (nonRoot !== true) return;
        const set = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
        const answer = await this.#client.call(
            "ImageStatus",
            ["ImageRequest", { image: { image: imageId } }],
            "ImageStatusResponse",
        );
        const uid = set ?? (answer["image"] as { uid?: { value: number } } | undefined)?.uid?.value ?? 0;
        if (uid === 0) throw new RedgeError("REDGE_RUNTIME_ROOT_USER", { container: container.name });
    }
}
