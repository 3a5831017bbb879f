// SPDX-License-Identifier: Apache-2.0

/** The document store. */
export const storeErrors = {
    REDGE_STORE_NEWER: {
        message: "The store {path} was written by a newer version (format {found}, this version reads up to {known})",
        cause: "An older Redge was started on data of a newer one.",
        remedy: "Start the newer version again, or restore the backup that was made before the update.",
    },
} as const;
