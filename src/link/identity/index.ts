// SPDX-License-Identifier: Apache-2.0
export { CloudAuthority, type CloudAuthorityConfig, cloudAuthorityConfig } from "./cloud-authority.ts";
export { EdgeCredentials, type EdgeCredentialsConfig, edgeCredentialsConfig } from "./edge-credentials.ts";
export { createJoinToken } from "./join-token.ts";
export type { CloudIdentity, EdgeIdentity, JoinTokenRequest, TlsMaterial } from "./ports.ts";
export { revokeJoinToken } from "./token-records.ts";
