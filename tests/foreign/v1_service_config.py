"""The channel configuration that docs/api/service-config.json recommends, as Python's gRPC takes it."""
import collections
import json
import os
import unittest
from concurrent import futures

import grpc

from service_case import Code

from kvstore.v1 import key_value_service_pb2 as calls

SECONDS = 10.0

SERVICE_CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api/service-config.json")


class FailsFirst(grpc.GenericRpcHandler):
    """Of every method the first two calls are UNAVAILABLE, the others answer with no bytes; counts them."""

    def __init__(self):
        self.calls = collections.Counter()

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]

        def answer(_, context):
            self.calls[method] += 1
            if self.calls[method] <= 2:
                context.abort(Code.UNAVAILABLE, "not now")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


class ServiceConfig(unittest.TestCase):
    """The recommended configuration of a channel: gRPC takes it, and what it says is what happens."""

    def setUp(self):
        self.failing = FailsFirst()
        self.server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[self.failing])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.addCleanup(self.server.stop, None)

    def call(self, method, config):
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=[("grpc.service_config", config)]) as channel:
            return channel.unary_unary("/kvstore.v1.KeyValueService/" + method)(b"", timeout=SECONDS)

    def test_reads_are_retried_and_writes_are_not(self):
        with open(SERVICE_CONFIG, encoding="utf-8") as file:
            config = file.read()
        self.assertEqual(self.call("Get", config), b"")
        self.assertEqual(self.failing.calls["Get"], 3)
        for method in ("Set", "Delete", "Increment", "Append", "SetExpiry", "DeleteRange", "Transact"):
            with self.assertRaises(grpc.RpcError) as caught:
                self.call(method, config)
            self.assertEqual(caught.exception.code(), Code.UNAVAILABLE)
            self.assertEqual(self.failing.calls[method], 1, method)

    def test_every_method_that_it_names_is_there(self):
        with open(SERVICE_CONFIG, encoding="utf-8") as file:
            named = [name for part in json.load(file)["methodConfig"] for name in part["name"]]
        methods = calls.DESCRIPTOR.services_by_name["KeyValueService"].methods_by_name
        new = [name["method"] for name in named if name["service"] == "kvstore.v1.KeyValueService"]
        self.assertEqual(sorted(new), ["Get", "MultiGet", "Scan"])
        self.assertTrue(all(method in methods for method in new))

    def test_one_that_makes_no_sense_would_be_refused(self):
        with open(SERVICE_CONFIG, encoding="utf-8") as file:
            config = file.read().replace('"maxAttempts": 4', '"maxAttempts": 1')
        with self.assertRaises(grpc.RpcError):
            self.call("Get", config)
        self.assertEqual(self.failing.calls["Get"], 0)
