// SPDX-License-Identifier: Apache-2.0
export function checkFlow(
    name: string,
    nodes: readonly object[],
    known: ReadonlySet<string>,
    links: ReadonlySet<string>,
): string[];
