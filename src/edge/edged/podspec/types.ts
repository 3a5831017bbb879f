// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeObject, ObjectMeta } from "../../../kube/types.ts";

/** The parts of core/v1 Pod that Edged reads (Kubernetes 1.32). Everything else is carried along untouched. */
export interface Pod extends KubeObject {
    metadata: ObjectMeta & { namespace: string; uid: string };
    spec: PodSpec;
    status?: PodStatus;
}

export interface PodSpec {
    nodeName?: string;
    containers: Container[];
    initContainers?: Container[];
    ephemeralContainers?: Container[];
    volumes?: Volume[];
    restartPolicy?: "Always" | "OnFailure" | "Never";
    runtimeClassName?: string;
    terminationGracePeriodSeconds?: number;
    activeDeadlineSeconds?: number;
    hostNetwork?: boolean;
    hostPID?: boolean;
    hostIPC?: boolean;
    shareProcessNamespace?: boolean;
    hostname?: string;
    subdomain?: string;
    setHostnameAsFQDN?: boolean;
    hostAliases?: { ip: string; hostnames?: string[] }[];
    dnsPolicy?: string;
    dnsConfig?: { nameservers?: string[]; searches?: string[]; options?: { name: string; value?: string }[] };
    imagePullSecrets?: { name?: string }[];
    securityContext?: PodSecurityContext;
    serviceAccountName?: string;
    automountServiceAccountToken?: boolean;
    enableServiceLinks?: boolean;
    priority?: number;
    readinessGates?: { conditionType: string }[];
    [field: string]: unknown;
}

export interface Container {
    name: string;
    image?: string;
    command?: string[];
    args?: string[];
    workingDir?: string;
    env?: EnvVar[];
    envFrom?: EnvFrom[];
    ports?: ContainerPort[];
    resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
    volumeMounts?: VolumeMount[];
    livenessProbe?: Probe;
    readinessProbe?: Probe;
    startupProbe?: Probe;
    lifecycle?: { postStart?: Handler; preStop?: Handler };
    imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
    securityContext?: SecurityContext;
    restartPolicy?: string;
    terminationMessagePath?: string;
    terminationMessagePolicy?: string;
    stdin?: boolean;
    stdinOnce?: boolean;
    tty?: boolean;
    targetContainerName?: string;
    [field: string]: unknown;
}

export interface EnvVar {
    name: string;
    value?: string;
    valueFrom?: {
        configMapKeyRef?: KeyRef;
        secretKeyRef?: KeyRef;
        fieldRef?: { fieldPath: string };
        resourceFieldRef?: ResourceFieldRef;
    };
}

export interface KeyRef {
    name?: string;
    key: string;
    optional?: boolean;
}

export interface ResourceFieldRef {
    containerName?: string;
    resource: string;
    divisor?: string | number;
}

export interface EnvFrom {
    prefix?: string;
    configMapRef?: { name?: string; optional?: boolean };
    secretRef?: { name?: string; optional?: boolean };
}

export interface ContainerPort {
    containerPort: number;
    hostPort?: number;
    hostIP?: string;
    protocol?: string;
    name?: string;
}

export interface VolumeMount {
    name: string;
    mountPath: string;
    subPath?: string;
    subPathExpr?: string;
    readOnly?: boolean;
    mountPropagation?: string;
}

export interface Probe extends Handler {
    initialDelaySeconds?: number;
    timeoutSeconds?: number;
    periodSeconds?: number;
    successThreshold?: number;
    failureThreshold?: number;
    terminationGracePeriodSeconds?: number;
    grpc?: { port: number; service?: string };
}

export interface Handler {
    exec?: { command?: string[] };
    httpGet?: {
        path?: string;
        port: number | string;
        host?: string;
        scheme?: string;
        httpHeaders?: { name: string; value: string }[];
    };
    tcpSocket?: { port: number | string; host?: string };
    sleep?: { seconds: number };
}

export interface PodSecurityContext {
    runAsUser?: number;
    runAsGroup?: number;
    runAsNonRoot?: boolean;
    fsGroup?: number;
    supplementalGroups?: number[];
    sysctls?: { name: string; value: string }[];
    seccompProfile?: { type: string; localhostProfile?: string };
    [field: string]: unknown;
}

