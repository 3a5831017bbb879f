# SPDX-License-Identifier: Apache-2.0
"""A stand-in for BlueZ with Bluetooth LE devices: a template for python3-dbusmock.

Adds to dbusmock's own bluez5 template what GATT needs: services, characteristics, and devices that connect, come into
reach and go out of it. The interfaces are those of BlueZ's doc/org.bluez.*.rst; `org.bluez.Mock` at `/` is the stand-in's own.
"""

import dbus
from dbusmock import mockobject
from dbusmock.templates import bluez5
from dbusmock.templates.bluez5 import *  # AddAdapter, AddDevice and what else a template brings

BUS_NAME, MAIN_OBJ, SYSTEM_BUS, IS_OBJECT_MANAGER = "org.bluez", "/", True, True
load = bluez5.load

DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"


def flag(value):
    return dbus.Boolean(value, variant_level=1)


def octets(value):
    return dbus.Array(value, signature="y", variant_level=1)


def error(name, text):
    return dbus.exceptions.DBusException(text, name=f"org.bluez.Error.{name}")


def change(thing, interface, properties):
    """Sets properties and says so, as BlueZ does."""
    thing.props[interface].update(properties)
    unset = dbus.Array([], signature="s")
    thing.EmitSignal(dbus.PROPERTIES_IFACE, "PropertiesChanged", "sa{sv}as", [interface, properties, unset])


def added(path, interface, properties):
    arguments = [dbus.ObjectPath(path), {interface: properties}]
    mockobject.objects["/"].EmitSignal(OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", arguments)


def characteristics_of(device):
    prefix = f"{device.path}/"
    return [one for path, one in mockobject.objects.items() if path.startswith(prefix) and CHARACTERISTIC in one.props]


def connect(device):
    if not getattr(device, "in_reach", True):
        raise error("Failed", "le-connection-abort-by-local")
    if device.connected:
        return
    device.connected = True
    change(device, DEVICE, {"Connected": flag(True)})
    change(device, DEVICE, {"ServicesResolved": flag(True)})


def disconnect(device):
    """The end of a connection is the end of its notifications, too."""
    if not device.connected:
        return
    device.connected = False
    for one in characteristics_of(device):
        one.props[CHARACTERISTIC]["Notifying"] = flag(False)
    change(device, DEVICE, {"ServicesResolved": flag(False)})
    change(device, DEVICE, {"Connected": flag(False)})


def allowed(characteristic, *flags):
    """Refuses what BlueZ refuses: a device that is not connected, an operation that the characteristic has not."""
    service = mockobject.objects[str(characteristic.props[CHARACTERISTIC]["Service"])]
    if not mockobject.objects[str(service.props[SERVICE]["Device"])].connected:
        raise error("Failed", "Not connected")
    if not set(flags) & set(characteristic.props[CHARACTERISTIC]["Flags"]):
        raise error("NotPermitted", f"{flags[0]} not permitted")


def read(characteristic, _options):
    allowed(characteristic, "read")
    return dbus.Array(characteristic.props[CHARACTERISTIC]["Value"], signature="y")


def write(characteristic, value, _options):
    allowed(characteristic, "write", "write-without-response")
    characteristic.props[CHARACTERISTIC]["Value"] = octets(value)


def start_notify(characteristic):
    allowed(characteristic, "notify", "indicate")
    change(characteristic, CHARACTERISTIC, {"Notifying": flag(True)})


def stop_notify(characteristic):
    change(characteristic, CHARACTERISTIC, {"Notifying": flag(False)})


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="sss", out_signature="s")
def AddPeripheral(self, adapter, address, alias):
    """A device that connects as Bluetooth LE devices do, with no services yet. Returns its path."""
    path = bluez5.AddDevice(self, adapter, address, alias)
    device = mockobject.objects[path]
    device.in_reach = True
    device.AddMethods(DEVICE, [("Connect", "", "", connect), ("Disconnect", "", "", disconnect)])
    return path


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="sss", out_signature="s")
def AddGattService(self, device, name, uuid):
    path = f"{device}/{name}"
    properties = {
        "UUID": dbus.String(uuid, variant_level=1),
        "Primary": flag(True),
        "Device": dbus.ObjectPath(device, variant_level=1),
    }
    self.AddObject(path, SERVICE, properties, [])
    added(path, SERVICE, properties)
    return path


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="sssasay", out_signature="s")
def AddGattCharacteristic(self, service, name, uuid, flags, value):
    path = f"{service}/{name}"
    properties = {
        "UUID": dbus.String(uuid, variant_level=1),
        "Service": dbus.ObjectPath(service, variant_level=1),
        "Flags": dbus.Array(flags, signature="s", variant_level=1),
        "Notifying": flag(False),
        "Value": octets(value),
    }
    methods = [
        ("ReadValue", "a{sv}", "ay", read),
        ("WriteValue", "aya{sv}", "", write),
        ("StartNotify", "", "", start_notify),
        ("StopNotify", "", "", stop_notify),
    ]
    self.AddObject(path, CHARACTERISTIC, properties, methods)
    added(path, CHARACTERISTIC, properties)
    return path


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="say")
def SetValue(self, path, value):
    """What the device itself has as value now: told to those who listen, else only to who reads."""
    characteristic = mockobject.objects[path]
    if characteristic.props[CHARACTERISTIC]["Notifying"]:
        change(characteristic, CHARACTERISTIC, {"Value": octets(value)})
    else:
        characteristic.props[CHARACTERISTIC]["Value"] = octets(value)


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="s", out_signature="ay")
def Held(self, path):
    """What the device has as value, connected or not."""
    return dbus.Array(mockobject.objects[path].props[CHARACTERISTIC]["Value"], signature="y")


@dbus.service.method(bluez5.BLUEZ_MOCK_IFACE, in_signature="sb")
def SetInReach(self, path, in_reach):
    """Out of reach a device loses its connection and takes no other."""
    device = mockobject.objects[path]
    device.in_reach = bool(in_reach)
    if not in_reach:
        disconnect(device)
