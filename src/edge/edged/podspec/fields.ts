// SPDX-License-Identifier: Apache-2.0

/** Which kind of pod: containers of an engine, a flow in the gateway's Node-RED, a flow in a runtime of its own. */
export type PodKind = "container" | "flow" | "isolated";

/** done: honoured here. elsewhere: the API server or the scheduler acts on it, nothing is left for the node. */
export type FieldAnswer = "done" | "elsewhere" | "refused";

export interface FieldRule {
    readonly container: FieldAnswer;
    /** For flow pods, where it differs. */
    readonly flow?: FieldAnswer;
    /** For flow pods in a runtime of their own, where it differs from `flow`. */
    readonly isolated?: FieldAnswer;
    /** Only these values. */
    readonly only?: readonly string[];
    /** Everything below the field is covered by this row. */
    readonly whole?: boolean;
    /** For people: what happens, or why not. */
    readonly why?: string;
}

const done = (why?: string): FieldRule => ({ container: "done", ...(why === undefined ? {} : { why }) });
const whole = (why?: string): FieldRule => ({ ...done(why), whole: true });
const elsewhere = (why: string): FieldRule => ({ container: "elsewhere", whole: true, why });
const refused = (why: string): FieldRule => ({ container: "refused", whole: true, why });
/** Honoured for containers, meaningless for a flow. */
const noFlow = (why: string, more: Partial<FieldRule> = {}): FieldRule => ({
    container: "done",
    flow: "refused",
    why,
    ...more,
});
const only = (values: readonly string[], why?: string): FieldRule => ({ ...done(why), only: values });

const PROCESS = "a flow has no process of its own";
const CLOUD_DISK = "use hostPath, emptyDir or an API object; network storage is not mounted at the edge";

const HANDLER = (at: string): Record<string, FieldRule> => ({
    [at]: done(),
    [`${at}.exec`]: noFlow(PROCESS, { whole: true }),
    [`${at}.httpGet`]: whole(),
    [`${at}.tcpSocket`]: whole(),
});

const PROBE = (at: string): Record<string, FieldRule> => ({
    ...HANDLER(at),
    [`${at}.grpc`]: whole(),
    [`${at}.initialDelaySeconds`]: done(),
    [`${at}.timeoutSeconds`]: done(),
    [`${at}.periodSeconds`]: done(),
    [`${at}.successThreshold`]: done(),
    [`${at}.failureThreshold`]: done(),
    [`${at}.terminationGracePeriodSeconds`]: at.endsWith("readinessProbe")
        ? refused("a readiness probe ends nothing")
        : done("instead of the pod's own when the probe ends the container"),
});

const CONTAINER = (at: string): Record<string, FieldRule> => ({
    [`${at}`]: done(),
    [`${at}[]`]: done(),
    [`${at}[].name`]: done(),
    [`${at}[].image`]: { ...done("pulled by imagePullPolicy"), flow: "done" },
    [`${at}[].imagePullPolicy`]: only(["Always", "IfNotPresent", "Never"], "nothing is pulled for a flow"),
    [`${at}[].command`]: noFlow(PROCESS, { whole: true }),
    [`${at}[].args`]: noFlow(PROCESS, { whole: true }),
    [`${at}[].workingDir`]: noFlow(PROCESS),
    [`${at}[].ports`]: whole("hostPort is published; a flow listens on the gateway itself"),
    [`${at}[].env`]: whole("values, configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef"),
    [`${at}[].envFrom`]: whole(),
    [`${at}[].resources`]: done(),
    [`${at}[].resources.requests`]: whole("CPU shares, admission"),
    [`${at}[].resources.limits`]: noFlow("limits need runtimeClassName node-red-isolated", {
        whole: true,
        isolated: "done",
    }),
    [`${at}[].resources.claims`]: refused("dynamic resource allocation is not offered"),
    [`${at}[].resizePolicy`]: elsewhere("resources are not changed in place"),
    [`${at}[].restartPolicy`]: only(["Always"], "makes an init container a sidecar"),
    [`${at}[].volumeMounts`]: done(),
    [`${at}[].volumeMounts[]`]: done(),
    [`${at}[].volumeMounts[].name`]: done(),
    [`${at}[].volumeMounts[].mountPath`]: done("a flow reads its *.json from /flow"),
    [`${at}[].volumeMounts[].subPath`]: done(),
    [`${at}[].volumeMounts[].subPathExpr`]: done(),
    [`${at}[].volumeMounts[].readOnly`]: done(),
    [`${at}[].volumeMounts[].recursiveReadOnly`]: only(["Disabled", "IfPossible"]),
    [`${at}[].volumeMounts[].mountPropagation`]: only(["None", "HostToContainer", "Bidirectional"]),
    [`${at}[].volumeDevices`]: refused("block devices are not offered"),
    ...PROBE(`${at}[].livenessProbe`),
    ...PROBE(`${at}[].readinessProbe`),
    ...PROBE(`${at}[].startupProbe`),
    [`${at}[].lifecycle`]: done(),
    ...HANDLER(`${at}[].lifecycle.postStart`),
    ...HANDLER(`${at}[].lifecycle.preStop`),
    [`${at}[].lifecycle.postStart.sleep`]: whole(),
    [`${at}[].lifecycle.preStop.sleep`]: whole(),
    [`${at}[].terminationMessagePath`]: done(),
    [`${at}[].terminationMessagePolicy`]: only(["File", "FallbackToLogsOnError"]),
    [`${at}[].stdin`]: noFlow(PROCESS),
    [`${at}[].stdinOnce`]: noFlow(PROCESS),
    [`${at}[].tty`]: noFlow(PROCESS),
    [`${at}[].securityContext`]: noFlow(PROCESS),
    [`${at}[].securityContext.runAsUser`]: done(),
    [`${at}[].securityContext.runAsGroup`]: done(),
    [`${at}[].securityContext.runAsNonRoot`]: done("checked against the image's user"),
    [`${at}[].securityContext.privileged`]: done(),
    [`${at}[].securityContext.readOnlyRootFilesystem`]: done(),
    [`${at}[].securityContext.allowPrivilegeEscalation`]: done(),
    [`${at}[].securityContext.capabilities`]: whole(),
    [`${at}[].securityContext.procMount`]: only(["Default"]),
    [`${at}[].securityContext.seccompProfile`]: done(),
    [`${at}[].securityContext.seccompProfile.type`]: only(["RuntimeDefault", "Unconfined"]),
    [`${at}[].securityContext.seccompProfile.localhostProfile`]: refused("profiles from files are not offered"),
    [`${at}[].securityContext.seLinuxOptions`]: refused("SELinux is not offered"),
    [`${at}[].securityContext.appArmorProfile`]: done(),
    [`${at}[].securityContext.appArmorProfile.type`]: only(["RuntimeDefault", "Unconfined"]),
    [`${at}[].securityContext.appArmorProfile.localhostProfile`]: refused("profiles from files are not offered"),
    [`${at}[].securityContext.windowsOptions`]: refused("this is not a Windows node"),
});