export interface SecurityContext {
    runAsUser?: number;
    runAsGroup?: number;
    runAsNonRoot?: boolean;
    privileged?: boolean;
    readOnlyRootFilesystem?: boolean;
    allowPrivilegeEscalation?: boolean;
    capabilities?: { add?: string[]; drop?: string[] };
    seccompProfile?: { type: string; localhostProfile?: string };
    procMount?: string;
    [field: string]: unknown;
}

export interface KeyToPath {
    key: string;
    path: string;
    mode?: number;
}

export interface Volume {
    name: string;
    configMap?: { name?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean };
    secret?: { secretName?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean };
    emptyDir?: { medium?: string; sizeLimit?: string };
    hostPath?: { path: string; type?: string };
    downwardAPI?: { items?: DownwardItem[]; defaultMode?: number };
    projected?: { sources?: ProjectedSource[]; defaultMode?: number };
    [field: string]: unknown;
}

export interface DownwardItem {
    path: string;
    mode?: number;
    fieldRef?: { fieldPath: string };
    resourceFieldRef?: ResourceFieldRef;
}

export interface ProjectedSource {
    configMap?: { name?: string; items?: KeyToPath[]; optional?: boolean };
    secret?: { name?: string; items?: KeyToPath[]; optional?: boolean };
    downwardAPI?: { items?: DownwardItem[] };
    serviceAccountToken?: { audience?: string; expirationSeconds?: number; path: string };
    clusterTrustBundle?: unknown;
}

export interface PodStatus {
    phase?: string;
    reason?: string;
    message?: string;
    startTime?: string;
    podIP?: string;
    podIPs?: { ip: string }[];
    hostIP?: string;
    hostIPs?: { ip: string }[];
    qosClass?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
    ephemeralContainerStatuses?: ContainerStatus[];
    [field: string]: unknown;
}

export interface Condition {
    type: string;
    status: "True" | "False" | "Unknown";
    reason?: string;
    message?: string;
    lastTransitionTime?: string;
    lastProbeTime?: string | null;
    lastHeartbeatTime?: string;
}

export interface StateWaiting {
    reason: string;
    message?: string;
}

export interface StateTerminated {
    exitCode: number;
    signal?: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
    containerID?: string;
}

export interface ContainerState {
    waiting?: StateWaiting;
    running?: { startedAt: string };
    terminated?: StateTerminated;
}

export interface ContainerStatus {
    name: string;
    state: ContainerState;
    lastState: ContainerState;
    ready: boolean;
    started: boolean;
    restartCount: number;
    image: string;
    imageID: string;
    containerID?: string;
    volumeMounts?: VolumeMountStatus[];
}

export interface VolumeMountStatus {
    name: string;
    mountPath: string;
    readOnly?: boolean;
    recursiveReadOnly?: string;
}

/**
 * Checks what Edged cannot do without; the API server has validated the rest.
 * @throws REDGE_EDGED_OBJECT_INVALID
 */
export function parsePod(object: KubeObject): Pod {
    const { namespace, name, uid } = object.metadata;
    const resource = `${namespace ?? "?"}/pod/${name}`;
    const invalid = (reason: string): RedgeError => new RedgeError("REDGE_EDGED_OBJECT_INVALID", { resource, reason });
    if (!namespace) throw invalid("metadata.namespace is missing");
    if (!uid) throw invalid("metadata.uid is missing");
    const spec = object["spec"] as Partial<PodSpec> | undefined;
    if (!Array.isArray(spec?.containers) || spec.containers.length === 0) throw invalid("spec.containers is missing");
    for (const list of [spec.containers, spec.initContainers ?? [], spec.ephemeralContainers ?? []]) {
        if (!list.every((container) => typeof container?.name === "string")) throw invalid("a container has no name");
    }
    return object as Pod;
}

/** "default/web", as people name it. */
export function podName(pod: Pod): string {
    return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** True for an init container that keeps running beside the others (KEP-753). */
export function isSidecar(container: Container): boolean {
    return container.restartPolicy === "Always";
}
