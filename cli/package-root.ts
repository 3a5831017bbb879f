// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder that holds package.json, cloud-flows/, settings/ …, whether this runs from dist/ or from the sources. */
export const packageRoot = findRoot(__dirname);

function findRoot(folder: string): string {
    if (existsSync(join(folder, "cloud-flows"))) return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("the package is not complete: cloud-flows/ is missing");
    return findRoot(parent);
}
