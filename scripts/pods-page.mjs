// SPDX-License-Identifier: Apache-2.0
// Writes docs/pods.md from the table of pod fields.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const { podsPage } = createRequire(import.meta.url)(join(root, "dist/src/edge/edged/podspec/page.js"));
writeFileSync(join(root, "docs/pods.md"), podsPage());
