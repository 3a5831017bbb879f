// SPDX-License-Identifier: Apache-2.0
// The parts of the editor's global RED that Redge uses, in Node-RED 4.1 and 5.

/** True, or why the value is not accepted. Two parameters, or the editor ignores the reason. */
type Validator = (this: EditorNode, value: unknown, options: ValidatorOptions) => boolean | string;

interface ValidatorOptions {
    readonly label?: string;
}

interface EditorNode {
    readonly id: string;
    readonly type: string;
    readonly name?: string;
    readonly credentials?: Readonly<Record<string, unknown>>;
    _(key: string, params?: Readonly<Record<string, unknown>>): string;
    readonly [property: string]: unknown;
}

interface NodeProperty {
    readonly value: unknown;
    readonly required?: boolean;
    /** The type of config node this property holds. */
    readonly type?: string;
    readonly validate?: Validator;
    readonly label?: string;
}

interface NodeDefinition {
    readonly category: string;
    readonly color?: string;
    readonly icon?: string;
    readonly inputs?: number;
    readonly outputs?: number;
    readonly defaults: Readonly<Record<string, NodeProperty>>;
    readonly credentials?: Readonly<Record<string, { readonly type: "text" | "password" }>>;
    readonly label: (this: EditorNode) => string;
    readonly labelStyle?: (this: EditorNode) => string;
    readonly paletteLabel?: string;
    readonly inputLabels?: string | ((this: EditorNode, index: number) => string);
    readonly outputLabels?: readonly string[] | ((this: EditorNode, index: number) => string);
    readonly align?: "left" | "right";
    readonly hasUsers?: boolean;
    readonly oneditprepare?: (this: EditorNode) => void;
    readonly oneditsave?: (this: EditorNode) => void;
}

interface SidebarTab {
    readonly id: string;
    readonly label: string;
    readonly name: string;
    readonly iconClass: string;
    readonly content: JQuery;
    readonly toolbar?: JQuery;
    readonly action?: string;
    readonly enableOnEdit?: boolean;
    readonly onchange?: () => void;
    readonly onremove?: () => void;
}

declare const RED: {
    readonly nodes: {
        registerType(type: string, definition: NodeDefinition): void;
        node(id: string): EditorNode | null;
    };
    readonly view: { reveal(id: string): void };
    readonly utils: { getPaletteLabel(type: string, definition: object): string };
    readonly plugins: { registerPlugin(id: string, definition: Readonly<Record<string, unknown>>): void };
    readonly actions: { add(id: string, action: () => void): void };
    readonly sidebar: { addTab(tab: SidebarTab): void; show(id: string): void; removeTab(id: string): void };
    readonly events: { on(name: string, listener: (event: never) => void): void };
    readonly comms: { subscribe(topic: string, listener: (topic: string, data: unknown) => void): void };
    readonly user?: { hasPermission(permission: string): boolean };
    readonly _: (key: string, params?: Readonly<Record<string, unknown>>) => string;
};
