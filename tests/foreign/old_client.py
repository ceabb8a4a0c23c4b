#!/usr/bin/python3
"""Every call that the old client and its tests make, and every bad one, from a client we did not write.

Generated stubs of the original's schema, Debian's grpcio, one second for each call. Where a generated stub refuses to
send something wrong, the bytes are sent by hand on the same channel.
"""
import os
import unittest

import grpc

from service_case import ENTRY_BYTES_MAX, KEY_BYTES_MAX, ServiceCase

import original_pb2 as messages
import original_pb2_grpc as service

SECOND = 1.0


def field(number, payload):
    """A length-delimited field, as protobuf writes it."""
    length, size = len(payload), b""
    while True:
        size += bytes([(length & 0x7F) | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + size + payload


class OldClient(ServiceCase):
    service_name = "kvstore.KeyValueStore"
    stub_class = service.KeyValueStoreStub
    seconds = SECOND

    def setUp(self):
        for key in self.keys():
            self.delete(key)

    def set(self, key, value):
        self.stub.Set(messages.SetRequest(key=key, value=value), timeout=SECOND)

    def get(self, key):
        return self.stub.Get(messages.GetRequest(key=key), timeout=SECOND).value

    def delete(self, key):
        return self.stub.Del(messages.DelRequest(key=key), timeout=SECOND).success

    def keys(self):
        return list(self.stub.Keys(messages.KeysRequest(), timeout=SECOND).keys)

    def config(self, **settings):
        return self.stub.Config(messages.ConfigRequest(**settings), timeout=SECOND).success


class Calls(OldClient):
    def test_set_then_get(self):
        self.set("name", b"johndoe")
        self.assertEqual(self.get("name"), b"johndoe")

    def test_set_overwrites(self):
        self.set("name", b"a much longer value than the next")
        self.set("name", b"short")
        self.assertEqual(self.get("name"), b"short")

    def test_missing_key_is_ok_and_empty(self):
        self.assertEqual(self.get("nobody wrote this"), b"")

    def test_delete_tells_whether_the_key_was_there(self):
        self.set("name", b"johndoe")
        self.assertTrue(self.delete("name"))
        self.assertFalse(self.delete("name"))
        self.assertEqual(self.get("name"), b"")

    def test_keys_lists_every_key(self):
        self.assertEqual(self.keys(), [])
        for key in ("key1", "key2", "key3"):
            self.set(key, b"value")
        self.assertEqual(sorted(self.keys()), ["key1", "key2", "key3"])
        self.delete("key2")
        self.assertEqual(sorted(self.keys()), ["key1", "key3"])

    def test_empty_value_is_stored(self):
        self.set("empty", b"")
        self.assertEqual(self.get("empty"), b"")
        self.assertEqual(self.keys(), ["empty"])
        self.assertTrue(self.delete("empty"))

    def test_any_bytes_in_a_value_and_any_text_in_a_key(self):
        value = bytes(range(256)) * 3
        for key in (" ", "a key with blanks ", "line\nDEL other", "nul\0in it", "tab\t", "grüße", "\U0001f511"):
            self.set(key, value)
            self.assertEqual(self.get(key), value, key)
            self.assertIn(key, self.keys())
            self.assertTrue(self.delete(key))

    def trailers(self, call, request):
        _, call = call.with_call(request, timeout=SECOND, metadata=[("kvstore-want-trailers", "1")])
        return dict(call.trailing_metadata())

    def test_trailers_tell_missing_from_empty(self):
        self.set("empty", b"")
        for key, found in (("empty", "1"), ("missing", "0")):
            self.assertEqual(self.trailers(self.stub.Get, messages.GetRequest(key=key)).get("kvstore-found"), found)

    def test_trailers_tell_at_which_revision_was_read(self):
        request = messages.SetRequest(key="key", value=b"value")
        first = int(self.trailers(self.stub.Set, request)["kvstore-revision"])
        second = int(self.trailers(self.stub.Set, request)["kvstore-revision"])
        self.assertGreater(second, first)
        for key in ("key", "missing"):
            read = int(self.trailers(self.stub.Get, messages.GetRequest(key=key))["kvstore-revision"])
            self.assertGreaterEqual(read, second, key)

    def test_trailers_are_not_sent_unasked(self):
        _, call = self.stub.Get.with_call(messages.GetRequest(key="a"), timeout=SECOND)
        self.assertEqual([name for name, _ in call.trailing_metadata() if name.startswith("kvstore-")], [])


class Config(OldClient):
    MODES = (
        dict(storage_mode=messages.NON_PERSISTENT),
        dict(storage_mode=messages.SNAPSHOT, snapshot_interval=60, max_snapshots=3),
        dict(storage_mode=messages.AOF, aof_max_size=1 << 20),
        dict(storage_mode=messages.HYBRID, snapshot_interval=60, max_snapshots=3, aof_max_size=1 << 20),
        dict(),
        dict(storage_mode=messages.AOF),
        dict(storage_mode=messages.HYBRID),
        dict(storage_mode=messages.NON_PERSISTENT, snapshot_interval=1, max_snapshots=1, aof_max_size=1),
        dict(storage_mode=messages.HYBRID, snapshot_interval=300, max_snapshots=5, aof_max_size=10485760),
    )

    def test_every_mode_is_taken_within_a_second_and_no_key_is_lost(self):
        self.set("kept", b"through all modes")
        for number, settings in enumerate(self.MODES):
            self.assertTrue(self.config(**settings), settings)
            self.set(f"written {number}", str(number).encode())
            self.assertEqual(self.get("kept"), b"through all modes")
            self.assertEqual(len(self.keys()), number + 2)

    def test_a_mode_outside_the_enum_is_refused(self):
        self.assert_invalid("CONFIG_INVALID", self.config, storage_mode=4)
        self.assert_invalid("CONFIG_INVALID", self.config, storage_mode=-1)

    def test_negative_numbers_are_refused(self):
        for name in ("snapshot_interval", "max_snapshots"):
            self.assert_invalid("CONFIG_INVALID", self.config, storage_mode=messages.SNAPSHOT, **{name: -1})
        self.assert_invalid("CONFIG_INVALID", self.config, storage_mode=messages.AOF, aof_max_size=-1)


class BadInput(OldClient):
    def tearDown(self):
        self.set("still", b"serving")
        self.assertEqual(self.get("still"), b"serving")

    def test_empty_key(self):
        self.assert_invalid("EMPTY_KEY", self.set, "", b"value")
        self.assert_invalid("EMPTY_KEY", self.get, "")
        self.assert_invalid("EMPTY_KEY", self.delete, "")
        self.assert_invalid("EMPTY_KEY", self.raw, "Set", b"")

    def test_key_that_is_not_utf8(self):
        for method in ("Set", "Get", "Del"):
            for key in (b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"):
                self.assert_invalid("KEY_NOT_UTF8", self.raw, method, field(1, key))

    def test_longest_key_and_one_byte_more(self):
        key = "k" * KEY_BYTES_MAX
        self.set(key, b"value")
        self.assertEqual(self.get(key), b"value")
        for call in (self.get, self.delete):
            self.assert_invalid("KEY_TOO_LARGE", call, key + "k")
        self.assert_invalid("KEY_TOO_LARGE", self.set, key + "k", b"")

    def test_largest_entry_and_one_byte_more(self):
        value = b"v" * (ENTRY_BYTES_MAX - len("large"))
        self.raw("Set", field(1, b"large") + field(2, value))
        self.assertEqual(self.raw("Get", field(1, b"large")), field(1, value))
        self.assert_invalid("ENTRY_TOO_LARGE", self.raw, "Set", field(1, b"large") + field(2, value + b"v"))
        self.assertTrue(self.delete("large"))

    def test_message_above_the_limit(self):
        message = field(1, b"k") + field(2, b"v" * (9 << 20))
        self.assert_refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "", self.raw, "Set", message)

    def test_bytes_that_are_no_message(self):
        for garbage in (b"\xff\xff\xff\xff", b"\x0a\x05ab", b"\x0a", bytes(range(255, 0, -1)), b"\x0a\xff\xff\xff\xff\x0f"):
            for method in ("Set", "Get", "Del", "Keys", "Config"):
                self.assert_invalid("MESSAGE_INVALID", self.raw, method, garbage)

    def test_unknown_fields_are_ignored(self):
        self.raw("Set", field(1, b"k") + field(2, b"v") + field(15, b"from the future"))
        self.assertEqual(self.get("k"), b"v")

    def test_unknown_method(self):
        self.assert_refused(grpc.StatusCode.UNIMPLEMENTED, "", self.raw, "Flush", b"")

    def test_unknown_durability(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub.Set(messages.SetRequest(key="k", value=b"v"), timeout=SECOND,
                          metadata=[("kvstore-durability", "sometimes")])
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_a_retry_with_its_request_id_is_applied_once(self):
        once = [("kvstore-request-id-bin", os.urandom(16))]
        set_v = messages.SetRequest(key="k", value=b"v")
        self.stub.Set(set_v, timeout=SECOND, metadata=once)
        self.set("k", b"newer")
        self.stub.Set(set_v, timeout=SECOND, metadata=once)
        self.assertEqual(self.get("k"), b"newer")
        self.assert_refused(grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED", self.stub.Set,
                            messages.SetRequest(key="k", value=b"other"), timeout=SECOND, metadata=once)
        delete = [("kvstore-request-id-bin", os.urandom(16))]
        for _ in range(2):
            self.assertTrue(self.stub.Del(messages.DelRequest(key="k"), timeout=SECOND, metadata=delete).success)
        self.assertEqual(self.keys(), [])

    def test_request_id_of_another_length(self):
        self.assert_refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.stub.Set,
                            messages.SetRequest(key="k", value=b"v"), timeout=SECOND,
                            metadata=[("kvstore-request-id-bin", b"short")])


class Surroundings(OldClient):
    def test_health(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        serving = b"\x08\x01"
        for name in (b"", b"kvstore.KeyValueStore"):
            self.assertEqual(check(field(1, name) if name else b"", timeout=SECOND), serving)
        self.assert_refused(grpc.StatusCode.NOT_FOUND, "", check, field(1, b"no.such.Service"), timeout=SECOND)

    def test_reflection_lists_the_service(self):
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        answers = b"".join(reflect(iter([field(7, b"*")]), timeout=SECOND))
        for name in (b"kvstore.KeyValueStore", b"grpc.health.v1.Health"):
            self.assertIn(name, answers)


if __name__ == "__main__":
    unittest.main()
