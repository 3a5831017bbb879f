// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../../core/errors/redge-error.ts";

/** The image that holds a pod's namespaces. Made here, byte by byte, so that no registry is needed for it. */
export const PAUSE_IMAGE = "redge/pause:1";

const LOAD_ADDRESS = 0x400000;
const HEADER_BYTES = 64 + 56;
const SIGCHLD = 17;
/** struct sigaction of the kernel: handler SIG_IGN, flags, restorer, mask. Ignoring SIGCHLD makes the kernel reap orphans. */
const IGNORE_ACTION = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]);

/** rt_sigaction(SIGCHLD, ignore); for (;;) pause(); */
function amd64Code(): Buffer {
    const code = Buffer.from("b80d000000bf11000000488d351300000031d241ba080000000f05b8220000000f05ebf7", "hex");
    return Buffer.concat([code, IGNORE_ACTION]);
}

/** The same with ppoll for pause, which this architecture lacks. */
function arm64Code(): Buffer {
    const move = (register: number, value: number): number => (0xd2800000 | (value << 5) | register) >>> 0;
    const call = 0xd4000001;
    const words = [
        move(8, 134),
        move(0, SIGCHLD),
        (0x10000000 | (12 << 5) | 1) >>> 0,
        move(2, 0),
        move(3, 8),
        call,
        move(8, 73),
        ...[0, 1, 2, 3, 4].map((register) => move(register, 0)),
        call,
        (0x14000000 | (0x3ffffff & -7)) >>> 0,
    ];
    const code = Buffer.alloc(words.length * 4);
    words.forEach((word, index) => {
        code.writeUInt32LE(word, index * 4);
    });
    return Buffer.concat([code, IGNORE_ACTION]);
}

const MACHINES: Readonly<Record<string, { readonly elf: number; readonly code: () => Buffer }>> = {
    amd64: { elf: 62, code: amd64Code },
    arm64: { elf: 183, code: arm64Code },
};

/** A static ELF executable of one loadable segment. */
export function pauseProgram(architecture: string): Buffer {
    const machine = MACHINES[architecture];
    if (machine === undefined) {
        const reason = `there is no built-in one for ${architecture}; load one as ${PAUSE_IMAGE}`;
        throw new RedgeError("REDGE_RUNTIME_IMAGE", { image: PAUSE_IMAGE, reason });
    }
    const code = machine.code();
    const size = BigInt(HEADER_BYTES + code.length);
    const header = Buffer.alloc(HEADER_BYTES);
    Buffer.from("7f454c46020101", "hex").copy(header);
    header.writeUInt16LE(2, 16);
    header.writeUInt16LE(machine.elf, 18);
    header.writeUInt32LE(1, 20);
    header.writeBigUInt64LE(BigInt(LOAD_ADDRESS + HEADER_BYTES), 24);
    header.writeBigUInt64LE(64n, 32);
    header.writeUInt16LE(64, 52);
    header.writeUInt16LE(56, 54);
    header.writeUInt16LE(1, 56);
    header.writeUInt32LE(1, 64);
    header.writeUInt32LE(5, 68);
    header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80);
    header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88);
    header.writeBigUInt64LE(size, 96);
    header.writeBigUInt64LE(size, 104);
    header.writeBigUInt64LE(0x1000n, 112);
    return Buffer.concat([header, code]);
}

/** A tar archive (ustar) with the program as /pause, as engines import it. */
export function pauseTar(architecture: string): Buffer {
    const program = pauseProgram(architecture);
    const header = Buffer.alloc(512);
    header.write("pause", 0);
    header.write("0000755\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${program.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write("0", 156);
    header.write("ustar\u000000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const padding = Buffer.alloc((512 - (program.length % 512)) % 512);
    return Buffer.concat([header, program, padding, Buffer.alloc(1024)]);
}
