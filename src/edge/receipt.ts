// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError } from "../core/errors/redge-error.ts";
import { type Envelope, Operation, responseTo } from "../envelope/envelope.ts";

/** What is over once there is room on the disk or the part runs again; the same message would then be taken. */
const PASSES = /^REDGE_(STORE_|LINK_STOPPED)/;

/**
 * Takes a message whose sender waits for a receipt (`header.sync`), as EventBus does before it acknowledges to its MQTT client:
 * operation `response` once it is on disk, `error` when it is not and may be sent again. What would be refused each
 * time is answered like what was taken, or its sender would repeat it for ever. Without `sync` there is no answer.
 * @throws what `take` throws
 */
export async function withReceipt(
    envelope: Envelope,
    source: string,
    take: () => Promise<void>,
    answer: (receipt: Envelope) => void,
): Promise<void> {
    if (envelope.header.sync !== true) return await take();
    try {
        await take();
    } catch (thrown) {
        const passes = isRedgeError(thrown) && PASSES.test(thrown.code);
        const operation = passes ? Operation.error : Operation.response;
        answer(responseTo(envelope, errorText(thrown), { source, operation }));
        throw thrown;
    }
    answer(responseTo(envelope, "OK", { source }));
}
