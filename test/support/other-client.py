"""A gRPC client that shares no code with the appliance: calls one method with an empty message, prints what came back.

usage: other-client.py ADDRESS LINE-CA CERTIFICATE KEY METHOD
The answer's fields are printed as `number length first-bytes`, failures as `error CODE details`.
"""
import sys

import grpc

address, line_ca, certificate, key, method = sys.argv[1:]
read = lambda path: open(path, "rb").read()
credentials = grpc.ssl_channel_credentials(read(line_ca), read(key), read(certificate))


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
            yield tag >> 3, str(value)
        else:
            length, at = varint(data, at)
            yield tag >> 3, data[at : at + length].decode()
            at += length


with grpc.secure_channel(address, credentials) as channel:
    call = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
    try:
        for number, value in fields(call(b"", timeout=10)):
            print(number, len(value), value.splitlines()[0])
    except grpc.RpcError as error:
        print("error", error.code().name, error.details())
