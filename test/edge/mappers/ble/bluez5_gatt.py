# SPDX-License-Identifier: Apache-2.0
"""dbusmock template: Debian's bluez5 template plus GATT services and characteristics."""
import dbus
from dbusmock import mockobject
from dbusmock.templates import bluez5 as _b
from dbusmock.templates.bluez5 import *          # AddAdapter, AddDevice, ...  (decorated mock methods)
BUS_NAME, MAIN_OBJ, SYSTEM_BUS, IS_OBJECT_MANAGER = 'org.bluez', '/', True, True
load = _b.load
# dbusmock leaves the PropertiesChanged signal out of its introspection XML; dbus-next (node-ble) subscribes only to introspected signals
_orig_introspect = dbus.service.Object.Introspect
def _introspect(self, path, conn):
    return _orig_introspect(self, path, conn).replace('<interface name="org.freedesktop.DBus.Properties">',
        '<interface name="org.freedesktop.DBus.Properties"><signal name="PropertiesChanged"><arg type="s"/><arg type="a{sv}"/><arg type="as"/></signal>').replace(
        '<interface name="org.freedesktop.DBus.ObjectManager">', '<interface name="org.freedesktop.DBus.ObjectManager"><signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal><signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>')
dbus.service.Object.Introspect = _introspect
D, S, C, P = 'org.bluez.Device1', 'org.bluez.GattService1', 'org.bluez.GattCharacteristic1', 'org.freedesktop.DBus.Properties'

def _changed(o, iface, d):
    o.props[iface].update(d)
    o.EmitSignal(P, 'PropertiesChanged', 'sa{sv}as', [iface, d, dbus.Array([], signature='s')])

def _added(path, iface, props):
    mockobject.objects['/'].EmitSignal('org.freedesktop.DBus.ObjectManager', 'InterfacesAdded', 'oa{sa{sv}}', [dbus.ObjectPath(path), {iface: props}])

def connect(dev):
    _changed(dev, D, {'Connected': dbus.Boolean(True, variant_level=1)}); dev.connected = True
    _changed(dev, D, {'ServicesResolved': dbus.Boolean(True, variant_level=1)})

def disconnect(dev):
    _changed(dev, D, {'ServicesResolved': dbus.Boolean(False, variant_level=1)})
    _changed(dev, D, {'Connected': dbus.Boolean(False, variant_level=1)}); dev.connected = False

def read(ch, options):
    if 'read' not in ch.props[C]['Flags']: raise dbus.exceptions.DBusException('Read not permitted', name='org.bluez.Error.NotPermitted')
    return dbus.Array(ch.props[C]['Value'], signature='y')

def write(ch, value, options):
    if not {'write', 'write-without-response'} & set(ch.props[C]['Flags']): raise dbus.exceptions.DBusException('Write not permitted', name='org.bluez.Error.NotPermitted')
    _changed(ch, C, {'Value': dbus.Array(value, signature='y', variant_level=1)})

@dbus.service.method(_b.BLUEZ_MOCK_IFACE, in_signature='sss', out_signature='s')
def AddGattService(self, device_path, node, uuid):
    path = device_path + '/' + node; p = {'UUID': dbus.String(uuid, variant_level=1), 'Primary': dbus.Boolean(True, variant_level=1), 'Device': dbus.ObjectPath(device_path, variant_level=1)}
    self.AddObject(path, S, p, []); _added(path, S, p); return path

@dbus.service.method(_b.BLUEZ_MOCK_IFACE, in_signature='sssasay', out_signature='s')
def AddGattCharacteristic(self, service_path, node, uuid, flags, value):
    path = service_path + '/' + node
    p = {'UUID': dbus.String(uuid, variant_level=1), 'Service': dbus.ObjectPath(service_path, variant_level=1), 'Flags': dbus.Array(flags, signature='s', variant_level=1), 'Notifying': dbus.Boolean(False, variant_level=1), 'Value': dbus.Array(value, signature='y', variant_level=1)}
    self.AddObject(path, C, p, [('ReadValue', 'a{sv}', 'ay', read), ('WriteValue', 'aya{sv}', '', write),
        ('StartNotify', '', '', lambda ch: _changed(ch, C, {'Notifying': dbus.Boolean(True, variant_level=1)})),
        ('StopNotify', '', '', lambda ch: _changed(ch, C, {'Notifying': dbus.Boolean(False, variant_level=1)}))])
    _added(path, C, p); return path

@dbus.service.method(_b.BLUEZ_MOCK_IFACE, in_signature='say')
def SetValue(self, path, value):
    _changed(mockobject.objects[path], C, {'Value': dbus.Array(value, signature='y', variant_level=1)})

@dbus.service.method(_b.BLUEZ_MOCK_IFACE, in_signature='s')
def PatchDevice(self, path):
    o = mockobject.objects[path]
    o.AddMethods(D, [('Connect', '', '', connect), ('Disconnect', '', '', disconnect)])
