// SPDX-License-Identifier: Apache-2.0

export interface SiteSummary {
    readonly cloudEditor: string;
    readonly edgeEditor: string;
    readonly user: string;
    readonly password: string;
    readonly kubeconfig: string;
    readonly nodeName: string;
    readonly demo: boolean;
    readonly seconds: number;
}

/** What a newcomer reads once everything is up. */
export function siteSummary(site: SiteSummary): string {
    const setPoint = `kubectl patch device boiler --type json -p '[{"op":"replace","path":"/spec/properties/1/desired/value","value":"70"}]'`;
    const commands = site.demo
        ? ["kubectl get nodes", "kubectl get devicestatus boiler -o yaml -w", setPoint]
        : ["kubectl get nodes", "kubectl get pods -A -w", "kubectl apply -f examples/workloads/hello-flow.yaml"];
    return [
        "",
        `Redge is ready (${site.seconds.toFixed(1)} s).`,
        "",
        `  cloud editor   ${site.cloudEditor}`,
        `  edge editor    ${site.edgeEditor}   node ${site.nodeName}`,
        `  log in as      ${site.user}   password ${site.password}`,
        "",
        "  In another shell:",
        `    export KUBECONFIG=${site.kubeconfig}`,
        ...commands.map((command) => `    ${command}`),
        "",
        "  Ctrl-C stops the site; `npm start` finds everything as it was.",
        "",
        "",
    ].join("\n");
}
