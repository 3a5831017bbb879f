#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Bluetooth LE thermometer that is not there, for the bluetooth mapper to find without any Bluetooth hardware.

Starts a D-Bus of its own with a stand-in for BlueZ on it (see bluez_gatt.py) and prints the address of that bus, which goes
into the mapper node's field "D-Bus address". The device is the one of examples/devices/thermometer.yaml:

    0x2a6e  temperature, hundredths of a degree, 16 bits   read, notify
    0x2a19  battery level, percent, 8 bits                 read
    0x2a21  measurement interval, seconds, 16 bits         read, write

From time to time it goes out of reach. Needs Debian's dbus, python3-dbusmock, python3-dbus and python3-gi. Ctrl-C ends it.
"""

import argparse
import math
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ADDRESS = "AA:BB:CC:DD:EE:01"
TEMPLATE = pathlib.Path(__file__).resolve().parent / "bluez_gatt.py"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy></busconfig>"""


def uuid(short):
    return f"0000{short}-0000-1000-8000-00805f9b34fb"


class Thermometer:
    """The device: measures, and answers what is read and written."""

    def __init__(self, bluez):
        self.bluez = bluez
        bluez.AddAdapter("hci0", "gateway")
        self.path = bluez.AddPeripheral("hci0", ADDRESS, "thermometer")
        service = bluez.AddGattService(self.path, "service0001", uuid("181a"))

        def characteristic(index, short, flags, value):
            octets = dbus.Array(value, signature="y")
            return bluez.AddGattCharacteristic(service, f"char{index:04}", uuid(short), dbus.Array(flags, signature="s"), octets)

        self.temperature = characteristic(1, "2a6e", ["read", "notify"], struct.pack("<h", 2000))
        characteristic(2, "2a19", ["read"], bytes([87]))
        self.interval = characteristic(3, "2a21", ["read", "write"], struct.pack("<H", 1))

    def measure(self):
        degrees = 20 + 2 * math.sin(time.time() / 20)
        self.bluez.SetValue(self.temperature, dbus.Array(struct.pack("<h", round(100 * degrees)), signature="y"))
        seconds = int.from_bytes(bytes(self.bluez.Held(self.interval)), "little")
        GLib.timeout_add_seconds(max(1, seconds), self.measure)
        return GLib.SOURCE_REMOVE

    def leave(self, period, outage):
        self.bluez.SetInReach(self.path, False)
        GLib.timeout_add_seconds(outage, self.come_back, period, outage)
        return GLib.SOURCE_REMOVE

    def come_back(self, period, outage):
        self.bluez.SetInReach(self.path, True)
        GLib.timeout_add_seconds(period, self.leave, period, outage)
        return GLib.SOURCE_REMOVE


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", help="path of the bus's socket (default: one in a new folder of its own)")
    parser.add_argument("--period", type=int, default=60, help="seconds in reach between two outages (60)")
    parser.add_argument("--outage", type=int, default=10, help="seconds out of reach each time; 0: always in reach (10)")
    given = parser.parse_args()
    if given.period < 1 or given.outage < 0:
        parser.error("--period takes 1 and more, --outage 0 and more")
    return given


def simulate(given, folder, children):
    socket = given.socket or f"{folder}/bus"
    address = f"unix:path={socket}"
    config = pathlib.Path(folder, "bus.conf")
    config.write_text(BUS.format(socket=socket), encoding="utf8")
    daemon = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"]
    children.append(subprocess.Popen(daemon, stdout=subprocess.PIPE, start_new_session=True))
    if not children[0].stdout.readline():
        sys.exit(f"dbus-daemon does not start; see above. Is {socket} in use?")
    mock = [sys.executable, "-m", "dbusmock", "--system", "--template", str(TEMPLATE)]
    environment = {"DBUS_SYSTEM_BUS_ADDRESS": address}
    # Sessions of their own: a Ctrl-C is for this program, which then ends them in order.
    children.append(subprocess.Popen(mock, env=environment, stdout=subprocess.DEVNULL, start_new_session=True))

    DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    loop = GLib.MainLoop()

    def owned(owner):
        if not owner:
            return
        thermometer = Thermometer(dbus.Interface(bus.get_object("org.bluez", "/"), "org.bluez.Mock"))
        thermometer.measure()
        if given.outage > 0:
            GLib.timeout_add_seconds(given.period, thermometer.leave, given.period, given.outage)
        print(f"{ADDRESS} is in reach; D-Bus address of the mapper node:\n{address}", flush=True)

    def ended(_pid, _status):
        print("The stand-in for BlueZ has ended.", file=sys.stderr)
        loop.quit()

    bus.watch_name_owner("org.bluez", owned)
    GLib.child_watch_add(GLib.PRIORITY_DEFAULT, children[1].pid, ended)
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    loop.run()


def main():
    given = arguments()
    folder, children = tempfile.mkdtemp(prefix="redge-bluetooth-"), []
    try:
        simulate(given, folder, children)
    finally:
        for child in reversed(children):  # the stand-in before its bus
            child.terminate()
            child.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
