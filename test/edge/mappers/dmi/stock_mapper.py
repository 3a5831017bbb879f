# SPDX-License-Identifier: Apache-2.0
"""A KubeEdge mapper on Google's own gRPC and protobuf: `GATEWAY_SOCKET OWN_SOCKET`.

Reads the interface from stock.proto beside it. Each line of standard input is JSON: `{id, method, request}` calls the gateway, and
`{id, method, raw}` sends bytes (hex) that need not be a message. Each is answered by a line `{id, response}` or `{id, code, message}`;
what the gateway calls is told as `{called, request}`. `{ready: true}` comes first.
"""
import base64
import json
import os
import re
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory, wrappers_pb2

TYPES = {"string": 9, "bytes": 12, "bool": 8, "int32": 5, "int64": 3}
WRAPPERS = {name: getattr(wrappers_pb2, name) for name in ("StringValue", "BoolValue", "FloatValue", "Int32Value", "Int64Value")}
out = threading.Lock()


def say(**line):
    with out:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def load():
    """Messages and services of stock.proto, which keeps to one statement a line."""
    text = open(os.path.join(os.path.dirname(__file__), "stock.proto"), encoding="utf-8").read()
    file = descriptor_pb2.FileDescriptorProto(name="stock.proto", package="v1beta1", syntax="proto3", dependency=[any_pb2.DESCRIPTOR.name])
    for name, body in re.findall(r"^message (\w+) \{(.*)\}$", text, re.M):
        message = file.message_type.add(name=name)
        for kind, field, number in re.findall(r"\s*((?:repeated )?[\w.]+|map<string, [\w.]+>) (\w+) = (\d+);", body):
            to = message.field.add(name=field, number=int(number), label=3 if kind.startswith(("repeated", "map")) else 1)
            value = kind.removeprefix("repeated ")
            if kind.startswith("map"):
                entry = message.nested_type.add(name=field[0].upper() + field[1:] + "Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=1, type=9)
                typed(entry.field.add(name="value", number=2, label=1), kind[len("map<string, "):-1])
                to.type, to.type_name = 11, f".v1beta1.{name}.{entry.name}"
            else:
                typed(to, value)
    pool = descriptor_pool.Default()
    pool.Add(file)
    make = message_factory.MessageFactory(pool)
    return {message.name: make.GetPrototype(pool.FindMessageTypeByName("v1beta1." + message.name)) for message in file.message_type}, re.findall(r"rpc (\w+)", text)


def typed(field, kind):
    if kind in TYPES:
        field.type = TYPES[kind]
    else:
        field.type, field.type_name = 11, "." + kind if "." in kind else ".v1beta1." + kind


def plain(message):
    """A message as JSON holds it; an Any as the value that is in it."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        return WRAPPERS[message.type_url.rsplit(".", 1)[1]].FromString(message.value).value
    found = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            found[field.name] = {key: one(value[key]) for key in value}
        elif field.label == field.LABEL_REPEATED:
            found[field.name] = [one(each) for each in value]
        elif field.message_type is None or message.HasField(field.name):
            found[field.name] = one(value)
    return found


def one(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return plain(value) if hasattr(value, "DESCRIPTOR") else value


messages, methods = load()


def served(method):
    def answer(request, _context):
        say(called=method, request=plain(request))
        return messages[method + "Response"]()

    return grpc.unary_unary_rpc_method_handler(answer, messages[method + "Request"].FromString, lambda response: response.SerializeToString())


server = grpc.server(futures.ThreadPoolExecutor(4))
handlers = {method: served(method) for method in methods}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v1beta1.DeviceMapperService", handlers),))
server.add_insecure_port("unix:" + sys.argv[2])
server.start()
channel = grpc.insecure_channel("unix:" + sys.argv[1], options=[("grpc.max_send_message_length", -1)])
say(ready=True)

for line in sys.stdin:
    order = json.loads(line)
    method = order["method"]
    try:
        if "raw" in order:
            payload = bytes.fromhex(order["raw"])
        else:
            payload = json_format.ParseDict(order["request"], messages[method + "Request"]()).SerializeToString()
        call = channel.unary_unary("/v1beta1.DeviceManagerService/" + method, response_deserializer=messages[method + "Response"].FromString)
        say(id=order["id"], response=plain(call(payload, timeout=120, wait_for_ready=True)))
    except grpc.RpcError as error:
        say(id=order["id"], code=error.code().value[0], message=error.details())
