"""A server that rows are told to: the built one, or tests/rows/inner, with a disk that fails when a row says so."""
import os
import shutil
import subprocess
import sys
import tempfile

import grpc

import with_server

sys.path.insert(0, os.environ["STUBS"])
from kvstore import kvstore_pb2_grpc as old_service  # noqa: E402
from kvstore.v1 import admin_service_pb2_grpc as admin_service  # noqa: E402
from kvstore.v1 import key_value_service_pb2_grpc as key_value_service  # noqa: E402


class Server:
    def __init__(self, binary, inner, faults_library, work, kind):
        self.kind = kind
        self.folder = tempfile.mkdtemp(prefix="rows-", dir=work)
        self.command = [inner, kind.name] if kind.kind == "inner" else [binary, *kind.flags]
        self.environment = {"LD_PRELOAD": faults_library, "KV_FAULTS": self.folder} if kind.kind == "state" else {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.kill()  # A disk that fails on purpose lets nobody stop in order.
        self.end()

    def start(self):
        self.process, address, self.lines, self.reader = with_server.start(
            self.command, os.path.join(self.folder, "data"), self.environment)
        if address is None:
            raise AssertionError("the server did not start:\n" + self.log())
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])
        self.stubs = {"": key_value_service.KeyValueServiceStub(self.channel),
                      "admin": admin_service.AdminServiceStub(self.channel),
                      "old": old_service.KeyValueStoreStub(self.channel)}

    def stop(self):
        """True when it ended in order."""
        in_order = self.terminate()
        self.end()
        return in_order

    def restart(self, killed):
        """Again, at another address, on what it has left; True unless it was to end in order and did not."""
        if killed:
            self.process.kill()
        in_order = killed or self.terminate()
        self.leave()
        self.start()
        return in_order

    def terminate(self):
        self.process.terminate()
        try:
            return self.process.wait(with_server.STOP_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False

    def leave(self):
        self.process.wait()
        self.channel.close()
        self.reader.join()

    def end(self):
        self.leave()
        shutil.rmtree(self.folder)

    def log(self):
        return "".join(self.lines)

    def fault(self, name, on):
        path = os.path.join(self.folder, name)
        if on:
            with open(path, "w", encoding="ascii"):
                pass
        elif os.path.exists(path):
            os.remove(path)
