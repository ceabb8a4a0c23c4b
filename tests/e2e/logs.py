#!/usr/bin/python3
"""logs.py SERVER CLIENT FAULTS_LIBRARY WORK_DIRECTORY

Every line of a JSON log is one object of three members, whatever clients send: hostile keys, bytes that are no message, and
values that must never be in it. The level changes while the server runs. And a refusal of the settings is one line too.
"""
import json
import os
import signal
import subprocess
import sys

from observed_server import Server, wait_until

server_binary, client_binary, faults_library, work = sys.argv[1:5]
SECRET = b"a value that is nobody's business"
HOSTILE = 'key"}\n{"level":"error","message":"forged \\ \x07\u009b2J\u0085\u2028next'


def client(server, *words):
    environment = dict(os.environ, KVSTORE_TARGET=server.address)
    done = subprocess.run([client_binary, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def held_write(server, key):
    """One that takes long enough for any threshold: its sync is held until it is seen to hang."""
    delivered = os.path.join(server.faults, "delivered")
    server.fault("sync_hangs", True)
    process = subprocess.Popen([client_binary, "set", key, SECRET.decode()], stdout=subprocess.DEVNULL,
                               env=dict(os.environ, KVSTORE_TARGET=server.address))
    wait_until("the sync hangs", lambda: os.path.exists(delivered))
    server.fault("sync_hangs", False)
    assert process.wait() == 0
    os.remove(delivered)


def refused_settings():
    """Said before there is a log: in the form that was asked for, and in one line."""
    forged = "x\nforged line \u2028\x1b[2J"
    for form in ("text", "json"):
        environment = dict(os.environ, KVSTORE_LOG_FORMAT=form, KVSTORE_MODE=forged)
        done = subprocess.run([server_binary], env=environment, capture_output=True, check=False)
        assert done.returncode == 2, done
        text = done.stderr.decode()
        line = text.removesuffix("\n")
        assert line.isprintable() and "forged line" in line, f"{form}: {text!r}"
        if form == "json":
            event = json.loads(line)
            assert list(event) == ["time", "level", "message"] and event["level"] == "error", line
            assert f"KVSTORE_MODE is '{forged}', but must be one of" in event["message"], line


def main():
    refused_settings()
    with Server(server_binary, work, faults_library, "--log-format", "json", "--slow-threshold", "1ms") as server:
        server.start()
        client(server, "config", "set", "log-level=debug")
        server.wait_for_line("settings changed: log-level = debug \\(was info\\)")
        held_write(server, HOSTILE)
        server.wait_for_line("slow call: kvstore.v1.KeyValueService/Set of .*forged")
        assert server.call("kvstore.KeyValueStore/Set", b"\x0a\xff" + SECRET).startswith("INVALID_ARGUMENT")
        assert server.call("kvstore.KeyValueStore/Set", b"\x0a\x02\xff\xfe\x12\x21" + SECRET).startswith("INVALID_ARGUMENT")
        for number, line in ((signal.SIGHUP, "SIGHUP: nothing to reload"), (signal.SIGUSR1, "SIGUSR1: a snapshot was taken")):
            server.process.send_signal(number)
            server.wait_for_line(line)
        client(server, "config", "set", "log-level=error")
        server.wait_for_line("log-level = error \\(was debug\\)")
        lines = len(server.log)
        client(server, "config", "set", "slow-threshold=5ms")
        client(server, "snapshot")
        client(server, "config", "set", "log-level=info")
        client(server, "config", "set", "slow-threshold=7ms")
        server.wait_for_line("slow-threshold = 7ms \\(was 5ms\\)")
        assert len(server.log) == lines + 1, f"logged although below the level: {server.log[lines:]}"
        server.stop()
        server.reader.join()
        for line in server.log[:-1]:
            event = json.loads(line)
            assert list(event) == ["time", "level", "message"], line
            assert event["level"] in ("debug", "info", "warning", "error"), line
            assert SECRET.decode() not in line, line
            assert line.removesuffix("\n").isprintable(), f"a line with something else than text: {line!r}"
        client_lines = [line for line in server.log if "forged" in line]
        assert client_lines and all(json.loads(line)["level"] == "debug" for line in client_lines)
    print("every line is an object, and none tells a value")


main()
