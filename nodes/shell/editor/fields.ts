// SPDX-License-Identifier: Apache-2.0

// What the editor says about a value while it is typed. The runtime checks again with the component's schema: flows
// also arrive by import, by the admin API and from git, and a `${VARIABLE}` has its value only there.

/** Blank (the default counts) or a whole number within limits. */
export function integer(minimum: number, maximum: number): Validator {
    return function (this: EditorNode, value: unknown, _options: ValidatorOptions): boolean | string {
        const text = String(value ?? "").trim();
        if (text === "" || isVariable(text)) return true;
        const number = Number(text);
        if (Number.isInteger(number) && number >= minimum && number <= maximum) return true;
        return this._(`${this.type}.error.integer`, { minimum, maximum });
    };
}

/** Blank or a TCP port. */
export const port: Validator = /* @__PURE__ */ integer(0, 65535);

/** Blank or an address that begins with one of the given schemes. */
export function url(...schemes: readonly string[]): Validator {
    return function (this: EditorNode, value: unknown, _options: ValidatorOptions): boolean | string {
        const text = String(value ?? "").trim();
        if (text === "" || isVariable(text)) return true;
        if (schemes.some((scheme) => text.startsWith(`${scheme}://`) && text.length > scheme.length + 3)) return true;
        return this._(`${this.type}.error.url`, { schemes: schemes.map((scheme) => `${scheme}://`).join(", ") });
    };
}

/** Blank or a name as Kubernetes takes it for nodes: RFC 1123 subdomain. */
export const kubernetesName: Validator = function (
    this: EditorNode,
    value: unknown,
    _options: ValidatorOptions,
): boolean | string {
    const text = String(value ?? "").trim();
    if (text === "" || isVariable(text)) return true;
    const fits = text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
    return fits || this._(`${this.type}.error.name`);
};

/** Blank or one of the given words. */
export function oneOf(...words: readonly string[]): Validator {
    return function (this: EditorNode, value: unknown, _options: ValidatorOptions): boolean | string {
        const text = String(value ?? "").trim();
        if (text === "" || isVariable(text) || words.includes(text)) return true;
        return this._(`${this.type}.error.oneOf`, { words: words.join(", ") });
    };
}

/** The whole value is a reference to an environment variable. */
export function isVariable(text: string): boolean {
    return /^\$\{[^}]+\}$/.test(text);
}

/** Shows form rows marked `data-when="field=value value"` only while that field has one of the values. */
export function showRowsThatApply(prefix: string): void {
    $("[data-when]").each(function () {
        const row = $(this);
        const [field = "", values = ""] = String(row.attr("data-when")).split("=");
        const input = $(`#${prefix}-${field}`);
        const apply = (): void => {
            const value = input.is(":checkbox") ? String(input.prop("checked")) : String(input.val() ?? "");
            row.toggle(isVariable(value) || values.split(" ").includes(value));
        };
        input.on("change", apply);
        apply();
    });
}
