"""Runs every command block of README.md, in order, in the repository's root: `sh` blocks by bash, `python` blocks by this
Python. The block that is the test command itself is left out, for that is what calls this."""

import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
text = (root / "README.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", text, flags=re.M | re.S)
kinds = {kind for kind, _ in blocks}
assert len(blocks) >= 5 and kinds == {"sh", "python"}, "the README's blocks were not found"
for kind, block in blocks:
    if block.strip() == "tests/run.sh":
        continue
    print(f"-- {kind}: {block.strip()}", flush=True)
    command = ["bash", "-euo", "pipefail", "-c", block] if kind == "sh" else [sys.executable, "-c", block]
    subprocess.run(command, cwd=root, check=True, timeout=1800, stdin=subprocess.DEVNULL)
