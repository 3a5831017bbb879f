// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { readBody } from "../../../src/kube/rest/body.ts";

const begun = (): IncomingMessage => {
    const request = new IncomingMessage(new Socket());
    request.push("{");
    return request;
};

describe("the body of a request", () => {
    it("is all that came", async () => {
        const request = begun();
        const body = readBody(request);
        request.push("}");
        request.push(null);
        expect((await body).toString()).toBe("{}");
    });

    it("is refused when the client went away half way, during the reading or before it", async () => {
        const request = begun();
        const body = readBody(request);
        request.destroy();
        await expect(body).rejects.toThrow();
        await expect(readBody(request)).rejects.toThrow(/broken off/);
    });
});
