// SPDX-License-Identifier: Apache-2.0

/** EdgeController, DeviceController and CloudStream. */
export const cloudErrors = {} as const;
