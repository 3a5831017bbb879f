// SPDX-License-Identifier: Apache-2.0
import { Operation } from "../../../envelope/envelope.ts";
import { insertSigningRequest, querySigningRequest } from "./certificates.ts";
import { insertEvent, patchEvent, updateEvent } from "./events.ts";
import type { Handler } from "./handler.ts";
import { insertLease, queryLease, updateLease } from "./leases.ts";
import { insertNode, patchNode, queryNode, updateNode, updateNodeStatus } from "./nodes.ts";
import { deletePod, insertPod, patchPod, updatePodStatus } from "./pods.ts";
import {
    queryAttachment,
    queryClaim,
    queryConfigMap,
    queryRuntimeClass,
    querySecret,
    queryVolume,
    requestToken,
} from "./queries.ts";

const { insert, update, patch, query, delete: remove } = Operation;

/** Every request and report of an edge node by type and operation (wire protocol, section 5.3). */
export const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
    [`node ${insert}`, insertNode],
    [`node ${query}`, queryNode],
    [`node ${update}`, updateNode],
    [`nodepatch ${patch}`, patchNode],
    [`nodestatus ${insert}`, updateNodeStatus],
    [`nodestatus ${update}`, updateNodeStatus],
    [`lease ${query}`, queryLease],
    [`lease ${insert}`, insertLease],
    [`lease ${update}`, updateLease],
    [`pod ${insert}`, insertPod],
    [`pod ${remove}`, deletePod],
    [`podpatch ${patch}`, patchPod],
    [`podstatus ${update}`, updatePodStatus],
    [`configmap ${query}`, queryConfigMap],
    [`secret ${query}`, querySecret],
    [`serviceaccounttoken ${query}`, requestToken],
    [`persistentvolume ${query}`, queryVolume],
    [`persistentvolumeclaim ${query}`, queryClaim],
    [`volumeattachment ${query}`, queryAttachment],
    [`runtimeclass ${query}`, queryRuntimeClass],
    [`certificatesigningrequest ${insert}`, insertSigningRequest],
    [`certificatesigningrequest ${query}`, querySigningRequest],
    [`event ${insert}`, insertEvent],
    [`event ${update}`, updateEvent],
    [`event ${patch}`, patchEvent],
]);
