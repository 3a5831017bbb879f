// SPDX-License-Identifier: Apache-2.0
export { VirtualMapper, type VirtualMapperConfig, virtualMapperConfig } from "./mapper.ts";
