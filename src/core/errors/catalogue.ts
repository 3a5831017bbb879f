// SPDX-License-Identifier: Apache-2.0
import { cliErrors } from "./areas/cli.ts";
import { cloudErrors } from "./areas/cloud.ts";
import { deviceErrors } from "./areas/devices.ts";
import { edgedErrors } from "./areas/edged.ts";
import { envelopeErrors } from "./areas/envelope.ts";
import { identityErrors } from "./areas/identity.ts";
import { kubeErrors } from "./areas/kube.ts";
import { linkErrors } from "./areas/link.ts";
import { nodeErrors } from "./areas/nodes.ts";
import { storeErrors } from "./areas/store.ts";
import { streamErrors } from "./areas/stream.ts";

/** One documented error. `{name}` places are filled from RedgeError's details. */
export interface ErrorEntry {
    /** What happened, in one sentence without a full stop. */
    readonly message: string;
    /** Why it happens. */
    readonly cause: string;
    /** What the reader can do about it. */
    readonly remedy: string;
}

/**
 * Every error Redge throws, by code `REDGE_<AREA>_<CAUSE>`; docs/errors.md is made from it.
 * A code that is no longer thrown is removed here and its name is not used again for something else.
 */
export const catalogue = {
    ...cliErrors,
    ...cloudErrors,
    ...deviceErrors,
    ...edgedErrors,
    ...envelopeErrors,
    ...identityErrors,
    ...kubeErrors,
    ...linkErrors,
    ...nodeErrors,
    ...storeErrors,
    ...streamErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof catalogue;
