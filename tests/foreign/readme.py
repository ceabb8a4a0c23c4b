#!/usr/bin/python3
"""readme.py LANGUAGE...: what the README shows under "Your own client" works as it stands there.

Takes the program and the commands from the README's own text, puts them into an empty folder beside a link to protos/,
and runs them against the server at KVSTORE_SERVER_ADDR; only the address is put in place, and packages are not
installed once more.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = {
    "python": ("Python", "python", "hello.py"),
    "go": ("Go", "go", "hello.go"),
    "node": ("Node", "javascript", "hello.js"),
}


def blocks(readme, heading):
    """The fenced blocks of one section, by their language."""
    section = re.search(rf"^### {heading}$(.*?)(?=^##)", readme, re.MULTILINE | re.DOTALL).group(1)
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def run(language, work):
    heading, fence, name = EXAMPLES[language]
    found = blocks((ROOT / "README.md").read_text(encoding="utf-8"), heading)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"readme-{language}-", dir=work))
    (folder / "protos").symlink_to(ROOT / "protos")
    program = found[fence].replace("127.0.0.1:50051", os.environ["KVSTORE_SERVER_ADDR"])
    (folder / name).write_text(program, encoding="utf-8")
    commands = [line for line in found["sh"].splitlines() if not line.startswith("apt-get ")]
    # Debian's own python3, go and node: what the packages that the README names belong to.
    environment = {**os.environ, "GOCACHE": f"{work}/go-cache", "PATH": "/usr/bin:" + os.environ["PATH"]}
    done = subprocess.run(["bash", "-euc", "\n".join(commands)], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, check=False)
    shutil.rmtree(folder)
    if done.returncode != 0 or not done.stdout.endswith(f"hello from {heading}\n"):
        print(f"README, {heading}: exit {done.returncode}, printed:\n{done.stdout}")
        return False
    return True


work_directory = os.environ["WORK_DIRECTORY"]
os.makedirs(work_directory, exist_ok=True)
sys.exit(0 if all([run(language, work_directory) for language in sys.argv[1:]]) else 1)
