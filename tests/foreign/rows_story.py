"""One row, told to one server through the generated stubs of Python, and what its answers are held against."""
import codecs
import os
import re
import time

import grpc
from google.protobuf import text_format

from rows_server import admin_service, key_value_service, old_service
from rows_wire import reason_and_facts

SECONDS = 60.0
SOON_SECONDS = 30.0
BRIEF_SECONDS = 2.0
ANY_NUMBER = 2**64 - 1
ANY_BYTES = (b"$any", "$any")
SERVICES = {"": "kvstore.v1.KeyValueService", "admin": "kvstore.v1.AdminService", "old": "kvstore.KeyValueStore"}
FILES = {"": key_value_service.kvstore_dot_v1_dot_key__value__service__pb2,
         "admin": admin_service.kvstore_dot_v1_dot_admin__service__pb2,
         "old": old_service.kvstore_dot_kvstore__pb2}


def service_of(name):
    """'old.Get' is ('old', 'Get')."""
    before, _, method = name.rpartition(".")
    return before, method


def descriptor_of(name):
    before, method = service_of(name)
    return FILES[before].DESCRIPTOR.services_by_name[SERVICES[before].rpartition(".")[2]].methods_by_name[method]


def escaped(data):
    return "".join(f"\\{byte:03o}" for byte in data)


class Refused(Exception):
    """What came instead of an answer."""

    def __init__(self, error):
        self.code, self.message = error.code().name, error.details()
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        self.reason, self.facts = reason_and_facts(details)
        super().__init__(f"{self.code} {self.reason} '{self.message}' {self.facts}")


def whole(method, chunks):
    """A stream as one answer: the entries of a scan in the order of their keys, and its last token."""
    answer = chunks[0] if chunks else descriptor_of(method).output_type._concrete_class()
    first = getattr(answer, "first_index", 0)
    for chunk in chunks[1:]:
        if method == "Scan":
            answer.ClearField("resume_token")
        answer.MergeFrom(chunk)
    if method == "Scan":
        entries = sorted(answer.entries, key=lambda entry: entry.key)
        del answer.entries[:]
        answer.entries.extend(entries)
    if method == "MultiGet":
        answer.first_index = first
    return answer


def newest_in(message):
    """The newest of all that a message calls a revision; 0: none."""
    newest = 0
    for field, value in message.ListFields():
        if field.label == field.LABEL_REPEATED:
            continue
        if field.message_type is not None:
            newest = max(newest, newest_in(value))
        if field.name == "revision":
            newest = max(newest, value)
    return newest


def settle(expected, shown):
    """Makes the two equal where the expectation leaves it open what is shown."""
    named = {field.name for field, _ in expected.ListFields()}
    for field in expected.DESCRIPTOR.fields:
        name, message = field.name, field.message_type is not None
        if field.label == field.LABEL_REPEATED:
            for pair in zip(getattr(expected, name), getattr(shown, name)) if message else ():
                settle(*pair)
        elif name not in named:
            if name == "size_bytes":
                shown.ClearField(name)
        elif name == "expire_time" and not getattr(expected, name).ByteSize() and shown.HasField(name):
            getattr(expected, name).CopyFrom(getattr(shown, name))
        elif message:
            if shown.HasField(name):
                settle(getattr(expected, name), getattr(shown, name))
        elif (getattr(expected, name) in ANY_BYTES or getattr(expected, name) == ANY_NUMBER) and getattr(shown, name):
            setattr(expected, name, getattr(shown, name))


