"""Words for talking to a container engine through its command line, shared by the tests of this folder."""
import json
import os
import pathlib
import pty
import re
import subprocess
import time
from datetime import datetime

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETWORK = "kvstore_net"


class Failed(Exception):
    """What was expected, and what was there instead."""


def check(true, what):
    if not true:
        raise Failed(what)


def run(*command, bound=120, fails=False, environment=None):
    """What the command prints. `fails`: a failure is what is asked for."""
    done = subprocess.run(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=bound, check=False, env={**os.environ, **(environment or {})})
    check((done.returncode != 0) == fails, f"{' '.join(command)}: exit {done.returncode}, printed:\n{done.stdout[-4000:]}")
    return done.stdout


def docker(*arguments, **options):
    return run("docker", *arguments, **options)


def compose(*arguments, **options):
    return run("docker", "compose", *arguments, **options)


def inspect(name, path=""):
    return json.loads(docker("inspect", "--format", "{{json ." + path + "}}", name))


def exists(kind, name):
    return subprocess.run(["docker", kind, "inspect", name], capture_output=True, check=False).returncode == 0


def moment(text):
    """Seconds since 1970 of a time as the engine prints it, nanoseconds included."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def log_line(container, text):
    """The moment at which the container printed the first line with `text`, and that line."""
    for line in docker("logs", "--timestamps", container).splitlines():
        if text in line:
            stamp, _, rest = line.partition(" ")
            return moment(stamp), rest
    raise Failed(f"{container} never printed '{text}':\n{docker('logs', container)}")


def wait_until(question, what, bound=60):
    """An engine tells some things only to those who ask."""
    end = time.monotonic() + bound
    while not question():
        check(time.monotonic() < end, f"not within {bound} s: {what}")
        time.sleep(0.05)


def healthy(container):
    return inspect(container, "State.Health.Status") == "healthy"


def client(*words, **options):
    """One command of the client, in a container of its own on the network."""
    return docker("run", "--rm", "--network", NETWORK, "kvstore_client", *words, **options)


def on_terminal(command, typed, bound=60):
    """Runs a shell command on a terminal and types, each line when the prompt stands there. Gives all that was shown."""
    process, screen = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execvp("bash", ["bash", "-euc", command])
    shown, lines = b"", list(typed)
    end = time.monotonic() + bound
    while True:
        check(time.monotonic() < end, f"{command}: not over after {bound} s, showed {shown!r}")
        try:
            chunk = os.read(screen, 65536)
        except OSError:  # EIO: the last process that had the terminal is gone.
            break
        if not chunk:
            break
        shown += chunk
        if lines and re.search(rb"> \S*$", shown):
            os.write(screen, lines.pop(0).encode() + b"\n")
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(screen)
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    check(status == 0, f"{command}: exit {status}, showed:\n{text}")
    return text
