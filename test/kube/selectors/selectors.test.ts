// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { StatusError } from "../../../src/kube/rest/status.ts";
import { fieldMatcher, parseFieldSelector } from "../../../src/kube/selectors/fields.ts";
import { labelSelectorMatcher, parseLabelSelector } from "../../../src/kube/selectors/labels.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

const LABELS = { app: "web", tier: "front", "example.com/level": "5", empty: "" };

describe("label selectors", () => {
    it.each([
        ["", true],
        ["app=web", true],
        ["app==web", true],
        ["app = web", true],
        ["app!=web", false],
        ["other!=web", true],
        ["app in (web, db)", true],
        ["app in(web)", true],
        ["app notin (web)", false],
        ["other notin (web)", true],
        ["app", true],
        ["!app", false],
        ["!other", true],
        ["app=web,tier=front", true],
        ["app=web,tier=back", false],
        ["app in (web,db),!other,tier", true],
        ["example.com/level>4", true],
        ["example.com/level<5", false],
        ["empty=", true],
        ["toString", false],
    ])("%j is %j", (selector, expected) => {
        expect(parseLabelSelector(selector)(LABELS)).toBe(expected);
    });

    it.each(["app in web", "a b", "=web", "app=we b", "-bad=1", "a/b/c=1", "x in (a"])("refuses %j", (selector) => {
        expect(() => parseLabelSelector(selector)).toThrow(StatusError);
    });

    it("reads LabelSelector objects", () => {
        const selector = {
            matchLabels: { app: "web" },
            matchExpressions: [
                { key: "tier", operator: "In", values: ["front"] },
                { key: "other", operator: "DoesNotExist" },
            ],
        };
        expect(labelSelectorMatcher(selector)(LABELS)).toBe(true);
        expect(
            labelSelectorMatcher({ matchExpressions: [{ key: "tier", operator: "NotIn", values: ["front"] }] })(LABELS),
        ).toBe(false);
        expect(labelSelectorMatcher({})(LABELS)).toBe(true);
        expect(labelSelectorMatcher(undefined)(LABELS)).toBe(false);
    });
});

describe("field selectors", () => {
    const object = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "p", namespace: "n" },
        spec: { nodeName: "a,b", hostNetwork: true },
    } as KubeObject;
    const matches = (selector: string): boolean =>
        fieldMatcher(parseFieldSelector(selector), {
            "spec.nodeName": "spec.nodeName",
            "spec.hostNetwork": "spec.hostNetwork",
            source: "source.component",
        })(object);

    it.each([
        ["metadata.name=p", true],
        ["metadata.name==p,metadata.namespace!=m", true],
        ["metadata.namespace=m", false],
        ["spec.nodeName=a\\,b", true],
        ["spec.hostNetwork=true", true],
        ["source=", true],
        ["source!=kubelet", true],
        ["", true],
    ])("%j is %j", (selector, expected) => {
        expect(matches(selector)).toBe(expected);
    });

    it("refuses fields it cannot select by and text it cannot read", () => {
        expect(() => matches("spec.image=x")).toThrow("field label not supported: spec.image");
        expect(() => matches("nonsense")).toThrow(StatusError);
        expect(() => matches("constructor=x")).toThrow(StatusError);
    });
});
