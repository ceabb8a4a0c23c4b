"""kvstore.v1 in Python, continued: transactions, durability, request ids, limits."""
from v1_case import (Code, ENTRY_BYTES_MAX, KEY_BYTES_MAX, NewClient, SECONDS, admin, admin_service, calls, kv, one_id,
                     operation, types)


class Transactions(NewClient):
    @staticmethod
    def put(key, value):
        return operation.Operation(set=kv.SetRequest(key=key, value=value))

    def test_comparisons_choose_the_branch_and_all_has_one_revision(self):
        request = calls.TransactRequest(
            comparisons=[operation.Comparison(key=b"lock", precondition=types.Precondition(exists=False))],
            then=[self.put(b"lock", b"me"), self.put(b"k", b"1"),
                  operation.Operation(increment=kv.IncrementRequest(key=b"k", delta=1))],
            otherwise=[operation.Operation(get=kv.GetRequest(key=b"lock"))])
        first = self.call("Transact", request)
        self.assertTrue(first.succeeded)
        self.assertEqual(first.results[2].increment.value, 2)
        revisions = {self.get(key).entry.version for key in (b"lock", b"k")}
        self.assertEqual(revisions, {first.write.revision})
        second = self.call("Transact", request)
        self.assertFalse(second.succeeded)
        self.assertEqual(second.results[0].get.entry.value, b"me")

    def test_the_first_failure_undoes_all_and_is_named(self):
        self.set(b"text", b"no number")
        request = calls.TransactRequest(
            then=[self.put(b"k", b"1"), operation.Operation(increment=kv.IncrementRequest(key=b"text", delta=1))])
        error = self.assert_refused(Code.FAILED_PRECONDITION, "NOT_AN_INTEGER",
                                    lambda: self.call("Transact", request))
        self.assertIn("then[1]", error.details())
        self.assertFalse(self.get(b"k").HasField("entry"))

    def test_too_many_and_too_large(self):
        many = calls.TransactRequest(then=[self.put(b"k", b"v")] * 1025)
        self.assert_refused(Code.INVALID_ARGUMENT, "TOO_MANY_OPERATIONS", lambda: self.call("Transact", many))
        self.set(b"large", b"v" * (3 << 20))
        read = operation.Operation(get=kv.GetRequest(key=b"large"))
        twice = calls.TransactRequest(then=[self.put(b"k", b"v"), read, read])
        self.assert_refused(Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE", lambda: self.call("Transact", twice))
        self.assertFalse(self.get(b"k").HasField("entry"))

    def test_a_pipeline_answers_each_operation_and_matches_by_id(self):
        get = operation.Operation(get=kv.GetRequest(key=b"k"))
        bad = operation.Operation(set=kv.SetRequest(value=b"no key"))
        answers = {answer.id: answer for answer in self.pipeline(
            calls.PipelineRequest(id=1, operations=[self.put(b"k", b"1"), get, bad]),
            calls.PipelineRequest(id=2, operations=[self.put(b"k", b"2"), get], atomic=True))}
        self.assertEqual(set(answers), {1, 2})
        self.assertEqual(answers[1].results[1].get.entry.value, b"1")
        self.assertEqual(answers[1].results[2].error.reason, "EMPTY_KEY")
        self.assertEqual(answers[2].results[1].get.entry.value, b"2")
        self.assertEqual(answers[2].results[1].get.entry.version, answers[2].write.revision)
        one = calls.PipelineRequest(operations=[get], options=one_id())
        self.assert_refused(Code.INVALID_ARGUMENT, "FIELD_INVALID", lambda: self.pipeline(one))


class Durability(NewClient):
    def test_every_level_that_the_mode_gives_is_named_in_the_answer(self):
        self.assertEqual(self.set(b"k").write.durability, types.DURABILITY_DISK)  # fsync always
        for level in (types.DURABILITY_MEMORY, types.DURABILITY_OS, types.DURABILITY_DISK):
            answer = self.set(b"k", options=types.WriteOptions(durability=level))
            self.assertEqual(answer.write.durability, level)
        quorum = types.WriteOptions(durability=types.DURABILITY_QUORUM)
        self.assert_refused(Code.FAILED_PRECONDITION, "DURABILITY_UNAVAILABLE", lambda: self.set(b"k", options=quorum))

    def test_a_revision_is_never_given_twice(self):
        revisions = [self.set(b"k", b"%d" % i).write.revision for i in range(20)]
        self.assertEqual(revisions, sorted(set(revisions)))
        self.assertGreaterEqual(self.get(b"k").revision, revisions[-1])


class RequestIds(NewClient):
    def test_a_write_that_is_sent_again_is_applied_once_and_answered_as_before(self):
        count = kv.IncrementRequest(key=b"n", delta=5, options=one_id())
        first = self.call("Increment", count)
        again = self.call("Increment", count)
        self.assertFalse(first.write.replayed)
        self.assertTrue(again.write.replayed)
        self.assertEqual((again.value, again.created, again.write.revision), (5, True, first.write.revision))
        self.assertEqual(self.value(b"n"), b"5")

    def test_an_id_names_one_request(self):
        options = one_id()
        self.set(b"k", b"v", options=options)
        self.assert_refused(Code.FAILED_PRECONDITION, "REQUEST_ID_REUSED", lambda: self.set(b"k", b"w", options=options))
        self.assert_refused(Code.INVALID_ARGUMENT, "FIELD_INVALID",
                            lambda: self.set(b"k", options=types.WriteOptions(request_id=b"short")))
        self.assertEqual(self.value(b"k"), b"v")

    def test_what_a_write_found_is_remembered(self):
        nothing = kv.DeleteRequest(key=b"k", options=one_id())
        self.assertFalse(self.call("Delete", nothing).deleted)
        self.set(b"k", b"there now")
        self.assertFalse(self.call("Delete", nothing).deleted)
        self.assertEqual(self.value(b"k"), b"there now")

    def test_transactions_pipelines_and_ranges_have_ids_too(self):
        add = operation.Operation(increment=kv.IncrementRequest(key=b"n", delta=1))
        once = calls.TransactRequest(then=[add], options=one_id())
        self.assertEqual(len(self.call("Transact", once).results), 1)
        again = self.call("Transact", once)
        self.assertTrue(again.succeeded and again.write.replayed)
        self.assertEqual(len(again.results), 0)
        atomic = calls.PipelineRequest(operations=[add], atomic=True, options=one_id())
        own = calls.PipelineRequest(operations=[operation.Operation(
            increment=kv.IncrementRequest(key=b"n", delta=1, options=one_id()))])
        for message in (atomic, own):
            self.pipeline(message)
            self.pipeline(message)
        self.assertEqual(self.value(b"n"), b"3")
        everything = calls.DeleteRangeRequest(range=types.KeyRange(prefix=b"n"), options=one_id())
        self.assertEqual(self.call("DeleteRange", everything).deleted, 1)
        self.set(b"newer")
        self.assertEqual(self.call("DeleteRange", everything).deleted, 1)
        self.assertTrue(self.get(b"newer").HasField("entry"))


class Limits(NewClient):
    def test_limits_are_read_through_the_api(self):
        stub = admin_service.AdminServiceStub(self.channel)
        config = stub.GetConfig(admin.GetConfigRequest(), timeout=SECONDS).config
        self.assertEqual((config.max_key_bytes, config.max_entry_bytes), (KEY_BYTES_MAX, ENTRY_BYTES_MAX))
        self.assertEqual((config.request_id_window.seconds, config.request_id_max), (600, 1_000_000))
