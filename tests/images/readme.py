"""What the README says under "In containers" works as it stands there: every line of its sh blocks, in order, in one
tree. A client that is opened on a terminal is typed at as the README's first session shows."""
import re

from engine import ROOT, check, on_terminal, run, wait_until, healthy

TYPED = ["set typed 'by hand'", "get typed", "exit"]
SHOWN = ["Set operation successful", "Value: by hand", "Exiting client."]


def commands(page="README.md", title="In containers"):
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.search(rf"^## {title}$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL).group(1)
    for block in re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line and not line.startswith("#"))


def run_commands():
    lines = list(commands())
    opened = [line for line in lines if re.search(r"^docker run -it .*kvstore_client", line)]
    check(len(opened) == 1, f"the README opens {len(opened)} clients on a terminal, this test knows how to type at one")
    for line in lines:
        if line in opened:
            wait_until(lambda: healthy("kvstore_server"), "healthy")
            shown = on_terminal(line, TYPED)
            check(all(words in shown for words in SHOWN), f"{line} showed:\n{shown}")
        else:
            run("bash", "-euc", line, bound=1500)
    print(f"   {len(lines)} commands")
