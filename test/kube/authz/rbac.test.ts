// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { allows, RbacAuthorizer } from "../../../src/kube/authz/rbac.ts";
import { type Attributes, anonymous, authenticated, type User } from "../../../src/kube/authz/user.ts";
import { DocumentRegistry } from "../../../src/kube/storage/document-registry.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";

const somebody = authenticated("somebody", ["crew"]);
const attributes = (more: Partial<Attributes> = {}): Attributes => ({
    user: somebody,
    verb: "get",
    group: "",
    resource: "pods",
    namespace: "n",
    name: "p",
    path: "/",
    ...more,
});

describe("RBAC rules", () => {
    it.each([
        ["exact", { verbs: ["get"], apiGroups: [""], resources: ["pods"] }, {}, true],
        ["stars", { verbs: ["*"], apiGroups: ["*"], resources: ["*"] }, { verb: "delete", group: "apps" }, true],
        ["another verb", { verbs: ["list"], apiGroups: [""], resources: ["pods"] }, {}, false],
        ["another group", { verbs: ["get"], apiGroups: ["apps"], resources: ["pods"] }, {}, false],
        [
            "a subresource is not its resource",
            { verbs: ["get"], apiGroups: [""], resources: ["pods"] },
            { resource: "pods/log" },
            false,
        ],
        [
            "a subresource by name",
            { verbs: ["get"], apiGroups: [""], resources: ["pods/log"] },
            { resource: "pods/log" },
            true,
        ],
        [
            "a subresource of anything",
            { verbs: ["get"], apiGroups: [""], resources: ["*/log"] },
            { resource: "pods/log" },
            true,
        ],
        ["a named object", { verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames: ["p"] }, {}, true],
        ["another object", { verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames: ["q"] }, {}, false],
        ["a path", { verbs: ["get"], nonResourceURLs: ["/metrics"] }, { resource: undefined, path: "/metrics" }, true],
        [
            "paths below",
            { verbs: ["get"], nonResourceURLs: ["/logs/*"] },
            { resource: undefined, path: "/logs/a" },
            true,
        ],
        [
            "a path elsewhere",
            { verbs: ["get"], nonResourceURLs: ["/logs/*"] },
            { resource: undefined, path: "/metrics" },
            false,
        ],
    ])("%s", (_title, rule, more, expected) => {
        expect(allows(rule, attributes(more))).toBe(expected);
    });
});

describe("RBAC bindings", () => {
    async function authorizerWith(...objects: [plural: string, object: KubeObject][]): Promise<RbacAuthorizer> {
        const registry = new DocumentRegistry(new MemoryStore());
        await registry.load();
        for (const [plural, object] of objects) {
            const { name, namespace = "" } = object.metadata;
            await registry.commit({
                key: { group: "rbac.authorization.k8s.io", plural, namespace, name },
                next: object,
                base: undefined,
            });
        }
        return new RbacAuthorizer(registry);
    }
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const reader = (kind: string, namespace?: string): KubeObject => ({
        apiVersion,
        kind,
        metadata: { name: "reader", ...(namespace === undefined ? {} : { namespace }) },
        rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
    });
    const binding = (kind: string, role: string, subject: Record<string, unknown>, namespace?: string): KubeObject => ({
        apiVersion,
        kind,
        metadata: { name: "bound", ...(namespace === undefined ? {} : { namespace }) },
        roleRef: { kind: role, name: "reader" },
        subjects: [subject],
    });
    const allowed = async (authorizer: RbacAuthorizer, more: Partial<Attributes> = {}): Promise<boolean> =>
        (await authorizer.refuse(attributes(more))) === undefined;

    it("hold in their namespace, by user, group and service account", async () => {
        const byGroup = await authorizerWith(
            ["roles", reader("Role", "n")],
            ["rolebindings", binding("RoleBinding", "Role", { kind: "Group", name: "crew" }, "n")],
        );
        expect(await allowed(byGroup)).toBe(true);
        expect(await allowed(byGroup, { namespace: "m" })).toBe(false);
        expect(await allowed(byGroup, { namespace: undefined })).toBe(false);
        const robot: User = authenticated("system:serviceaccount:n:robot", []);
        const byAccount = await authorizerWith(
            ["clusterroles", reader("ClusterRole")],
            ["rolebindings", binding("RoleBinding", "ClusterRole", { kind: "ServiceAccount", name: "robot" }, "n")],
        );
        expect(await allowed(byAccount, { user: robot })).toBe(true);
        expect(await allowed(byAccount)).toBe(false);
        const everywhere = await authorizerWith(
            ["clusterroles", reader("ClusterRole")],
            ["clusterrolebindings", binding("ClusterRoleBinding", "ClusterRole", { kind: "User", name: "somebody" })],
        );
        expect(await allowed(everywhere, { namespace: undefined })).toBe(true);
    });

    it("give nothing when the role is missing, and nothing to the unknown", async () => {
        const authorizer = await authorizerWith([
            "clusterrolebindings",
            binding("ClusterRoleBinding", "ClusterRole", { kind: "User", name: "somebody" }),
        ]);
        expect(await allowed(authorizer)).toBe(false);
        expect(await allowed(authorizer, { user: anonymous, resource: undefined, path: "/version" })).toBe(true);
        expect(await allowed(authorizer, { user: anonymous, resource: undefined, path: "/apis" })).toBe(false);
        expect(await allowed(authorizer, { user: anonymous, resource: undefined, path: "/versions" })).toBe(false);
        expect(await allowed(authorizer, { resource: undefined, path: "/apis/apps" })).toBe(true);
        expect(await allowed(authorizer, { user: authenticated("root", ["system:masters"]), verb: "delete" })).toBe(
            true,
        );
    });
});
