// SPDX-License-Identifier: Apache-2.0

/** Devices, twins, the event bus and mappers. */
export const deviceErrors = {
    REDGE_DEVICE_INVALID: {
        message: "The device {device} is not valid: {field} {reason}",
        cause: "A field of the Device or DeviceModel object has another form than the mapper or the twin needs.",
        remedy: "Mend {field} in the Device or its DeviceModel with kubectl; the change reaches the gateway by itself.",
    },
    REDGE_DEVICE_VALUE: {
        message: "The value {value} of {property} is refused: it {reason}",
        cause: "The desired value does not fit the property's type, limits or register.",
        remedy: "Set another desired value, or mend type, minimum and maximum in the DeviceModel.",
    },
    REDGE_DEVICE_UNKNOWN: {
        message: "The device {device} is not known at this gateway",
        cause: "No Device object with spec.nodeName of this gateway and that name has arrived.",
        remedy: "Check `kubectl get devices -A` and the device's spec.nodeName; ids have the form <namespace>/<name>.",
    },
    REDGE_DEVICE_NO_ANSWER: {
        message: "DeviceTwin did not answer for {device}",
        cause: "The node's first output or its input is not wired to a kubeedge-devicetwin node, or that node does not run.",
        remedy: "Wire the first output to DeviceTwin's input, and DeviceTwin's third output to this node.",
    },
    REDGE_DEVICE_CALL: {
        message: "The call {id} of a method of {device} is refused: {reason}",
        cause: "The annotation call.redge.io/<id> names no method of the Device, or parameters that the method does not take.",
        remedy: "Look at spec.methods of the Device, and call again with another id.",
    },
    REDGE_DEVICE_MESSAGE: {
        message: "A message to {component} is refused: {field} {reason}",
        cause: "The message on the wire has another shape than docs/devices.md describes.",
        remedy: "Look at the node in front of it; the message was refused and nothing else was changed.",
    },
    REDGE_EVENTBUS_LISTEN: {
        message: "The MQTT broker cannot listen on {host}:{port}: {reason}",
        cause: "Another program (often Mosquitto) has that port, or the address is not of this machine.",
        remedy: "Choose another port in the EventBus node, stop the other program, or use it as the external broker.",
    },
    REDGE_EVENTBUS_TLS: {
        message: "The TLS files of the MQTT broker cannot be read: {reason}",
        cause: "A certificate, key or CA file that the EventBus node names is missing or not PEM.",
        remedy: "Check the three paths in the EventBus node and the rights of the files.",
    },
    REDGE_EVENTBUS_OFFLINE: {
        message: "The MQTT broker {url} is not connected; a message to {topic} cannot be published",
        cause: "The external broker is down or refuses this client, and too many messages are waiting already.",
        remedy: "Check the broker's address, user and certificates; the connection is retried by itself.",
    },
    REDGE_EVENTBUS_NOT_STORED: {
        message: "A message to {topic} is not on disk and was not acknowledged: {reason}",
        cause: "The store took nothing (a full disk, most likely), or the gateway was stopping.",
        remedy: "The MQTT client sends it again when it is connected again; look for what the store says in the log.",
    },
    REDGE_BLE_LIBRARY: {
        message: "Bluetooth needs the package @jellybrick/dbus-next",
        cause: "It is optional and was left out when Redge was installed.",
        remedy: "Install it in the user directory and restart Node-RED, or remove the Bluetooth mapper node.",
    },
    REDGE_DMI_LISTEN: {
        message: "The Device Mapper Interface cannot listen at {path}: {reason}",
        cause: "The folder cannot be written, or another EdgeCore or gateway already serves that socket.",
        remedy: "Choose another socket path in the DMI node, or give this user the right to write the folder.",
    },
    REDGE_DMI_LIBRARY: {
        message: "The Device Mapper Interface needs the packages @grpc/grpc-js and @grpc/proto-loader",
        cause: "They are optional and were left out when Redge was installed.",
        remedy: "Install both packages in the user directory and restart Node-RED, or remove the DMI node.",
    },
    REDGE_MODBUS_VISITOR: {
        message: "Property {property} of {device} cannot be read by Modbus: {field} {reason}",
        cause: "The visitor's configData does not describe a register as KubeEdge's Modbus visitors do.",
        remedy: "Give register, offset, limit and, where needed, scale, isSwap, isRegisterSwap and dataType.",
    },
    REDGE_MODBUS_CONNECTION: {
        message: "The device {device} cannot be reached by Modbus: {field} {reason}",
        cause: "spec.protocol.configData (or the model's defaults) does not say where the device is.",
        remedy: "Give ip, port and slaveID for TCP, or serialName, baudRate and slaveID for RTU.",
    },
    REDGE_OPCUA_LIBRARY: {
        message: "OPC UA needs the package node-opcua-client",
        cause: "It is large and not part of Redge: whoever uses OPC UA installs it.",
        remedy: "Run npm install node-opcua-client in the user directory, or remove the OPC UA mapper node.",
    },
    REDGE_OPCUA_CONNECT: {
        message: "The OPC UA server {url} cannot be used: {reason}",
        cause: "It is not there, offers no such security, or does not trust this end, its user, or the other way round.",
        remedy: "Check url, securityMode, securityPolicy and userName of the Device; move a rejected certificate to trusted/certs, at both ends.",
    },
    REDGE_OPCUA_FILE: {
        message: "The OPC UA mapper cannot use {path}: {reason}",
        cause: "A certificate, key or password that a Device names is missing or unreadable, or the mapper's folder cannot be written.",
        remedy: "Check the path and the rights of the file; paths are those of the gateway.",
    },
} as const;
