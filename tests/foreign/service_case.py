"""What the Python tests of either service share: a channel with the generated stub, bytes sent by hand where a stub
refuses to send something wrong, and refusals with their words."""
import os
import sys
import unittest

import grpc

sys.path.insert(0, os.environ["STUBS"])  # for whoever imports generated code after this

TARGET = os.environ["KVSTORE_SERVER_ADDR"]
KEY_BYTES_MAX = 64 << 10
ENTRY_BYTES_MAX = (4 << 20) - (4 << 10)
Code = grpc.StatusCode


class ServiceCase(unittest.TestCase):
    service_name = ""  # its full name
    stub_class = None
    seconds = 10.0  # for one call; what is sent by hand may be large

    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(TARGET, options=[("grpc.max_send_message_length", -1)])
        cls.stub = cls.stub_class(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()

    def raw(self, method, payload):
        return self.channel.unary_unary(f"/{self.service_name}/{method}")(payload, timeout=5 * self.seconds)

    def assert_refused(self, code, word, call, *arguments, **named):
        """An empty word: the refusal is not the server's own."""
        with self.assertRaises(grpc.RpcError) as caught:
            call(*arguments, **named)
        error = caught.exception
        self.assertEqual(error.code(), code, error.details())
        if word:
            self.assertTrue(error.details().startswith(word + ": "), error.details())
            self.assertIn(word.encode(), dict(error.trailing_metadata())["grpc-status-details-bin"])
        return error

    def assert_invalid(self, word, call, *arguments, **named):
        return self.assert_refused(Code.INVALID_ARGUMENT, word, call, *arguments, **named)
