// SPDX-License-Identifier: Apache-2.0

/** Who asks. */
export interface User {
    readonly name: string;
    readonly groups: readonly string[];
    readonly uid?: string | undefined;
}

export const MASTERS = "system:masters";
export const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export function authenticated(name: string, groups: readonly string[]): User {
    return { name, groups: [...groups, "system:authenticated"] };
}

/** What somebody wants to do, in the terms of RBAC. */
export interface Attributes {
    readonly user: User;
    readonly verb: string;
    readonly group: string;
    /** "pods" or, for subresources, "pods/log". Undefined for paths outside the API. */
    readonly resource: string | undefined;
    readonly namespace: string | undefined;
    readonly name: string | undefined;
    readonly path: string;
}

export interface Authorizer {
    /** Resolves to the reason of a refusal, undefined when it is allowed. */
    refuse(attributes: Attributes): Promise<string | undefined>;
}
