#!/usr/bin/python3
"""completion.py CLIENT

The scripts of `kvstore_client completion`, read by the shells that they are for: each parses its own, and bash and fish
complete with it. A shell that is not installed is passed over, but for bash.
"""
import os
import shutil
import subprocess
import sys
import tempfile


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def words_of_bash(script, *line, breaks=" "):
    words = " ".join(f"'{word}'" for word in line)
    return run("bash", "-c", f"source '{script}'; COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; "
                             f"COMP_WORDBREAKS='{breaks}'; _kvstore_client; "
                             "printf '%s\\n' \"${COMPREPLY[@]}\"").split()


def words_of_fish(script, *line):
    shown = run("fish", "--no-config", "-c", f"source '{script}'; complete -C '{' '.join(line)}'")
    return [row.split("\t")[0] for row in shown.splitlines()]


def words_of_zsh(script, *line):
    """bashcompinit's own part: the function that zsh's completion calls, with the words where it puts them."""
    words = " ".join(f"'{word}'" for word in line)
    return run("zsh", "-f", "-c", "autoload -U compinit && compinit -u -D; "
               f"source '{script}'; COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; setopt ksharrays; words=''; "
               "_kvstore_client_words; print -r -- ${=words}").split()


def main():
    client = os.path.abspath(sys.argv[1])
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        for shell, complete in (("bash", words_of_bash), ("zsh", words_of_zsh), ("fish", words_of_fish)):
            if shutil.which(shell) is None:
                assert shell != "bash"
                continue
            script = os.path.join(folder, shell)
            with open(script, "w", encoding="utf-8") as file:
                file.write(run(client, "completion", shell))
            run(shell, "-n", script)
            assert "incr" in complete(script, "kvstore_client", "inc"), shell
            assert "fsync" in complete(script, "kvstore_client", "config", "get", "fsyn"), shell
            assert "disk" in complete(script, "kvstore_client", "--durability", "d"), shell
            assert "incr" not in complete(script, "kvstore_client", "config", "i"), shell
            for line in (("scan", "--li"), ("cas", "--keep"), ("incr", "--sat"), ("import", "--st"), ("export", "--re"),
                         ("delrange", "--dry"), ("big", "--wa"), ("rewrite-log", "--no"), ("config", "set", "--sn")):
                offered = complete(script, "kvstore_client", *line)
                assert any(word.startswith(line[-1]) for word in offered), (shell, line, offered)
            assert "--watch" not in complete(script, "kvstore_client", "scan", "--"), shell
            # Behind an option with a value; fish offers options there, too, of every program.
            assert shell == "fish" or "--limit" not in complete(script, "kvstore_client", "scan", "--glob", "--"), shell
            seen.append(shell)
        with open(os.path.join(folder, "entries.jsonl"), "w", encoding="utf-8"):
            pass
        os.chdir(folder)
        bash, fish = os.path.join(folder, "bash"), os.path.join(folder, "fish")
        for line in (("set", "k", "@ent"), ("cas", "k", "x", "@ent")):
            assert words_of_bash(bash, "kvstore_client", *line) == ["@entries.jsonl"], line
            assert "fish" not in seen or words_of_fish(fish, "kvstore_client", *line) == ["@entries.jsonl"], line
        # Where the shell breaks words at an @, the name goes behind it.
        assert "entries.jsonl" in words_of_bash(bash, "kvstore_client", "set", "k", "@", breaks=" @")
        # Bash itself names files when there is no word of ours.
        assert not words_of_bash(bash, "kvstore_client", "import", "ent")
        assert not words_of_bash(bash, "kvstore_client", "import", "")
        for line in (("import", "ent"), ("import", "--state", "ent"), ("export", ">", "ent")):
            assert "fish" not in seen or "entries.jsonl" in words_of_fish(fish, "kvstore_client", *line), line
        assert "fish" not in seen or not words_of_fish(fish, "kvstore_client", "get", "ent")
    print(f"the completions of {', '.join(seen)} passed")


main()
