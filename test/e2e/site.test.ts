// SPDX-License-Identifier: Apache-2.0
import { describeWith, program } from "../support/requires.ts";
import { TestSite } from "../support/site.ts";
import { siteSuite } from "../support/site-suite.ts";

describeWith([program("kubectl")], "a site with the embedded API server", () => {
    siteSuite(() => TestSite.create());
});
