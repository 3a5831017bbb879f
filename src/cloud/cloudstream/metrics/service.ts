// SPDX-License-Identifier: Apache-2.0
import { createSecureContext, type SecureContext } from "node:tls";
import type { Clock } from "../../../core/clock.ts";
import { KUBEEDGE_NAMESPACE } from "../../../link/identity/join-token.ts";
import { keyPem, newKey } from "../../../link/identity/key-pair.ts";
import { createCertificate, toPem } from "../../../link/identity/x509.ts";

/** The Service by which an API server finds metrics.k8s.io. */
export const METRICS_SERVICE = { namespace: KUBEEDGE_NAMESPACE, name: "redge-metrics" } as const;
/** The name that API servers expect in the certificate behind it. */
export const METRICS_HOST = `${METRICS_SERVICE.name}.${METRICS_SERVICE.namespace}.svc`;

const DAY_MS = 86_400_000;
const LIFETIME_MS = 3650 * DAY_MS;

export interface ServiceCertificate {
    readonly certPem: string;
    readonly context: SecureContext;
}

/**
 * A certificate of that name for this run of the process: the API server is told of it with everything else, so nothing of
 * it has to be kept, and the one that gateways know (which an operator may have brought) stays as it is.
 */
export function serviceCertificate(clock: Clock): ServiceCertificate {
    const { key, spkiDer } = newKey();
    const notBeforeMs = clock.nowMs() - DAY_MS;
    const der = createCertificate({
        subject: [["CN", METRICS_HOST]],
        spkiDer,
        notBeforeMs,
        notAfterMs: notBeforeMs + LIFETIME_MS,
        extendedKeyUsages: ["serverAuth"],
        signingKey: key,
        hosts: [METRICS_HOST],
    });
    const certPem = toPem("CERTIFICATE", der);
    return { certPem, context: createSecureContext({ cert: certPem, key: keyPem(key) }) };
}
