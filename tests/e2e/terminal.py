#!/usr/bin/python3
"""terminal.py SERVER CLIENT WORK_DIRECTORY

A person's whole first session with the interactive client, in a real terminal (tmux) against the real server: the
original's words, quoting, history, completion, Ctrl-C, Ctrl-D, and a server that is killed and comes back.

What is typed goes through the terminal, what is expected is looked for on its screen. Every wait is for a text on the
screen or a line of the server's log, with a bound.
"""
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

BOUND_SECONDS = 30
LOOK_SECONDS = 0.02


class Server:
    def __init__(self, binary, data):
        self.binary, self.data, self.address, self.log = binary, data, "127.0.0.1:0", ""
        self.start()

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KVSTORE_")}
        self.process = subprocess.Popen(
            [self.binary, "--listen", self.address, "--data-dir", self.data],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment)
        serving = threading.Event()
        self.log = ""

        def read(pipe):
            for line in pipe:
                self.log += line
                found = re.search(r'serving on ([^\s,"]+)', line)
                if found:
                    self.address = found.group(1)
                    serving.set()
            serving.set()

        self.reader = threading.Thread(target=read, args=(self.process.stdout,))
        self.reader.start()
        if not serving.wait(BOUND_SECONDS) or self.address.endswith(":0"):
            raise AssertionError("the server did not start:\n" + self.log)

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(BOUND_SECONDS)
        self.reader.join()
        return code


class Screen:
    """One terminal of 100 columns with the client in it; its lines are those above the prompt too."""

    def __init__(self, folder, name, command, environment):
        self.tmux = ["tmux", "-S", os.path.join(folder, name), "-f", "/dev/null"]
        self.seen = 0
        variables = [f"{name}={value}" for name, value in environment.items()]
        # The trap keeps Ctrl-C, which the whole terminal hears, from ending the shell after the client.
        inner = f"trap : INT; {shlex.join(command)}; echo \"ended with $?\"; read -r _"
        self.run("new-session", "-d", "-x", "100", "-y", "50", "env", "-u", "KVSTORE_SERVER_ADDR", "-u", "NO_COLOR",
                 *variables, "sh", "-c", inner)

    def run(self, *words):
        return subprocess.run([*self.tmux, *words], check=True, capture_output=True, text=True).stdout

    def lines(self):
        return [line.rstrip() for line in self.run("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")]

    def wait(self, what, done):
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            lines = self.lines()
            if done(lines):
                return lines
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"{what}\n--- the screen ---\n" + "\n".join(self.lines()))

    def shows(self, *texts):
        """The next lines, and nothing else before the next prompt (or the end)."""
        expected = list(texts)

        def done(lines):
            new = lines[self.seen:]
            return new[:len(expected)] == expected and len(new) > len(expected) and \
                (new[len(expected)] == ">" or new[len(expected)].startswith("ended with") or
                 new[len(expected)] == "(not connected) >")

        lines = self.wait(f"expected {expected} after line {self.seen}", done)
        self.seen += len(expected)
        return lines[self.seen]

    def type(self, *keys):
        """Keys as tmux names them; text that is not a name is typed as it is."""
        for key in keys:
            named = key in ("Enter", "Tab", "Up", "Left", "C-c", "C-d", "C-a")
            self.run("send-keys", *([] if named else ["-l"]), "--", key)

    def says(self, line, *answer, prompt="> "):
        """Types a line; it stands behind the prompt, and the answer is what follows."""
        self.type(line, "Enter")
        return self.shows((prompt + line).rstrip(), *answer)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)


def first_session(screen, server):
    screen.shows("Interactive Key-Value Store Client", "Available commands: set, get, del, keys, config, exit")
    screen.says("set name johndoe", "Set operation successful")
    screen.says("get name", "Value: johndoe")
    screen.says("GET nobody", "Key not found")
    screen.says("set \"two words\" 'any  value'", "Set operation successful")
    screen.says('get "two words"', "Value: any  value")
    screen.says("set spaced a    b", "Set operation successful")
    screen.says("get spaced", "Value: a b")
    screen.says("keys", 'Keys: [name spaced "two words"]')
    screen.says("keys s*", "Keys: [spaced]")
    screen.says("del spaced", "Delete operation successful")
    screen.says("del spaced", "Key not found")
    screen.says('set empty ""', "Set operation successful")
    screen.says("get empty", "Value:")
    screen.says("")
    screen.says("fetch name", "Unknown command. Available commands: set, get, del, keys, config, exit")
    screen.says("set name", "Usage: set <key> <value>")
    screen.says('get "name', "column 5: the quote that begins here has no end")
    screen.says("set grüße ☃", "Set operation successful")
    screen.says("get grüße", "Value: ☃")
    screen.says(r"set bytes \x1b[2J\x00\xff", "Set operation successful")
    screen.says("get bytes", r'Value: "\x1b[2J\x00\xff"')
    screen.says("health", "status: SERVING")


def keyboard(screen):
    screen.type("ge", "Tab", "name", "Enter")
    screen.shows("> get name", "Value: johndoe")
    screen.type("config ", "Tab")
    screen.wait("the modes are offered", lambda lines: "SNAPSHOT  AOF  HYBRID  NON_PERSISTENT  get  set" in lines[screen.seen:])
    screen.type("hy", "Tab", "60 3 1048576", "Enter")
    screen.shows("> config", "SNAPSHOT  AOF  HYBRID  NON_PERSISTENT  get  set", "> config hybrid 60 3 1048576",
                 "Config operation successful")
    screen.type("del name")
    screen.wait("the line is there", lambda lines: lines[screen.seen:] == ["> del name"])
    screen.type("C-c")  # A signal: it may overtake what was typed just before.
    screen.shows("> del name^C")
    screen.type("Up", "Up", "Enter")
    screen.shows("> get name", "Value: johndoe")
    screen.type("get nme", "Left", "Left", "a", "Enter")
    screen.shows("> get name", "Value: johndoe")


