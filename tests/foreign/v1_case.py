"""What the tests of kvstore.v1 in Python share: the generated stubs, and a call of each kind."""
import os
import sys
import unittest

import grpc

sys.path.insert(0, os.environ["STUBS"])
from kvstore.v1 import admin_service_pb2 as admin  # noqa: E402
from kvstore.v1 import admin_service_pb2_grpc as admin_service  # noqa: E402
from kvstore.v1 import key_value_pb2 as kv  # noqa: E402
from kvstore.v1 import key_value_service_pb2 as calls  # noqa: E402
from kvstore.v1 import key_value_service_pb2_grpc as service  # noqa: E402
from kvstore.v1 import operation_pb2 as operation  # noqa: E402
from kvstore.v1 import types_pb2 as types  # noqa: E402

TARGET = os.environ["KVSTORE_SERVER_ADDR"]
SECONDS = 10.0
KEY_BYTES_MAX = 64 << 10
ENTRY_BYTES_MAX = (4 << 20) - (4 << 10)
Code = grpc.StatusCode


def one_id():
    return types.WriteOptions(request_id=os.urandom(16))


class NewClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(TARGET, options=[("grpc.max_send_message_length", -1)])
        cls.stub = service.KeyValueServiceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()

    def setUp(self):
        self.call("DeleteRange", calls.DeleteRangeRequest(confirm_all=True))

    def call(self, method, request):
        return getattr(self.stub, method)(request, timeout=SECONDS)

    def set(self, key, value=b"", **more):
        return self.call("Set", kv.SetRequest(key=key, value=value, **more))

    def get(self, key, **more):
        return self.call("Get", kv.GetRequest(key=key, **more))

    def value(self, key):
        return self.get(key).entry.value

    def raw(self, method, payload):
        return self.channel.unary_unary("/kvstore.v1.KeyValueService/" + method)(payload, timeout=SECONDS)

    def pipeline(self, *messages):
        return list(self.stub.Pipeline(iter(messages), timeout=SECONDS))

    def scan(self, **request):
        return list(self.stub.Scan(calls.ScanRequest(**request), timeout=SECONDS))

    def assert_refused(self, code, word, act):
        with self.assertRaises(grpc.RpcError) as caught:
            act()
        error = caught.exception
        self.assertEqual(error.code(), code, error.details())
        self.assertTrue(error.details().startswith(word + ": "), error.details())
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(word.encode(), details)
        self.assertIn(b"kvstore", details)
        return error
