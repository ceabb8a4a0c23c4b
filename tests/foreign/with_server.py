#!/usr/bin/python3
"""with_server.py SERVER WORK_DIRECTORY COMMAND...

Starts the server on a free port with an empty data directory below WORK_DIRECTORY, runs COMMAND with its address in
KVSTORE_SERVER_ADDR and the directory in DATA, then stops the server. Fails when the command fails, or when the server does not survive it and
stop cleanly: no client may bring it down.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

START_SECONDS = 30
STOP_SECONDS = 30


def start(command, data, added=()):
    """The process, its address (None: it did not start), its log so far, and the thread that reads it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KVSTORE_")}
    environment.update(added)
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--data-dir", data],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment)
    log, address, known = [], [], threading.Event()

    def read():
        for line in process.stdout:
            log.append(line)
            found = re.search(r'serving on ([^\s,"]+)', line)
            if found and not address:
                address.append(found.group(1))
                known.set()
        known.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    known.wait(START_SECONDS)
    return process, address[0] if address else None, log, reader


def main():
    server, work, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.makedirs(work, exist_ok=True)
    data = tempfile.mkdtemp(prefix="foreign-", dir=work)
    process, address, log, reader = start([server], data)
    result = 1
    try:
        if address is None:
            print("the server did not start")
        else:
            environment = {**os.environ, "KVSTORE_SERVER_ADDR": address, "DATA": os.path.abspath(data)}
            result = subprocess.run(command, env=environment, check=False).returncode
    finally:
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = f"only when killed, {STOP_SECONDS} s after it was asked to stop"
        reader.join()
    if code != 0:
        print(f"the server ended with {code}")
        result = result or 1
    if result != 0:
        print("log of the server:\n" + "".join(log))
    shutil.rmtree(data)
    return result


if __name__ == "__main__":
    sys.exit(main())
