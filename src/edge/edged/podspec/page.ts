// SPDX-License-Identifier: Apache-2.0
import { FIELDS, type FieldAnswer, type FieldRule } from "./fields.ts";

const WORDS: Readonly<Record<FieldAnswer, string>> = {
    done: "yes",
    elsewhere: "scheduler or API server",
    refused: "**refused**",
};

/** docs/pods.md: what this node does with every field of a pod. */
export function podsPage(): string {
    const rows = Object.entries(FIELDS).map(([path, rule]) => {
        const cells = [`\`${path}\``, WORDS[rule.container], WORDS[flowOf(rule)], WORDS[isolatedOf(rule)], note(rule)];
        return `| ${cells.join(" | ")} |`;
    });
    return [
        "# Pods",
        "",
        "What Edged does with every field of PodSpec, Container and Volume (Kubernetes 1.32). This page is made from",
        "`src/edge/edged/podspec/fields.ts` by `npm run docs`.",
        "",
        "A pod that uses a refused field, or one that is not in this table, does not run: it fails with the reason",
        "`UnsupportedField` and an event that names the field. Nothing is ignored.",
        "",
        "`container`: a container engine (Docker, containerd). `flow`: `runtimeClassName: node-red`, a flow in the gateway's own",
        "Node-RED. `isolated`: `runtimeClassName: node-red-isolated`, a flow in a Node-RED process of the pod's own.",
        "",
        "| field | container | flow | isolated | |",
        "| --- | --- | --- | --- | --- |",
        ...rows,
        "",
    ].join("\n");
}

function flowOf(rule: FieldRule): FieldAnswer {
    return rule.flow ?? rule.container;
}

function isolatedOf(rule: FieldRule): FieldAnswer {
    return rule.isolated ?? flowOf(rule);
}

function note({ why, only }: FieldRule): string {
    const values = only === undefined ? "" : `only ${only.map((value) => `\`${value}\``).join(", ")}`;
    return [values, why ?? ""].filter((part) => part !== "").join("; ");
}
