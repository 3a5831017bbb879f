// SPDX-License-Identifier: Apache-2.0

/** A difference between the real API server (1.20) and ours that we want, and why. */
export interface Meant {
    readonly call: RegExp;
    readonly path: RegExp;
    readonly reason: string;
}

const any = /./;
const WORDS = /^body\.(message|details\.causes\.\d+\.message)$/;

export const meant: readonly Meant[] = [
    { call: any, path: /^body\.columnDefinitions\.\d+\.description$/, reason: "texts that no client shows" },
    { call: any, path: /^body\.items\.\d+\.(apiVersion|kind)$/, reason: "said again in items: helps readers" },
    {
        call: any,
        path: /^body\.columnDefinitions\.\d+\.type$/,
        reason: "only used to align; counts are numbers with us",
    },
    { call: /pod/i, path: /^body\.rows\.0\.cells\.3$/, reason: "restarts are a text since 1.22" },

    { call: any, path: /metadata\.generation$/, reason: "pods and jobs have one since 1.33" },
    {
        call: any,
        path: /spec\.serviceAccount(Name)?$/,
        reason: "the real server runs without the admission that sets it",
    },
    { call: any, path: /metadata\.labels$/, reason: "kubernetes.io/metadata.name since 1.21" },
    { call: any, path: /spec\.(internalTrafficPolicy|ipFamilies|ipFamilyPolicy)$/, reason: "Services since 1.22" },
    { call: /Job/, path: /spec\.(completionMode|suspend|manualSelector)$/, reason: "Jobs since 1.24" },
    { call: /Job/, path: /(controller-uid|job-name)$/, reason: "prefixed with batch.kubernetes.io/ since 1.27" },
    { call: /table of jobs/, path: /^body\.(columnDefinitions|rows)\./, reason: "a status column since 1.31" },

    { call: /bad name|bad key|bad labels|what may not change/, path: WORDS, reason: "a shorter explanation" },
    { call: /wrong type|not base64|of another kind|no object/, path: WORDS, reason: "speaks of JSON, not of Go" },
    { call: /selector/, path: WORDS, reason: "the value as JSON, not as Go; what is wrong with a label selector" },
    { call: /continue token/, path: WORDS, reason: "the token is opaque: no word about its inside" },
    {
        call: /a JSON patch/,
        path: /^body\.(message|details)$/,
        reason: "says which step failed, and on what",
    },
    { call: /no known type/, path: /^body\.message$/, reason: "says which types are known" },
    {
        call: /another uid/,
        path: /^(code|body\.(code|reason|message|details\..*))$/,
        reason: "a lost precondition is a Conflict, as with PUT",
    },
    { call: /second binding/, path: /^body\.(message|details\.kind)$/, reason: "names the pod" },
    {
        call: /a resourceVersion/,
        path: /^(code|body\.(code|reason))$/,
        reason: "the client's mistake, not the server's",
    },
    { call: /path that is not served/, path: /^body\./, reason: "a Status says why; the real one lists its paths" },
    {
        call: /table of daemonsets/,
        path: /metadata\.annotations$/,
        reason: "the template's count is an annotation in every view",
    },
    { call: /bad taint/, path: /^body\.(message|details\.causes\.)/, reason: "once, at the place in the object" },

    {
        call: /a Node|a cordon/,
        path: /^body\.spec(\.taints)?$/,
        reason: "our node controller adds the taint, not the API server",
    },
    { call: /a pod without a node/i, path: /metadata\.deletionTimestamp$/, reason: "it is gone at once" },
    { call: /a deletion at once/, path: /deletionGracePeriodSeconds$/, reason: "shows the object as it was last" },
];
