# SPDX-License-Identifier: Apache-2.0
"""An independent Modbus server (python3-pymodbus): `tcp PORT UNITS` or `rtu PATH UNITS`, UNITS as 1,2,5-9. Units that are not listed stay silent.

Registers at the start: coils 0..99 = 1,0,0,1 repeated; discrete inputs = 1,0 repeated; holding 0..199 = 0..199 + unit * 256;
input registers = 1000 + address. Each line of standard input `get UNIT FC ADDRESS COUNT` is answered by what the datastore
holds, as one line of JSON; nothing else is ever printed.
"""
import asyncio
import json
import sys
import threading

from pymodbus.datastore import ModbusSequentialDataBlock as Block
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer


def units(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def slave(unit):
    return ModbusSlaveContext(
        co=Block(0, [1, 0, 0, 1] * 25),
        di=Block(0, [1, 0] * 50),
        hr=Block(0, [address + unit * 256 & 0xFFFF for address in range(200)]),
        ir=Block(0, [1000 + address for address in range(200)]),
        zero_mode=True,
    )


class Context(ModbusServerContext):
    """Units that are not there are silent. Without this pymodbus forgets the other requests of the same TCP segment too."""

    def slaves(self):
        return super().slaves() if "drop" in sys.argv else list(range(256))


context = Context(slaves={unit: slave(unit) for unit in units(sys.argv[3])}, single=False)


def answer():
    for line in sys.stdin:
        _, unit, fc, address, count = line.split()
        values = context[int(unit)].getValues(int(fc), int(address), int(count))
        print(json.dumps([int(value) for value in values]), flush=True)


async def main():
    if sys.argv[1] == "tcp":
        server = ModbusTcpServer(context, address=("127.0.0.1", int(sys.argv[2])), allow_reuse_address=True, ignore_missing_slaves=True)
        await server.serve_forever()
    else:
        server = ModbusSerialServer(context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=19200, timeout=0.02, ignore_missing_slaves=True)
        await server.start()
        await server.serve_forever()


threading.Thread(target=answer, daemon=True).start()
asyncio.run(main())