class Story:
    def __init__(self, server, kind, row, fresh):
        self.server, self.kind, self.row, self.fresh = server, kind, row, fresh
        self.ids = {"id": os.urandom(16), "other_id": os.urandom(16)}
        self.token, self.nought, self.newest, self.begun = b"", 0, 0, []
        self.shown = None  # by the last call; of a scan that was refused, what came before

    def tell(self, test):
        if not self.fresh:
            self.ask("DeleteRange", "{ confirm_all: true }")
        try:
            self.nought = self.ask("Get", '{ key: "any" }').revision
        except Refused:
            test.assertTrue(self.fresh)
        self.newest = self.nought
        try:
            for step in self.row.steps:
                self.take(test, step)
        finally:
            for step in self.row.steps:
                if step.kind == "fault":
                    self.server.fault(step.method, False)
            for call in self.begun:
                call.exception()  # Waits; what it says is not the row's.

    def take(self, test, step):
        if step.kind in ("fault", "heal"):
            self.server.fault(step.method, step.kind == "fault")
        elif step.kind == "restart":
            test.assertTrue(self.server.restart(step.method == "killed"), "the server did not end in order")
        elif step.kind == "begin":
            before, method = service_of(step.method)
            request = self.parsed(descriptor_of(step.method).input_type, step.request)
            self.begun.append(getattr(self.server.stubs[before], method).future(request, timeout=SECONDS))
        else:
            end = time.monotonic() + (SOON_SECONDS if step.kind == "soon" else 0)
            wrong = self.difference(step)
            while wrong and time.monotonic() < end:
                wrong = self.difference(step)
            where = f"{self.kind.name}: {self.row.file}:{step.line}: {step.method} {step.request[:200]}"
            test.assertEqual(wrong, "", where + "\nexpected: " + step.answer)
            self.remember(step)

    def remember(self, step):
        if self.shown is not None:
            self.newest = max(self.newest, newest_in(self.shown))
        if self.shown is not None and step.method == "Scan":
            self.token = self.shown.resume_token

    def difference(self, step):
        """'' when the answer is the row's."""
        self.shown = None
        words = step.answer.split()
        refusal = words if len(words) > 1 and not words[0].startswith("{") else None
        try:
            seconds = BRIEF_SECONDS if step.kind == "brief" else SECONDS
            shown = self.raw(step) if step.kind == "raw" else self.ask(step.method, step.request, seconds)
        except Refused as refused:
            return self.refusal_difference(refusal, refused)
        if refusal:
            return f"not refused: {text_format.MessageToString(shown, as_one_line=True)[:2000]}"
        self.shown = shown if step.kind != "raw" else None
        return self.answer_difference(step, shown)

    def answer_difference(self, step, shown):
        if step.answer == "OK":
            return ""
        expected = self.parsed(descriptor_of(step.method).output_type, step.answer)
        came = text_format.MessageToString(shown, as_one_line=True)[:2000]
        if step.method == "Pipeline":
            for result in shown.results:
                if result.HasField("error") and result.error.message.startswith(result.error.reason + ": "):
                    result.error.ClearField("message")
        settle(expected, shown)
        if "$newer" in step.answer and newest_in(shown) <= self.newest:
            return f"not newer than revision {self.newest}: {came}"
        return "" if expected == shown else "came: " + came

    @staticmethod
    def refusal_difference(expected, refused):
        came = f"refused: {refused}"
        if expected is None or refused.code != expected[0]:
            return came
        if refused.reason != ("" if expected[1] == "-" else expected[1]):
            return came
        if refused.reason and not refused.message.startswith(refused.reason + ": "):
            return came
        for fact in expected[2:]:
            name, equals, value = fact.partition("=")
            if name not in refused.facts or (equals and refused.facts[name] != value):
                return f"no fact {fact}; {came}"
        return ""

    def ask(self, name, text, seconds=SECONDS):
        before, method = service_of(name)
        descriptor = descriptor_of(name)
        request = self.parsed(descriptor.input_type, text)
        call = getattr(self.server.stubs[before], method)
        try:
            if name == "Pipeline":
                answers = list(call(iter([request]), timeout=seconds))
                return answers[0] if len(answers) == 1 else None
            if name in ("Scan", "MultiGet"):
                return self.chunks(name, call(request, timeout=seconds))
            return call(request, timeout=seconds)
        except grpc.RpcError as error:
            raise Refused(error) from error

    def chunks(self, name, stream):
        """As one answer. What a scan has shown before it was refused is known too."""
        chunks = []
        try:
            for chunk in stream:
                chunks.append(chunk)
        except grpc.RpcError:
            self.shown = whole(name, chunks) if chunks else None
            raise
        return whole(name, chunks)

    def raw(self, step):
        before, method = service_of(step.method)
        data, _ = codecs.escape_decode(step.request[1:step.request.rindex('"')])
        try:
            return self.server.channel.unary_unary(f"/{SERVICES[before]}/{method}")(data, timeout=SECONDS)
        except grpc.RpcError as error:
            raise Refused(error) from error

    def parsed(self, descriptor, text):
        text = self.substituted(text).strip()
        return text_format.Parse(text[1:text.rindex("}")], descriptor._concrete_class())

    def substituted(self, text):
        text = re.sub(r"\$many\((\d+):([^)]*)\)", lambda found: found[2] * int(found[1]), text)
        text = re.sub(r"\$x\((\d+)\)", lambda found: "x" * int(found[1]), text)
        text = re.sub(r"\$(id|other_id)\b", lambda found: escaped(self.ids[found[1]]), text)
        if "$token" in text and not self.token:
            raise AssertionError("no scan has left a token")
        text = re.sub(r"\$token\b", lambda found: escaped(self.token), text)
        text = text.replace("$level", "DURABILITY_" + self.kind.level)
        text = re.sub(r'(?<!")\$(any|newer)\b', str(ANY_NUMBER), text)
        return re.sub(r"\$(\d+)", lambda found: str(self.nought + int(found[1])), text)