def many_keys(screen, folder, client, environment):
    screen.says("incr counter 41", "Value: 41")
    screen.type("get cou", "Tab", "Enter")  # Keys are completed too.
    screen.shows("> get counter", "Value: 41")
    question = "1 keys: every key that begins with coun. Delete them? [y/N]"
    screen.type("delrange coun", "Enter")
    screen.wait("it asks", lambda lines: lines[screen.seen:] == ["> delrange coun", question])
    screen.type("n", "Enter")
    screen.shows("> delrange coun", question + " n", "Nothing was deleted")
    screen.type("delrange coun", "Enter")
    screen.wait("it asks", lambda lines: lines[screen.seen:] == ["> delrange coun", question])
    screen.type("y", "Enter")
    screen.shows("> delrange coun", question + " y", "Deleted: 1")
    entries = os.path.join(folder, "entries")
    with open(entries, "w", encoding="utf-8") as file:
        file.writelines(f'{{"key":"i{number}","value":"{"x" * 100}"}}\n' for number in range(400000))
    screen.type(f"import {entries}", "Enter")
    screen.wait("a bar", lambda lines: re.fullmatch(
        r"importing \[#* *\] +\d+%  \d+ entries/s  .* left", lines[-1]))
    screen.shows(f"> import {entries}", "Imported 400000 entries")
    bar_of_export(folder, client, environment)
    screen.says("delrange i --yes", "Deleted: 400000")


def bar_of_export(folder, client, environment):
    """Whoever takes the lines takes them slowly; the bar stands on the terminal all the while."""
    pipe = os.path.join(folder, "exported")
    os.mkfifo(pipe)
    screen = Screen(folder, "export", ["sh", "-c", f"{shlex.quote(client)} export i > {shlex.quote(pipe)}"], environment)
    try:
        lines = 0
        bar = re.compile(r"exporting \[#* *\] +\d+%  \d+ entries/s  .* left")
        shown = False
        with open(pipe, "rb", buffering=0) as reader:
            while piece := reader.read(64 << 10):
                lines += piece.count(b"\n")
                shown = shown or any(bar.fullmatch(line) for line in screen.lines())
                time.sleep(0 if shown else LOOK_SECONDS)  # The bar comes with time.
        assert lines == 400000, lines
        assert shown, "\n".join(screen.lines())
        screen.wait("it ends", lambda lines: lines[-1] == "ended with 0")
    finally:
        screen.close()


def away_and_back(screen, server):
    server.end(signal.SIGKILL)
    # The first call may still meet the broken connection; the ones after it find nobody there.
    screen.type("get name", "Enter")
    screen.wait("one clear line", lambda lines: re.fullmatch(
        f"Get failed: (lost the connection to|cannot reach) {server.address}: [A-Z][A-Za-z ]+",
        "".join(lines[screen.seen + 1:screen.seen + 2])) and lines[-1] == "(not connected) >")
    screen.seen += 2
    screen.says("get name", f"Get failed: cannot reach {server.address}: Connection refused", prompt="(not connected) > ")
    server.start()
    prompt = screen.says("get name", "Value: johndoe", prompt="(not connected) > ")
    assert prompt == ">", prompt
    server.process.send_signal(signal.SIGSTOP)  # It hangs: Ctrl-C gives the call up, not the client.
    screen.type("get name", "Enter")
    screen.wait("the call runs", lambda lines: lines[screen.seen] == "> get name" and len(lines) > screen.seen and
                screen.run("display-message", "-p", "#{cursor_x}").strip() == "0")
    screen.type("C-c")
    screen.shows("> get name", "^CGet failed: interrupted")
    server.process.send_signal(signal.SIGCONT)
    screen.says("get name", "Value: johndoe")


def main():
    server_binary, client, work = (os.path.abspath(path) for path in sys.argv[1:4])
    os.makedirs(work, exist_ok=True)
    data = tempfile.mkdtemp(prefix="terminal-", dir=work)
    # The socket's path must stay below some hundred bytes, so it does not lie under WORK_DIRECTORY.
    with tempfile.TemporaryDirectory(prefix="kv-terminal-", dir="/tmp") as folder:
        server = Server(server_binary, data)
        state = os.path.join(folder, "state")
        environment = {"KVSTORE_TARGET": server.address, "XDG_STATE_HOME": state, "HOME": folder}
        screen = Screen(folder, "first", [client], environment)
        try:
            first_session(screen, server)
            keyboard(screen)
            many_keys(screen, folder, client, environment)
            away_and_back(screen, server)
            screen.type("C-d")
            end = screen.shows("> ^D", "Exiting client.")
            assert end == "ended with 0", end
            screen.close()

            history = os.path.join(state, "kvstore", "history")
            assert stat.S_IMODE(os.stat(history).st_mode) == 0o600, "the history is private"
            screen = Screen(folder, "second", [client], environment)
            screen.shows("Interactive Key-Value Store Client", "Available commands: set, get, del, keys, config, exit")
            screen.type("Up", "Enter")
            screen.shows("> get name", "Value: johndoe")
            end = screen.says("exit", "Exiting client.")
            assert end == "ended with 0", end
            code = server.end(signal.SIGTERM)
            assert code == 0, f"the server ended with {code}:\n{server.log}"
        finally:
            screen.close()
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
                server.end(signal.SIGKILL)
    shutil.rmtree(data)
    print("the interactive client passed in a real terminal")


main()
