// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Ports } from "../../core/component.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { Informer } from "../../kube/client/informer.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { follow } from "../shared/follow.ts";
import { parseRoute, type Route } from "./route.ts";
import { keyOf } from "./rule-status.ts";

export interface RulesHooks {
    readonly added: (route: Route) => void;
    readonly removed: (route: Route) => void;
    readonly problem: (rule: KubeObject, reason: string) => void;
    readonly gone: (rule: KubeObject) => void;
    readonly synced: () => void;
    readonly trouble: (error: Error) => void;
}

/** The routes that Rules and RuleEndpoints make together, followed through every change of either. */
export class Rules {
    readonly #rules: Informer<KubeObject>;
    readonly #endpoints: Informer<KubeObject>;
    readonly #routes = new Map<string, Route>();
    readonly #hooks: RulesHooks;

    constructor(cluster: KubeClient, ports: Ports, hooks: RulesHooks) {
        this.#hooks = hooks;
        this.#rules = follow(cluster, Kinds.rule, ports);
        this.#endpoints = follow(cluster, Kinds.ruleEndpoint, ports);
    }

    async start(): Promise<void> {
        const endpointChanged = ({ metadata }: KubeObject): void => {
            for (const rule of this.#rules.list())
                if (rule.metadata.namespace === metadata.namespace) this.#review(rule);
        };
        this.#rules.on("add", (rule) => this.#review(rule));
        this.#rules.on("update", (rule) => this.#review(rule));
        this.#rules.on("delete", (rule) => {
            this.#drop(keyOf(rule));
            this.#hooks.gone(rule);
        });
        this.#endpoints.on("add", endpointChanged);
        this.#endpoints.on("update", endpointChanged);
        this.#endpoints.on("delete", endpointChanged);
        for (const informer of [this.#rules, this.#endpoints]) {
            informer.on("trouble", this.#hooks.trouble);
            informer.on("synced", () => (this.synced ? this.#reviewAll() : undefined));
        }
        await Promise.all([this.#rules.start(), this.#endpoints.start()]);
    }

    async stop(): Promise<void> {
        await Promise.all([this.#rules.stop(), this.#endpoints.stop()]);
        this.#rules.clear();
        this.#endpoints.clear();
        this.#routes.clear();
    }

    get synced(): boolean {
        return this.#rules.synced && this.#endpoints.synced;
    }

    get routes(): Iterable<Route> {
        return this.#routes.values();
    }

    get count(): number {
        return this.#routes.size;
    }

    rule(key: string): KubeObject | undefined {
        const at = key.indexOf("/");
        return this.#rules.get(key.slice(0, at), key.slice(at + 1));
    }

    #reviewAll(): void {
        for (const rule of this.#rules.list()) this.#review(rule);
        this.#hooks.synced();
    }

    #review(rule: KubeObject): void {
        if (!this.synced) return;
        const key = keyOf(rule);
        const parsed = parseRoute(rule, (name) => this.#endpoints.get(rule.metadata.namespace, name));
        const known = this.#routes.get(key);
        if ("problem" in parsed) {
            this.#drop(key);
            this.#hooks.problem(rule, parsed.problem);
            return;
        }
        if (isDeepStrictEqual(known, parsed.route)) return;
        this.#drop(key);
        this.#routes.set(key, parsed.route);
        this.#hooks.added(parsed.route);
    }

    #drop(key: string): void {
        const known = this.#routes.get(key);
        if (known === undefined) return;
        this.#routes.delete(key);
        this.#hooks.removed(known);
    }
}
