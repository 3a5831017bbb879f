// SPDX-License-Identifier: Apache-2.0
import type { Command } from "../command.ts";
import { cloudCommand } from "./cloud.ts";
import { edgeCommand } from "./edge.ts";
import { kubectlCommand } from "./kubectl.ts";
import { rotateKeyCommand } from "./rotate-key.ts";
import { siteCommand } from "./site.ts";
import { tokenCommand } from "./token.ts";

/** Every command, in the order of the overview. */
export const commands: readonly Command[] = [
    siteCommand,
    cloudCommand,
    edgeCommand,
    tokenCommand,
    kubectlCommand,
    rotateKeyCommand,
];
