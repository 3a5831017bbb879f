// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../kube/types.ts";
import { isNewer } from "../shared/versions.ts";

/**
 * Tells a status the edge wrote itself from one that somebody else wrote. The edge learns its own by the reply to its
 * patch, so pushing it again would only echo; another's must be pushed, since the edge's next patch is a difference to
 * what it knows (the node controller's "Unknown" would stay for ever otherwise).
 */
export class EchoGuard {
    readonly #states = new Map<string, { patching: number; told: string | undefined; held: KubeObject | undefined }>();

    /** A patch by the edge begins. */
    begin(key: string): void {
        const state = this.#states.get(key) ?? { patching: 0, told: undefined, held: undefined };
        state.patching += 1;
        this.#states.set(key, state);
    }

    /** The patch has ended and the edge was told `version`. Returns a newer state that came meanwhile: push that. */
    end(key: string, version: string | undefined): KubeObject | undefined {
        const state = this.#states.get(key);
        if (state === undefined) return undefined;
        state.patching -= 1;
        if (isNewer(version, state.told)) state.told = version;
        const { held } = state;
        // Names come and go by the thousand: of a patch that told the edge nothing, nothing is kept.
        if (state.patching === 0 && state.told === undefined) this.#states.delete(key);
        if (state.patching > 0 || held === undefined) return undefined;
        state.held = undefined;
        return isNewer(held.metadata.resourceVersion, state.told) ? held : undefined;
    }

    /** True when this state is, or may yet turn out to be, what the edge wrote. */
    holdsBack(key: string, object: KubeObject): boolean {
        const state = this.#states.get(key);
        if (state === undefined) return false;
        if (!isNewer(object.metadata.resourceVersion, state.told)) return true;
        if (state.patching === 0) return false;
        state.held = object;
        return true;
    }

    /** Things something is remembered of. */
    get size(): number {
        return this.#states.size;
    }

    forget(key: string): void {
        this.#states.delete(key);
    }
}
