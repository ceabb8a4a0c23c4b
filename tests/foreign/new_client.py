#!/usr/bin/python3
"""kvstore.v1 through generated stubs: what docs/api/v1.md says of every call and every refusal.

Debian's protoc, grpc plugin and grpcio, nothing of ours but the schema. Where a stub refuses to send something wrong,
the bytes are sent by hand on the same channel.
"""
import unittest

import grpc

from v1_case import Code, ENTRY_BYTES_MAX, KEY_BYTES_MAX, NewClient, SECONDS, calls, kv, types
# Cases that lie in files of their own.
from v1_service_config import ServiceConfig  # noqa: F401
from v1_together import *  # noqa: F401,F403


class KeysAndValues(NewClient):
    def test_any_bytes_come_back_exactly(self):
        key, value = b"\x00\n\xff" + bytes(range(256)), bytes(range(256)) * 4
        written = self.set(key, value).write
        entry = self.get(key).entry
        self.assertEqual(entry.value, value)
        self.assertEqual((entry.version, entry.create_version), (written.revision, written.revision))
        self.assertEqual(entry.type, types.VALUE_TYPE_STRING)
        self.assertFalse(entry.HasField("expire_time"))

    def test_an_empty_value_is_not_a_missing_key(self):
        self.set(b"k", b"")
        self.assertTrue(self.get(b"k").HasField("entry"))
        self.assertFalse(self.get(b"missing").HasField("entry"))

    def test_an_empty_key_is_refused_by_every_call(self):
        requests = {
            "Get": kv.GetRequest(), "Set": kv.SetRequest(value=b"v"), "Delete": kv.DeleteRequest(),
            "Increment": kv.IncrementRequest(), "Append": kv.AppendRequest(suffix=b"v"),
            "SetExpiry": kv.SetExpiryRequest(expiry=types.Expiry(never=True)),
        }
        for method, request in requests.items():
            with self.subTest(method):
                self.assert_refused(Code.INVALID_ARGUMENT, "EMPTY_KEY", lambda m=method, r=request: self.call(m, r))

    def test_the_longest_key_and_the_largest_entry_are_stored_and_one_byte_more_is_not(self):
        key = b"k" * KEY_BYTES_MAX
        self.set(key, b"v" * (ENTRY_BYTES_MAX - len(key)))
        self.assertEqual(len(self.value(key)), ENTRY_BYTES_MAX - len(key))
        error = self.assert_refused(Code.INVALID_ARGUMENT, "KEY_TOO_LARGE", lambda: self.set(key + b"k"))
        self.assertIn(str(KEY_BYTES_MAX).encode(), dict(error.trailing_metadata())["grpc-status-details-bin"])
        self.assert_refused(Code.INVALID_ARGUMENT, "ENTRY_TOO_LARGE",
                            lambda: self.set(key, b"v" * (ENTRY_BYTES_MAX - len(key) + 1)))

    def test_a_message_above_the_limit_is_refused_by_the_library(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.set(b"k", b"v" * (9 << 20))
        self.assertEqual(caught.exception.code(), Code.RESOURCE_EXHAUSTED)

    def test_what_does_not_parse_and_what_does_not_exist_is_refused(self):
        self.assert_refused(Code.INVALID_ARGUMENT, "MESSAGE_INVALID", lambda: self.raw("Set", b"\x0a\xff"))
        self.assert_refused(Code.INVALID_ARGUMENT, "FIELD_INVALID", lambda: self.raw("Set", b"\x0a\x01k\xf8\x07\x01"))
        error = self.assert_refused(
            Code.INVALID_ARGUMENT, "FIELD_INVALID",
            lambda: self.raw("Set", b"\x0a\x01k" + b"\x32\x02\x08\x63"))  # options { durability: 99 }
        self.assertIn("options.durability", error.details())
        with self.assertRaises(grpc.RpcError) as caught:
            self.raw("Nothing", b"")
        self.assertEqual(caught.exception.code(), Code.UNIMPLEMENTED)

    def test_get_leaves_out_what_is_not_wanted(self):
        version = self.set(b"k", b"v").write.revision
        known = self.get(b"k", if_newer_than=version)
        self.assertTrue(known.not_modified)
        self.assertEqual(known.entry.value, b"")
        self.assertEqual(self.get(b"k", if_newer_than=version - 1).entry.value, b"v")
        self.assertEqual(self.get(b"k", omit_value=True).entry.value, b"")
        self.assert_refused(Code.OUT_OF_RANGE, "REVISION_IN_FUTURE", lambda: self.get(b"k", min_revision=2**60))


class Conditions(NewClient):
    def test_every_test_holds_when_it_should(self):
        version = self.set(b"k", b"v").write.revision
        holding = [{"exists": True}, {"version_equals": version}, {"value_equals": b"v"},
                   {"type_equals": types.VALUE_TYPE_STRING}]
        failing = [{"exists": False}, {"version_equals": version + 1}, {"version_equals": 0}, {"value_equals": b"w"},
                   {"type_equals": types.VALUE_TYPE_HASH}]
        for test in failing:
            with self.subTest(test):
                answer = self.set(b"k", b"new", precondition=types.Precondition(**test))
                self.assertFalse(answer.applied)
                self.assertEqual((answer.previous.value, answer.previous.version), (b"v", version))
                self.assertEqual(answer.write.revision, 0)
        for test in holding:
            with self.subTest(test):
                expiry = kv.SetExpiryRequest(key=b"k", expiry=types.Expiry(never=True),
                                             precondition=types.Precondition(**test))
                answer = self.call("SetExpiry", expiry)
                self.assertTrue(answer.applied)
                for other in holding:
                    if "version_equals" in other:
                        other["version_equals"] = answer.write.revision

    def test_version_zero_is_create_only(self):
        create = types.Precondition(version_equals=0)
        self.assertTrue(self.set(b"k", b"mine", precondition=create).applied)
        self.assertFalse(self.set(b"k", b"yours", precondition=create).applied)
        self.assertEqual(self.value(b"k"), b"mine")

    def test_delete_tells_a_missing_key_from_a_condition_that_failed(self):
        missing = self.call("Delete", kv.DeleteRequest(key=b"k"))
        self.assertFalse(missing.deleted or missing.HasField("previous"))
        self.set(b"k", b"v")
        failed = self.call("Delete", kv.DeleteRequest(key=b"k", precondition=types.Precondition(value_equals=b"w")))
        self.assertFalse(failed.deleted)
        self.assertEqual(failed.previous.value, b"v")
        gone = self.call("Delete", kv.DeleteRequest(key=b"k", return_previous=True))
        self.assertTrue(gone.deleted)
        self.assertEqual(gone.previous.value, b"v")

    def test_a_condition_that_says_nothing_is_refused(self):
        self.assert_refused(Code.INVALID_ARGUMENT, "FIELD_INVALID",
                            lambda: self.set(b"k", precondition=types.Precondition()))


class Counters(NewClient):
    def increment(self, **request):
        return self.call("Increment", kv.IncrementRequest(key=b"n", **request))

    def test_counts_in_decimal_text(self):
        self.set(b"n", b"42")
        self.assertEqual(self.increment(delta=1).value, 43)
        self.assertEqual(self.value(b"n"), b"43")

    def test_a_missing_key_counts_from_initial(self):
        answer = self.increment(delta=-5, initial=3)
        self.assertEqual((answer.value, answer.created), (-2, True))
        self.assertFalse(self.increment(delta=1).created)

    def test_other_text_is_no_number(self):
        for text in (b"", b"+1", b"01", b"-0", b" 1", b"1.0", b"x", b"9223372036854775808"):
            with self.subTest(text):
                self.set(b"n", text)
                self.assert_refused(Code.FAILED_PRECONDITION, "NOT_AN_INTEGER", lambda: self.increment(delta=1))

    def test_bounds_refuse_or_clamp(self):
        self.set(b"n", str(2**63 - 1).encode())
        self.assert_refused(Code.OUT_OF_RANGE, "INCREMENT_OVERFLOW", lambda: self.increment(delta=1))
        self.assertEqual(self.increment(delta=1, saturate=True).value, 2**63 - 1)
        self.set(b"n", b"5")
        self.assert_refused(Code.OUT_OF_RANGE, "INCREMENT_OVERFLOW", lambda: self.increment(delta=10, max=9))
        self.assertEqual(self.increment(delta=10, max=9, saturate=True).value, 9)
        self.assertEqual(self.increment(delta=-99, min=-3, saturate=True).value, -3)

    def test_append_makes_longer(self):
        for length in (3, 6):
            answer = self.call("Append", kv.AppendRequest(key=b"k", suffix=b"abc"))
            self.assertEqual(answer.length, length)
        self.assertEqual(self.value(b"k"), b"abcabc")


class Expiry(NewClient):
    @staticmethod
    def in_an_hour():
        expiry = types.Expiry()
        expiry.ttl.seconds = 3600
        return expiry

    def test_set_takes_an_expiry_off_and_others_keep_it(self):
        self.set(b"n", b"1", expiry=self.in_an_hour())
        first = self.get(b"n").entry.expire_time
        self.call("Increment", kv.IncrementRequest(key=b"n", delta=1))
        self.call("Append", kv.AppendRequest(key=b"n", suffix=b"0"))
        self.set(b"n", b"2", expiry=types.Expiry(keep=True))
        self.assertEqual(self.get(b"n").entry.expire_time, first)
        self.set(b"n", b"3")
        self.assertFalse(self.get(b"n").entry.HasField("expire_time"))

    def test_a_time_that_has_passed_removes_and_has_a_revision(self):
        before = self.set(b"k", b"v").write.revision
        past = types.Expiry()
        past.at.seconds = 1
        answer = self.call("SetExpiry", kv.SetExpiryRequest(key=b"k", expiry=past))
        self.assertTrue(answer.applied)
        self.assertGreater(answer.write.revision, before)
        self.assertFalse(self.get(b"k").HasField("entry"))

    def test_a_short_life_ends_by_itself(self):
        short = types.Expiry()
        short.ttl.nanos = 20_000_000
        self.set(b"k", b"v", expiry=short)
        while self.get(b"k").HasField("entry"):  # the test's own time limit bounds it
            pass
        self.assertFalse(self.call("Delete", kv.DeleteRequest(key=b"k")).deleted)

    def test_a_life_of_nothing_is_refused(self):
        for nanos in (0, -1):
            expiry = types.Expiry()
            expiry.ttl.nanos = nanos
            self.assert_refused(Code.INVALID_ARGUMENT, "FIELD_INVALID", lambda e=expiry: self.set(b"k", expiry=e))


class ManyKeys(NewClient):
    def fill(self, count, prefix=b"k"):
        for i in range(count):
            self.set(prefix + b"%03d" % i, b"v")

    def test_a_scan_shows_every_key_of_its_range_once_and_goes_on_from_its_token(self):
        self.fill(60)
        self.fill(5, b"other")
        chunks = self.scan(range=types.KeyRange(prefix=b"k"), include_values=True, max_chunk_bytes=200)
        keys = [entry.key for chunk in chunks for entry in chunk.entries]
        self.assertEqual(sorted(keys), [b"k%03d" % i for i in range(60)])
        self.assertEqual({chunk.revision for chunk in chunks}, {chunks[0].revision})
        self.assertEqual(chunks[-1].resume_token, b"")
        self.assertGreater(len(chunks), 2)
        first = [entry.key for entry in chunks[0].entries]
        rest = self.scan(range=types.KeyRange(prefix=b"k"), include_values=True, resume_token=chunks[0].resume_token)
        again = [entry.key for chunk in rest for entry in chunk.entries]
        self.assertEqual(sorted(first + again), sorted(keys))

    def test_a_glob_goes_over_the_whole_key(self):
        self.fill(20)
        shown = [entry.key for chunk in self.scan(glob="k00[1-3]") for entry in chunk.entries]
        self.assertEqual(sorted(shown), [b"k001", b"k002", b"k003"])

    def test_what_a_scan_refuses(self):
        self.assert_refused(Code.INVALID_ARGUMENT, "PATTERN_INVALID", lambda: self.scan(glob="["))
        self.assert_refused(Code.INVALID_ARGUMENT, "TOKEN_INVALID", lambda: self.scan(resume_token=b"no token"))
        self.assert_refused(Code.FAILED_PRECONDITION, "INDEX_DISABLED", lambda: self.scan(ordered=True))
        both = types.KeyRange(prefix=b"a", start=b"b")
        self.assert_refused(Code.INVALID_ARGUMENT, "RANGE_INVALID", lambda: self.scan(range=both))

    def test_multi_get_keeps_order_and_doubles(self):
        self.fill(3)
        keys = [b"k002", b"none", b"k000", b"k002"]
        for consistent in (False, True):
            request = calls.MultiGetRequest(keys=keys, consistent=consistent)
            chunks = list(self.stub.MultiGet(request, timeout=SECONDS))
            results = [result for chunk in chunks for result in chunk.results]
            self.assertEqual([result.entry.value for result in results], [b"v", b"", b"v", b"v"])
            self.assertFalse(results[1].HasField("entry"))
        request = calls.MultiGetRequest(keys=[b"k"] * 1025, consistent=True)
        self.assert_refused(Code.INVALID_ARGUMENT, "TOO_MANY_OPERATIONS",
                            lambda: list(self.stub.MultiGet(request, timeout=SECONDS)))

    def test_delete_range_counts_removes_and_wants_to_be_sure(self):
        self.fill(12)
        self.set(b"other")
        here = types.KeyRange(start=b"k002", end=b"k007")
        self.assertEqual(self.call("DeleteRange", calls.DeleteRangeRequest(range=here, dry_run=True)).deleted, 5)
        self.assertEqual(self.call("DeleteRange", calls.DeleteRangeRequest(range=here)).deleted, 5)
        self.assertEqual(self.call("DeleteRange", calls.DeleteRangeRequest(range=here)).deleted, 0)
        self.assert_refused(Code.FAILED_PRECONDITION, "CONFIRMATION_REQUIRED",
                            lambda: self.call("DeleteRange", calls.DeleteRangeRequest()))
        everything = calls.DeleteRangeRequest(confirm_all=True)
        self.assertEqual(self.call("DeleteRange", everything).deleted, 8)

if __name__ == "__main__":
    unittest.main(verbosity=1)
