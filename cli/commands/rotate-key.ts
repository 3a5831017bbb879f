// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { rotateKeyFile } from "../../src/store/key-ring.ts";
import { type Command, readOptions } from "../command.ts";
import { edgeFolder, redgeHome } from "../host/environment.ts";

export const rotateKeyCommand: Command = {
    name: "rotate-key",
    summary: "gives this gateway's store a new key for its secret records",
    help: `redge rotate-key

Makes a new key for the Secrets and tokens in this gateway's store. It takes effect when the gateway is started next:
every secret record is then written again with it, and the old key is removed.

A key that was given to the gateway (REDGE_STORE_KEY) is replaced by giving another one and, for one start, the old one
in REDGE_STORE_KEY_PREVIOUS.

Options:
  --key-file FILE   the key file (default: identity/store.key in this home's edge folder)
  -h, --help        this text
`,
    async run(args) {
        const options = readOptions(args, { "key-file": { type: "string" } });
        const file = options["key-file"] ?? join(edgeFolder(redgeHome()), "identity", "store.key");
        await rotateKeyFile(file);
        process.stdout.write(`A new key is in ${file}. Restart the gateway to put it in force.\n`);
        return 0;
    },
};
