#!/usr/bin/python3
"""page.py PAGE PROGRAM_DIRECTORY...

Runs the ```console examples of a page, in order, in one shell, and compares what they print with what the page says. The
server is the one of KVSTORE_SERVER_ADDR, its data lies in $DATA. Output goes to a terminal, as for the reader who types
them; files go into a folder that is new and is removed afterwards.
"""
import difflib
import os
import pty
import re
import subprocess
import sys
import tempfile

BOUND_SECONDS = 60


def examples(text):
    """Pairs of a command and what it prints."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def run(command, environment, folder):
    screen, terminal = pty.openpty()
    process = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
                               env=environment, cwd=folder)
    os.close(terminal)
    printed = b""
    while True:
        try:
            chunk = os.read(screen, 65536)
        except OSError:  # EIO: the last process that had the terminal is gone.
            break
        if not chunk:
            break
        printed += chunk
    process.wait(BOUND_SECONDS)
    os.close(screen)
    return printed.decode(errors="replace").replace("\r\n", "\n")


def main():
    page, *programs = sys.argv[1:]
    path = ":".join([os.path.abspath(folder) for folder in programs] + [os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    with open(page, encoding="utf-8") as file:
        pairs = list(examples(file.read()))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for command, expected in pairs:
            printed = run(command, environment, folder)
            if printed == expected:
                continue
            wrong += 1
            print(f"$ {command}")
            print("\n".join(difflib.unified_diff(expected.split("\n"), printed.split("\n"), "page", "run", lineterm="")))
    print(f"{page}: {len(pairs)} examples, {wrong} wrong")
    return 1 if wrong or not pairs else 0


sys.exit(main())
