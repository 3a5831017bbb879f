// SPDX-License-Identifier: Apache-2.0
import type { Envelope } from "../../../envelope/envelope.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { Authorizer } from "../authorizer.ts";
import type { NodeAddress } from "../node-address.ts";
import type { Request } from "../request.ts";

/** What handlers work with. */
export interface Tools {
    readonly cluster: KubeClient;
    readonly authorizer: Authorizer;
    readonly address: NodeAddress;
    readonly cloudAddress: string;
    /** The newest known Node, from the informer. */
    readonly knownNode: (name: string) => KubeObject | undefined;
    /** Runs a status patch of `key`, so that its own echo is not pushed to the edge again. */
    readonly patching: (key: string, patch: () => Promise<KubeObject>) => Promise<KubeObject>;
    /** Pushes a delete for a pod the edge still reports on but that is gone. */
    readonly pushPodDelete: (request: Request, uid: string | undefined) => void;
}

export interface Handler {
    /** Resolves with the reply, if there is one. */
    readonly run: (request: Request, tools: Tools) => Promise<Envelope | undefined>;
    /**
     * How the edge hears of a failure. object: ObjectResp with Err. query: operation `error` with text.
     * none: it gets no reply, so a failure is the sender's: `receive` rejects.
     */
    readonly onFailure: "object" | "query" | "none";
    /** Messages with the same key are handled in the order they came. Absent: the resource. */
    readonly orderBy?: (request: Request) => string;
}
