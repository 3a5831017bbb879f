// SPDX-License-Identifier: Apache-2.0
import { dockerPart } from "../support/docker.ts";
import { realKube } from "../support/kube.ts";
import { createRealSite } from "../support/real-site.ts";
import { describeWith, program } from "../support/requires.ts";
import { TestSite } from "../support/site.ts";
import { streamsSuite } from "../support/streams-suite.ts";

const parts = [program("kubectl"), program("script"), dockerPart];

describeWith(parts, "kubectl and a pod at the edge", () => {
    streamsSuite((env) => TestSite.create(env));
});

describeWith([...parts, realKube], "kubectl and a pod at the edge, with the real API server", () => {
    streamsSuite((env) => createRealSite({ ...env, REDGE_METRICS_API: "on" }));
});
