// SPDX-License-Identifier: Apache-2.0
import { containerSuite } from "../support/container-suite.ts";
import { dockerPart } from "../support/docker.ts";
import { registryParts } from "../support/registry.ts";
import { describeWith, program } from "../support/requires.ts";
import { TestSite } from "../support/site.ts";
import { siteSuite } from "../support/site-suite.ts";

describeWith([program("kubectl")], "a site with the embedded API server", () => {
    siteSuite(() => TestSite.create());
});

describeWith([program("kubectl"), dockerPart, ...registryParts], "containers with the embedded API server", () => {
    containerSuite((env) => TestSite.create(env), { ephemeralContainers: true });
});
