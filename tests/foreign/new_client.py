#!/usr/bin/python3
"""kvstore.v1 through generated stubs, beside its rows (tests/foreign/v1_rows.py): what has more than one answer to a call,
what a client reads of the server's limits, and the recommended configuration of a channel.
"""
import unittest

from service_case import ENTRY_BYTES_MAX, KEY_BYTES_MAX, ServiceCase

from kvstore.v1 import admin_service_pb2 as admin
from kvstore.v1 import admin_service_pb2_grpc as admin_service
from kvstore.v1 import key_value_pb2 as kv
from kvstore.v1 import key_value_service_pb2 as calls
from kvstore.v1 import key_value_service_pb2_grpc as service
from kvstore.v1 import operation_pb2 as operation
from kvstore.v1 import types_pb2 as types
# Cases that lie in a file of their own.
from v1_service_config import ServiceConfig  # noqa: F401


class NewClient(ServiceCase):
    service_name = "kvstore.v1.KeyValueService"
    stub_class = service.KeyValueServiceStub

    def setUp(self):
        self.stub.DeleteRange(calls.DeleteRangeRequest(confirm_all=True), timeout=self.seconds)

    def set(self, key, value):
        return self.stub.Set(kv.SetRequest(key=key, value=value), timeout=self.seconds)

    def scan(self, **request):
        return list(self.stub.Scan(calls.ScanRequest(range=types.KeyRange(prefix=b"k"), **request), timeout=self.seconds))

    def test_a_scan_comes_in_chunks_of_one_revision_and_goes_on_behind_any_of_them(self):
        for i in range(60):
            self.set(b"k%03d" % i, b"v")
        self.set(b"other", b"v")
        chunks = self.scan(include_values=True, max_chunk_bytes=200)
        keys = [entry.key for chunk in chunks for entry in chunk.entries]
        self.assertEqual(sorted(keys), [b"k%03d" % i for i in range(60)])
        self.assertEqual({chunk.revision for chunk in chunks}, {chunks[0].revision})
        self.assertGreater(len(chunks), 2)
        for last, chunk in enumerate(chunks[:-1], 1):
            seen = [entry.key for before in chunks[:last] for entry in before.entries]
            rest = [entry.key for more in self.scan(resume_token=chunk.resume_token) for entry in more.entries]
            self.assertEqual(sorted(seen + rest), sorted(keys))
        self.assertEqual(chunks[-1].resume_token, b"")

    def test_the_answers_of_a_pipeline_match_its_messages_by_id(self):
        put = [operation.Operation(set=kv.SetRequest(key=b"k", value=b"%d" % i)) for i in range(100)]
        get = operation.Operation(get=kv.GetRequest(key=b"k"))
        messages = (calls.PipelineRequest(id=i + 1000, operations=[put[i], get], atomic=i % 2 == 1) for i in range(100))
        answers = {answer.id: answer for answer in self.stub.Pipeline(messages, timeout=self.seconds)}
        self.assertEqual(sorted(answers), list(range(1000, 1100)))
        for number, answer in answers.items():
            entry = answer.results[1].get.entry
            self.assertEqual((entry.value, entry.version), (b"%d" % (number - 1000), answer.write.revision))

    def test_operations_on_a_key_take_effect_in_the_order_of_their_messages(self):
        def part(number):
            return b"%03d" % number
        messages = [calls.PipelineRequest(id=i, operations=[
            operation.Operation(append=kv.AppendRequest(key=b"k", suffix=part(2 * i + second))) for second in (0, 1)])
            for i in range(200)]
        answers = {answer.id: answer for answer in self.stub.Pipeline(iter(messages), timeout=self.seconds)}
        for i in range(200):
            self.assertEqual([result.append.length for result in answers[i].results], [6 * i + 3, 6 * i + 6])
        entry = self.stub.Get(kv.GetRequest(key=b"k"), timeout=self.seconds).entry
        self.assertEqual(entry.value, b"".join(part(number) for number in range(400)))

    def test_limits_are_read_through_the_api(self):
        stub = admin_service.AdminServiceStub(self.channel)
        config = stub.GetConfig(admin.GetConfigRequest(), timeout=self.seconds).config
        self.assertEqual((config.max_key_bytes, config.max_entry_bytes), (KEY_BYTES_MAX, ENTRY_BYTES_MAX))
        self.assertEqual((config.request_id_window.seconds, config.request_id_max), (600, 1_000_000))


if __name__ == "__main__":
    unittest.main(verbosity=1)
