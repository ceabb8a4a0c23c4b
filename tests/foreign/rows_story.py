"""One row, told to one server through the generated stubs of Python, and what its answers are held against."""
import codecs
import os
import re
import time

import grpc
from google.protobuf import text_format

from rows_server import admin_service, key_value_service, old_service
from rows_wire import error_info

SECONDS = 60.0
SOON_SECONDS = 30.0
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
        self.reason, self.facts = error_info(dict(error.trailing_metadata()).get("grpc-status-details-bin", b""))
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
        self.token, self.nought, self.begun = b"", 0, []

    def tell(self, test):
        if not self.fresh:
            self.ask("DeleteRange", "{ confirm_all: true }")
        try:
            self.nought = self.ask("Get", '{ key: "any" }').revision
        except Refused:
            test.assertTrue(self.fresh)
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

    def difference(self, step):
        """'' when the answer is the row's."""
        words = step.answer.split()
        refusal = words if len(words) > 1 and not words[0].startswith("{") else None
        try:
            shown = self.raw(step) if step.kind == "raw" else self.ask(step.method, step.request)
        except Refused as refused:
            return self.refusal_difference(refusal, refused)
        if refusal:
            return f"not refused: {text_format.MessageToString(shown, as_one_line=True)[:2000]}"
        if step.method == "Scan":
            self.token = shown.resume_token
        if step.answer == "OK":
            return ""
        expected = self.parsed(descriptor_of(step.method).output_type, step.answer)
        came = text_format.MessageToString(shown, as_one_line=True)[:2000]
        if step.method == "Pipeline":
            for result in shown.results:
                if result.HasField("error") and result.error.message.startswith(result.error.reason + ": "):
                    result.error.ClearField("message")
        settle(expected, shown)
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

    def ask(self, name, text):
        before, method = service_of(name)
        descriptor = descriptor_of(name)
        request = self.parsed(descriptor.input_type, text)
        call = getattr(self.server.stubs[before], method)
        try:
            if name == "Pipeline":
                answers = list(call(iter([request]), timeout=SECONDS))
                return answers[0] if len(answers) == 1 else None
            if name in ("Scan", "MultiGet"):
                return whole(name, list(call(request, timeout=SECONDS)))
            return call(request, timeout=SECONDS)
        except grpc.RpcError as error:
            raise Refused(error) from error

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
        text = re.sub(r"\$token\b", lambda found: escaped(self.token), text)
        text = text.replace("$level", "DURABILITY_" + self.kind.level)
        text = re.sub(r'(?<!")\$any\b', str(ANY_NUMBER), text)
        return re.sub(r"\$(\d+)", lambda found: str(self.nought + int(found[1])), text)
