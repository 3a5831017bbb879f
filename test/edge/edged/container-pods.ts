// SPDX-License-Identifier: Apache-2.0
import { careOfTheEngine } from "./container-pods/care-of-the-engine.ts";
import { courseOfContainers } from "./container-pods/course-of-containers.ts";
import { processesAndRuntimes } from "./container-pods/processes-and-runtimes.ts";
import { type EngineUnderTest, engineSuite } from "./container-pods/suite.ts";
import { whatPodsHave } from "./container-pods/what-pods-have.ts";

/** What pods do on a real engine, whichever. To be called inside a `describe`. */
export function containerPods(make: () => Promise<EngineUnderTest>): void {
    const suite = engineSuite(make);
    whatPodsHave(suite);
    courseOfContainers(suite);
    careOfTheEngine(suite);
    processesAndRuntimes(suite);
}
