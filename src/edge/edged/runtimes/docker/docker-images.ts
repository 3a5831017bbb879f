// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import { errorText, RedgeError } from "../../../../core/errors/redge-error.ts";
import type { ImageRecord, PullCredentials } from "../runtime.ts";
import { engineCall, isStatus } from "./docker-errors.ts";
import { PAUSE_IMAGE } from "./pause-image.ts";

/** Without a tag the engine would pull every tag there is. */
export function imageWithTag(image: string): string {
    return /[:@][^/]+$/.test(image) ? image : `${image}:latest`;
}

/** Pulls with each login in turn, without one when there is none. Answers the image's id. @throws REDGE_RUNTIME_IMAGE */
export async function pullImage(
    docker: Docker,
    image: string,
    credentials: readonly PullCredentials[],
): Promise<string> {
    const name = imageWithTag(image);
    let failure: unknown;
    for (const login of credentials.length === 0 ? [undefined] : credentials) {
        try {
            await pullOnce(docker, name, login);
            return (await docker.getImage(name).inspect()).Id;
        } catch (thrown) {
            failure = thrown;
        }
    }
    throw new RedgeError("REDGE_RUNTIME_IMAGE", { image, reason: errorText(failure) }, failure);
}

async function pullOnce(docker: Docker, name: string, login: PullCredentials | undefined): Promise<void> {
    const authconfig = login && {
        username: login.username,
        password: login.password,
        serveraddress: login.serverAddress,
    };
    const stream = (await docker.pull(name, authconfig === undefined ? {} : { authconfig })) as NodeJS.ReadableStream;
    await new Promise<void>((resolve, reject) => {
        docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
    });
}

export async function listImages(docker: Docker): Promise<readonly ImageRecord[]> {
    const [images, containers] = await engineCall("the list of images", () =>
        Promise.all([docker.listImages(), docker.listContainers({ all: true })]),
    );
    const used = new Set(containers.map(({ ImageID }) => ImageID));
    return images.map(({ Id, RepoTags, RepoDigests, Size }) => ({
        id: Id,
        names: [...(RepoDigests ?? []), ...(RepoTags ?? [])].filter((name) => !name.includes("<none>")),
        sizeBytes: Size,
        inUse: used.has(Id) || (RepoTags ?? []).includes(PAUSE_IMAGE),
    }));
}

/** The engine takes an image of several names only name by name. */
export async function removeImage(docker: Docker, id: string): Promise<void> {
    await engineCall(`removal of image ${id}`, async () => {
        const info = await docker.getImage(id).inspect().catch(isStatus(404));
        const names = [...(info?.RepoTags ?? []), ...(info?.RepoDigests ?? [])];
        // With its last name the image goes too.
        for (const name of names) await docker.getImage(name).remove().catch(isStatus(404));
        await docker.getImage(id).remove().catch(isStatus(404));
    });
}
