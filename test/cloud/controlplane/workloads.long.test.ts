// SPDX-License-Identifier: Apache-2.0
import { ControlPlaneControllers } from "../../../src/cloud/controlplane/controllers/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { startEmbedded } from "../../support/embedded.ts";
import { kubectl, realKube, startRealKube } from "../../support/kube.ts";
import { describeWith } from "../../support/requires.ts";
import { type Site, workloadSuite } from "./workloads-suite.ts";

const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

describeWith([realKube, kubectl], "workloads on a real Kubernetes control plane", () => {
    workloadSuite(async (): Promise<Site> => {
        const kube = await startRealKube();
        const cluster = createKubeClient(kube.connection, ports);
        return {
            cluster,
            kubeconfig: kube.kubeconfig,
            stop: async () => {
                await cluster.close();
                await kube.stop();
            },
        };
    });
});

describeWith([realKube, kubectl], "workloads of our controllers on a real API server", () => {
    workloadSuite(async (): Promise<Site> => {
        const kube = await startRealKube({ scheduler: false, controllers: false });
        const cluster = createKubeClient(kube.connection, ports);
        const controllers = new ControlPlaneControllers({ caPem: kube.connection.caPem }, { ...ports, cluster });
        await controllers.start();
        return {
            cluster,
            kubeconfig: kube.kubeconfig,
            stop: async () => {
                await controllers.stop();
                await cluster.close();
                await kube.stop();
            },
        };
    });
});

describeWith([kubectl], "workloads on the embedded control plane", () => {
    workloadSuite(async (): Promise<Site> => {
        const embedded = await startEmbedded();
        const cluster = createKubeClient(embedded.connection, ports);
        return {
            cluster,
            kubeconfig: embedded.kubeconfig,
            stop: async () => {
                await cluster.close();
                await embedded.stop();
            },
        };
    });
});
