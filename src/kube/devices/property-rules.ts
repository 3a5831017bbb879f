// SPDX-License-Identifier: Apache-2.0

/** What cloud and gateway must read alike of a Device's properties and their values (docs/devices.md). */

/**
 * Whether a property, or the state, is reported to the cloud: unless `reportToCloud` says false. KubeEdge's edge core
 * passes on whatever it is told and never asks; only its mappers take an absent one for false.
 */
export function isReported(reportToCloud: unknown): boolean {
    return reportToCloud !== false;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether the text is a value of type BYTES: base64 with padding (RFC 4648, section 4). */
export function isBase64(text: string): boolean {
    return BASE64.test(text);
}

/** Letters of any script, digits and the punctuation KubeEdge allows, and blanks. */
const PROPERTY_NAME = /^[\p{L}\p{N}\-_.,:/@# ]{1,128}$/u;

/** Whether a property, which is a key of a twin, may be called so. */
export function isPropertyName(name: string): boolean {
    return PROPERTY_NAME.test(name);
}

/** KubeEdge stops at 512 characters of a small set; any text up to this many bytes of UTF-8 is a value here. */
export const MAX_VALUE_BYTES = 64 * 1024;