const KEYED = (at: string): Record<string, FieldRule> => ({
    [at]: whole("updated at one moment when the object changes"),
});

/** Every field of PodSpec, Container and Volume (Kubernetes 1.32) by pattern, `[]` standing for any item of a list. */
export const FIELDS: Readonly<Record<string, FieldRule>> = {
    spec: done(),
    "spec.activeDeadlineSeconds": done("the pod fails with DeadlineExceeded"),
    "spec.affinity": elsewhere("the scheduler"),
    "spec.automountServiceAccountToken": elsewhere("the API server adds the volume"),
    ...CONTAINER("spec.containers"),
    ...CONTAINER("spec.initContainers"),
    ...CONTAINER("spec.ephemeralContainers"),
    "spec.ephemeralContainers[].targetContainerName": done("whose processes it sees"),
    "spec.initContainers": noFlow("a flow pod has no init containers"),
    "spec.ephemeralContainers": noFlow(PROCESS),
    "spec.dnsConfig": noFlow("a flow resolves names as the gateway does", { whole: true }),
    "spec.dnsPolicy": only(
        ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        "no cluster DNS at the edge: as Default",
    ),
    "spec.enableServiceLinks": elsewhere("services do not reach the edge: no variables are made"),
    "spec.hostAliases": noFlow("a flow resolves names as the gateway does", { whole: true }),
    "spec.hostIPC": noFlow(PROCESS),
    "spec.hostNetwork": done("a flow is always on the gateway's network"),
    "spec.hostPID": noFlow(PROCESS),
    "spec.hostUsers": only(["true"], "user namespaces per pod are not offered"),
    "spec.hostname": noFlow(PROCESS),
    "spec.imagePullSecrets": whole(),
    "spec.nodeName": done(),
    "spec.nodeSelector": whole("checked at admission"),
    "spec.os": done(),
    "spec.os.name": only(["linux"]),
    "spec.overhead": elsewhere("counted by the scheduler"),
    "spec.preemptionPolicy": elsewhere("the scheduler"),
    "spec.priority": elsewhere("the scheduler; order of eviction here"),
    "spec.priorityClassName": elsewhere("the API server resolves it to priority"),
    "spec.readinessGates": whole(),
    "spec.resourceClaims": refused("dynamic resource allocation is not offered"),
    "spec.resources": refused("limits for a whole pod are not offered"),
    "spec.restartPolicy": only(["Always", "OnFailure", "Never"]),
    "spec.runtimeClassName": done("picks the runtime and its handler"),
    "spec.schedulerName": elsewhere("the scheduler"),
    "spec.schedulingGates": elsewhere("the scheduler"),
    "spec.securityContext": noFlow(PROCESS),
    "spec.securityContext.runAsUser": done(),
    "spec.securityContext.runAsGroup": done(),
    "spec.securityContext.runAsNonRoot": done(),
    "spec.securityContext.fsGroup": done("owns the files of volumes; added to the process' groups"),
    "spec.securityContext.fsGroupChangePolicy": done("volumes are made with the group, never walked again"),
    "spec.securityContext.supplementalGroups": whole(),
    "spec.securityContext.supplementalGroupsPolicy": only(["Merge"]),
    "spec.securityContext.sysctls": whole("those of network and IPC; others fail the pod (SysctlForbidden)"),
    "spec.securityContext.seccompProfile": done(),
    "spec.securityContext.seccompProfile.type": only(["RuntimeDefault", "Unconfined"]),
    "spec.securityContext.seccompProfile.localhostProfile": refused("profiles from files are not offered"),
    "spec.securityContext.seLinuxOptions": refused("SELinux is not offered"),
    "spec.securityContext.seLinuxChangePolicy": refused("SELinux is not offered"),
    "spec.securityContext.appArmorProfile": done(),
    "spec.securityContext.appArmorProfile.type": only(["RuntimeDefault", "Unconfined"]),
    "spec.securityContext.appArmorProfile.localhostProfile": refused("profiles from files are not offered"),
    "spec.securityContext.windowsOptions": refused("this is not a Windows node"),
    "spec.serviceAccount": elsewhere("the old name of serviceAccountName"),
    "spec.serviceAccountName": done("whose tokens the pod gets"),
    "spec.setHostnameAsFQDN": refused("there is no cluster domain at the edge"),
    "spec.shareProcessNamespace": noFlow(PROCESS),
    "spec.subdomain": elsewhere("names a headless service, which is not served at the edge"),
    "spec.terminationGracePeriodSeconds": done(),
    "spec.tolerations": elsewhere("the scheduler"),
    "spec.topologySpreadConstraints": elsewhere("the scheduler"),
    "spec.volumes": done(),
    "spec.volumes[]": done(),
    "spec.volumes[].name": done(),
    ...KEYED("spec.volumes[].configMap"),
    ...KEYED("spec.volumes[].secret"),
    ...KEYED("spec.volumes[].downwardAPI"),
    "spec.volumes[].projected": done("updated at one moment when an object changes"),
    "spec.volumes[].projected.defaultMode": done(),
    "spec.volumes[].projected.sources": done(),
    "spec.volumes[].projected.sources[]": done(),
    "spec.volumes[].projected.sources[].configMap": whole(),
    "spec.volumes[].projected.sources[].secret": whole(),
    "spec.volumes[].projected.sources[].downwardAPI": whole(),
    "spec.volumes[].projected.sources[].serviceAccountToken": whole("kept for the time without a link"),
    "spec.volumes[].projected.sources[].clusterTrustBundle": refused("ClusterTrustBundles do not reach the edge"),
    "spec.volumes[].emptyDir": done(),
    "spec.volumes[].emptyDir.medium": only(["Memory"]),
    "spec.volumes[].emptyDir.sizeLimit": done(
        "the size of a volume in memory; on disk a pod that exceeds it is evicted",
    ),
    "spec.volumes[].hostPath": whole(),
    "spec.volumes[].awsElasticBlockStore": refused(CLOUD_DISK),
    "spec.volumes[].azureDisk": refused(CLOUD_DISK),
    "spec.volumes[].azureFile": refused(CLOUD_DISK),
    "spec.volumes[].cephfs": refused(CLOUD_DISK),
    "spec.volumes[].cinder": refused(CLOUD_DISK),
    "spec.volumes[].csi": refused("CSI drivers are not offered"),
    "spec.volumes[].ephemeral": refused("volume claims are not offered"),
    "spec.volumes[].fc": refused(CLOUD_DISK),
    "spec.volumes[].flexVolume": refused("FlexVolume drivers are not offered"),
    "spec.volumes[].flocker": refused(CLOUD_DISK),
    "spec.volumes[].gcePersistentDisk": refused(CLOUD_DISK),
    "spec.volumes[].gitRepo": refused("withdrawn by Kubernetes"),
    "spec.volumes[].glusterfs": refused(CLOUD_DISK),
    "spec.volumes[].image": refused("image volumes are not offered"),
    "spec.volumes[].iscsi": refused(CLOUD_DISK),
    "spec.volumes[].nfs": refused(CLOUD_DISK),
    "spec.volumes[].persistentVolumeClaim": refused("volume claims are not offered; use hostPath"),
    "spec.volumes[].photonPersistentDisk": refused(CLOUD_DISK),
    "spec.volumes[].portworxVolume": refused(CLOUD_DISK),
    "spec.volumes[].quobyte": refused(CLOUD_DISK),
    "spec.volumes[].rbd": refused(CLOUD_DISK),
    "spec.volumes[].scaleIO": refused(CLOUD_DISK),
    "spec.volumes[].storageos": refused(CLOUD_DISK),
    "spec.volumes[].vsphereVolume": refused(CLOUD_DISK),
};
