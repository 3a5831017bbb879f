// SPDX-License-Identifier: Apache-2.0

interface OfferedDevice {
    readonly id: string;
    readonly properties: readonly string[];
}

/**
 * Offers the gateway's devices, and the properties of the one that is named, as lists to choose from. Anything else may be typed:
 * a device that comes later, a `${VARIABLE}`, or nothing.
 */
export function offerDevices(): void {
    const device = $("#node-input-device");
    const devices = listBelow(device);
    const properties = listBelow($("#node-input-property"));
    // Where the runtime refuses or has no device twin the lists stay empty, and the fields are what they were: text.
    $.getJSON("kubeedge/devices").done((offered: readonly OfferedDevice[]) => {
        fill(
            devices,
            offered.map(({ id }) => id),
        );
        const offerProperties = (): void => {
            const named = String(device.val() ?? "").trim();
            const id = named.includes("/") ? named : `default/${named}`;
            const chosen = named === "" ? offered : offered.filter((one) => one.id === id);
            fill(properties, [...new Set(chosen.flatMap((one) => one.properties))]);
        };
        device.on("input change", offerProperties);
        offerProperties();
    });
}

function listBelow(input: JQuery): JQuery {
    const id = `${input.attr("id")}-list`;
    input.attr({ list: id, autocomplete: "off" });
    return $("<datalist>").attr("id", id).insertAfter(input);
}

function fill(list: JQuery, values: readonly string[]): void {
    list.empty().append(...[...values].sort().map((value) => $("<option>").attr("value", value)));
}
