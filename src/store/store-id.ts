// SPDX-License-Identifier: Apache-2.0

/**
 * Key of the record that names what a store holds. Whoever loses records of it (damage, a lost key) deletes this one:
 * the store gets another name, and the cloud, which counts what a node has by that name, sends everything again.
 */
export const STORE_ID = "store-id";
