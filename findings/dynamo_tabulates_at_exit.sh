#!/usr/bin/env bash
# torch 2.13.0, tabulate 0.10.0, wcwidth 0.9.4.
# Guess: a program that stands at its last line loads nothing more, and a log message at a level that is off costs
# nothing.
# Behavior: whatever makes a FakeTensorMode loads torch._dynamo, which leaves a function to be called at exit; that
# one lays out a table of compile times for a message at level "info". So a program that compiled nothing loads
# tabulate, and wcwidth with it, behind its last line.
# Seen: nothing of tabulate and wcwidth is loaded at the last line, 30 modules of theirs are at exit.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 tabulate==0.10.0 wcwidth==0.9.4

cat >"$folder/program.py" <<'EOF'
import atexit
import sys


def loaded():
    return sorted(name for name in sys.modules if name.split(".")[0] in ("tabulate", "wcwidth"))


# What is registered first is called last.
atexit.register(lambda: print("at exit:", "tabulate" in loaded(), len(loaded())))
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

with FakeTensorMode():
    print(torch.zeros(2, 3).sum(0).shape)
print("at the last line:", "tabulate" in loaded(), len(loaded()))
EOF
"$folder/venv/bin/python" "$folder/program.py" | tee "$folder/seen"
diff "$folder/seen" - <<'EOF'
torch.Size([3])
at the last line: False 0
at exit: True 30
EOF
