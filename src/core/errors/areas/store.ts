// SPDX-License-Identifier: Apache-2.0

/** The document store. */
export const storeErrors = {
    REDGE_STORE_NEWER: {
        message: "The store {path} was written by a newer version (format {found}, this version reads up to {known})",
        cause: "An older Redge was started on data of a newer one.",
        remedy: "Start the newer version again, or restore the backup that was made before the update.",
    },
    REDGE_STORE_LOCKED: {
        message: "The store {path} is in use by process {pid}",
        cause: "Another Redge process has this store open; a store has one writer.",
        remedy: "Stop process {pid}, or give this one another store path.",
    },
    REDGE_STORE_FULL: {
        message: "There is no space left for the store {path}",
        cause: "The disk or the quota is full. The write was refused whole; what was stored before is untouched.",
        remedy: "Free space on that disk. Writing works again at once, no restart is needed.",
    },
    REDGE_STORE_IO: {
        message: "The store {path} could not be read or written: {reason}",
        cause: "The disk or the file system reports an error, or something else changed the file.",
        remedy: "Check the disk and the permissions of the file. The write was not applied and may be tried again.",
    },
    REDGE_STORE_CLOSED: {
        message: "The store {path} is closed",
        cause: "It was used after it had been closed.",
        remedy: "This is a defect: please report it with the lines that stand before it in the log.",
    },
    REDGE_STORE_VALUE: {
        message: 'The value of "{key}" cannot be stored: {reason}',
        cause: "Only JSON values can be stored.",
        remedy: "Give a value that JSON can express: no undefined, function, bigint or cycle.",
    },
    REDGE_STORE_ENGINE: {
        message: "The store engine {engine} does not work here: {reason}",
        cause: "sqlite needs Node.js 22.5 or newer, built with node:sqlite.",
        remedy: 'Choose the engine "nedb", or run a newer Node.js.',
    },
    REDGE_STORE_KEY: {
        message: "{where} is no key of a store: {reason}",
        cause: "A key is 32 random bytes, written as 64 hexadecimal digits or as base64.",
        remedy: "Make one with `openssl rand -hex 32`. A key that was in force before goes into REDGE_STORE_KEY_PREVIOUS.",
    },
    REDGE_STORE_SEALED: {
        message: "{records} secret records of the store cannot be opened with the key that is here",
        cause: "The key was lost or replaced, or the records were damaged or moved between stores.",
        remedy: "Nothing, when there is a link: they are set aside and the cloud sends them again. Without a link put the old key back (REDGE_STORE_KEY_PREVIOUS, or its line into the key file) and restart.",
    },
} as const;
