// SPDX-License-Identifier: Apache-2.0
export { type AttachOptions, type ExecOptions, RemoteCommandServer, type RemoteCommandTarget } from "./server.ts";
