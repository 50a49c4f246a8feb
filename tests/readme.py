"""Runs every command block of README.md, in order, in the repository's root, as one who pastes them into a terminal: what a
`sh` block exports and which functions it defines is there for those that follow. `python` blocks are run by this Python.

A block has a kind, or this fails. `text` is what is shown and no command. `sh by-hand` takes too long to be run each time:
it is named, must be right shell, and the verbs and flags of telecine in it must exist. The block that is the test command
itself is named only, for that is what calls this."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {"sh", "sh by-hand", "python", "text"}
TEST_COMMAND = "tests/run.sh"
# What a block leaves to the next: variables that it exports, and functions.
SESSION = 'source "$0"\n{block}\n{{ export -p; declare -f; }} > "$0"\n'


def blocks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found, fence = [], None
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.startswith("```"):
            if fence:
                fence[2] += line
        elif fence:
            found.append(tuple(fence))
            fence = None
        else:
            fence = [number, line[3:].strip(), ""]
    assert fence is None and len(found) >= 15, "the README's blocks were not found"
    return found


def run(number, kind, block, session, groups):
    print(f"-- README.md:{number}: {kind}\n{block.rstrip()}", flush=True)
    if kind == "sh":
        command = ["bash", "-euo", "pipefail", "-c", SESSION.format(block=block), session]
    else:
        command = [sys.executable, "-c", block]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    groups.append(child.pid)
    code = child.wait(timeout=1800)
    assert code == 0, f"README.md:{number}: exit code {code}"


def look_at(number, block):
    """What can be told of a block without running it."""
    print(f"-- README.md:{number}: by hand, looked at and not run\n{block.rstrip()}", flush=True)
    subprocess.run(["bash", "-n", "-c", block], check=True)
    for line in re.split(r"\n|&&", block.replace("\\\n", " ")):
        words = shlex.split(line, comments=True)
        if words[:1] != ["telecine"]:
            continue
        verbs = [word for word in words[1:3] if word.isalpha() and word.islower()]
        help = subprocess.run(
            ["cargo", "run", "--quiet", "--", *verbs, "--help"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        for flag in (word for word in words if word.startswith("--")):
            assert f"{flag} " in help, f"README.md:{number}: `telecine {' '.join(verbs)}` has no {flag}"


def main():
    found = blocks()
    unknown = [f"README.md:{number}: `{kind}`" for number, kind, _ in found if kind not in KINDS]
    assert not unknown, f"blocks are one of {sorted(KINDS)}: {unknown}"
    for number, kind, block in found:
        hidden = re.search(r"^(telecine|cargo|python3?|tests/)\b", block, flags=re.M)
        assert kind != "text" or not hidden, f"README.md:{number}: a command in a block of text"
    groups = []
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as session:
        try:
            for number, kind, block in found:
                if block.strip() == TEST_COMMAND:
                    print(f"-- README.md:{number}: {TEST_COMMAND}, which calls this", flush=True)
                elif kind == "sh by-hand":
                    look_at(number, block)
                elif kind != "text":
                    run(number, kind, block, session.name, groups)
            check_that_all_ended(groups)
        finally:
            end(groups)


def alive(groups):
    found = []
    for group in groups:
        try:
            os.killpg(group, 0)
            found.append(group)
        except ProcessLookupError:
            pass
    return found


def check_that_all_ended(groups):
    for _ in range(100):
        if not alive(groups):
            return
        subprocess.run(["sleep", "0.1"], check=True)
    raise AssertionError("the README leaves a process running")


def end(groups):
    for group in alive(groups):
        os.killpg(group, signal.SIGKILL)


main()
