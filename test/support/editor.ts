// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Part, program } from "./requires.ts";

const EXECUTABLES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const chromiumPart: Part = program("chromium", ...EXECUTABLES);

/** How long a busy machine may take, not how long it should. */
const PATIENCE_MS = 180_000;

const QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
];

/** The editor in a headless Chromium, and everything that its console complained about. */
export class Editor {
    readonly page: Page;
    readonly #complaints: string[] = [];
    readonly #browser: Browser;

    private constructor(browser: Browser, page: Page) {
        this.#browser = browser;
        this.page = page;
        page.on("pageerror", (error) => this.#complaints.push(error.message));
        page.on("console", (message) => {
            if (message.type() === "error") this.#complaints.push(`${message.text()} (${message.location().url})`);
        });
    }

    /** Opens the editor and waits until a flow is drawn; logs in first where that is asked for. */
    static async open(url: string, login?: { readonly user: string; readonly password: string }): Promise<Editor> {
        const executablePath = EXECUTABLES.find((path) => existsSync(path)) ?? "";
        const browser = await chromium.launch({ executablePath, args: QUIET, timeout: PATIENCE_MS });
        const editor = new Editor(browser, await browser.newPage({ viewport: { width: 1920, height: 800 } }));
        editor.page.setDefaultTimeout(PATIENCE_MS);
        await editor.#withoutTips();
        await editor.page.goto(url);
        if (login !== undefined) {
            await editor.page.fill("#node-dialog-login-username", login.user);
            await editor.page.fill("#node-dialog-login-password", login.password);
            await editor.page.click("#node-dialog-login-submit");
        }
        await editor.page.waitForSelector(".red-ui-flow-node");
        // The refusal that made the editor ask for a login.
        if (login !== undefined) editor.takeComplaints();
        return editor;
    }

    /**
     * Turns the tips of the day off. Node-RED starts their timer of one second before it has fetched its keymap and made their box:
     * on a slow machine the timer comes first and fails. What they say is chosen at random, too, which no picture should show.
     */
    async #withoutTips(): Promise<void> {
        await this.page.route(/\/settings\/user(\?|$)/, async (route) => {
            if (route.request().method() !== "GET") return route.continue();
            const response = await route.fetch();
            if (!response.ok()) return route.fulfill({ response });
            const settings = await response.json();
            const view = { ...settings.editor?.view, "view-show-tips": false };
            await route.fulfill({ response, json: { ...settings, editor: { ...settings.editor, view } } });
        });
    }

    /** What the console has complained about since it was last asked. */
    takeComplaints(): string[] {
        return this.#complaints.splice(0);
    }

    /** Evaluates an expression in the editor, where RED and $ are known. */
    evaluate<T>(expression: string): Promise<T> {
        return this.page.evaluate<T>(expression);
    }

    /**
     * Waits until a dialog has slid in. Node-RED resizes it once more at the end, and fails when it has been closed by then, which
     * no hand is quick enough for; then it raises the dialog above the sidebar.
     */
    async dialogIsOpen(button: "#node-dialog-ok" | "#node-config-dialog-ok"): Promise<void> {
        await this.page.waitForSelector(button, { state: "visible" });
        await this.page.waitForFunction(`$("#red-ui-editor-stack").css("zIndex") === "13"`);
    }

    /** Presses a dialog's last button and waits until it is gone. */
    async endDialog(button: "#node-dialog-ok" | "#node-dialog-cancel" | "#node-config-dialog-ok"): Promise<void> {
        await this.page.click(button);
        await this.page.waitForSelector(button, { state: "detached" });
    }

    async close(): Promise<void> {
        await this.#browser.close();
    }
}
