// SPDX-License-Identifier: Apache-2.0
import { containerSuite } from "../support/container-suite.ts";
import { dockerPart } from "../support/docker.ts";
import { realKube } from "../support/kube.ts";
import { createRealSite } from "../support/real-site.ts";
import { registryParts } from "../support/registry.ts";
import { describeWith, program } from "../support/requires.ts";
import { siteSuite } from "../support/site-suite.ts";

describeWith(
    [program("kubectl"), realKube],
    "a site with the real API server, scheduler and controller manager",
    () => {
        siteSuite(() => createRealSite());
    },
);

describeWith(
    [program("kubectl"), realKube, dockerPart, ...registryParts],
    "containers with the real API server, scheduler and controller manager",
    () => {
        containerSuite((env) => createRealSite(env), { ephemeralContainers: false });
    },
);
