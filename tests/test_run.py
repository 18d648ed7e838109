"""``convlin run``: what a script does under it is compared with what it does under ``python``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.processes import PATIENCE, Done, run

TRAIN = """
    import torch
    import torch.nn.functional as F
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.fc1 = nn.Linear(FC1, 20)
            self.fc2 = nn.Linear(FC2, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv(x)), 2)
            return self.fc2(F.relu(self.fc1(x.flatten(1))))


    torch.manual_seed(0)
    net = Net()
    for step in range(2):
        images, labels = torch.randn(4, 3, 16, 16), torch.randint(10, (4,))
        loss = F.cross_entropy(net(images), labels)
        # Without an optimizer, which loads the compiler: half of what such a process takes.
        for weight, gradient in zip(net.parameters(), torch.autograd.grad(loss, net.parameters())):
            weight.data -= 0.01 * gradient
        print("step", step, loss.item())
"""
WRONG = TRAIN.replace("FC1", "999").replace("FC2", "77")
RIGHT = TRAIN.replace("FC1", "512").replace("FC2", "20")


def write(folder: Path, name: str, code: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(code), encoding="utf-8")


def under_python(folder: Path, *words: str) -> Done:
    return run(sys.executable, *words, cwd=folder, check=False)


def under_convlin(folder: Path, *words: str) -> Done:
    return run(sys.executable, "-m", "convlin", "run", *words, cwd=folder, check=False)


def both(folder: Path, *words: str) -> tuple[Done, Done]:
    """The same program under ``python`` and under ``convlin run``."""
    return under_python(folder, *words), under_convlin(folder, *words)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The wrong training under ``python``, from a file ``train.py``; in what it wrote the folder is ``FOLDER``."""
    folder = tmp_path_factory.mktemp("plain")
    write(folder, "train.py", WRONG)
    done = under_python(folder, "train.py")
    done.stderr = done.stderr.replace(str(folder), "FOLDER")
    return done


def is_alike(plain: Done, ours: Done) -> bool:
    return (plain.returncode, plain.stdout, plain.stderr) == (ours.returncode, ours.stdout, ours.stderr)


def test_a_wrong_linear_in_a_training_loop(plain: Done, tmp_path: Path) -> None:
    write(tmp_path, "train.py", WRONG)
    ours = under_convlin(tmp_path, "train.py")
    assert plain.returncode == ours.returncode == 1
    assert plain.stdout == ours.stdout
    before = plain.stderr.replace("FOLDER", str(tmp_path))
    assert ours.stderr.startswith(before)
    told = ours.stderr.removeprefix(before)
    assert "needs in_features=512, has 999" in told
    assert "fix  train.py:11   self.fc1 = nn.Linear(512, 20)" in told
    assert "fix  train.py:12   self.fc2 = nn.Linear(20, 10)" in told


@pytest.mark.parametrize(
    "code",
    [
        f"{RIGHT}\n    raise ValueError('of my own')",
        "import sys\nprint('out')\nsys.exit(3)",
        "import sys\nsys.exit('no data')",
        "raise SystemExit",
        "def f():\n    return {}['lr']\n\nf()",
        "x = = 1",
        "import no_such_module_anywhere",
        "import os\nos._exit(7)",
        "import sys\nsys.excepthook = lambda *a: print('hooked', a[0].__name__, a[2].tb_lineno)\n1 / 0",
        "import atexit\natexit.register(print, 'end')\nprint('begin')\n1 / 0",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise OSError('chained') from error",
    ],
)
def test_everything_else_is_as_under_python(code: str, tmp_path: Path) -> None:
    write(tmp_path, "program.py", code)
    plain, ours = both(tmp_path, "program.py")
    assert is_alike(plain, ours), (plain.__dict__, ours.__dict__)


LOOK = """
    import sys, os
    main = sys.modules["__main__"]
    for name in ("__name__", "__doc__", "__package__", "__spec__", "__file__", "__cached__"):
        print(name, globals()[name] if name != "__spec__" or __spec__ is None else __spec__.name)
    print(type(__loader__).__name__, main.__dict__ is globals(), sys.argv, sys.path, os.getcwd(), sys.stdin.read())
"""


def test_a_program_sees_what_it_sees_under_python(tmp_path: Path) -> None:
    write(tmp_path, "sub/program.py", LOOK)
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/__main__.py", LOOK)
    write(tmp_path, "package/train.py", LOOK)
    for words in (
        ["sub/program.py"],
        ["sub/program.py", "-m", "--help", "run", "--", "a b"],
        ["-m", "package", "--version"],
        ["-m", "package.train", "-m", "x"],
    ):
        plain, ours = both(tmp_path, *words)
        assert is_alike(plain, ours), (words, plain.__dict__, ours.__dict__)


def test_options_of_the_program_are_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        "program.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, required=True)
        print(parser.parse_args().epochs)
        """,
    )
    for words in (["--epochs", "3"], ["--help"], ["--epochs", "three"]):
        plain, ours = both(tmp_path, "program.py", *words)
        assert is_alike(plain, ours), words


def test_the_second_name_of_main_is_the_programs_too(tmp_path: Path) -> None:
    """multiprocessing gives it when it is imported, which convlin may have done before the program ran."""
    write(
        tmp_path,
        "early.py",
        """
        import multiprocessing, runpy, sys
        sys.argv = ["convlin", "run", "program.py"]
        runpy.run_module("convlin", run_name="__main__")
        """,
    )
    write(
        tmp_path,
        "program.py",
        """
        import sys
        print(sys.modules["__mp_main__"] is sys.modules["__main__"], sys.modules["__mp_main__"].__file__)
        """,
    )
    done = run(sys.executable, "early.py", cwd=tmp_path)
    assert done.stdout.split() == ["True", str(tmp_path / "program.py")]


def test_what_it_pickles_and_starts_finds_its_main(tmp_path: Path) -> None:
    write(
        tmp_path,
        "program.py",
        """
        import multiprocessing, pickle

        class Batch:
            def __init__(self, size): self.size = size

        def double(batch): return Batch(2 * batch.size)

        if __name__ == "__main__":
            print(pickle.loads(pickle.dumps(Batch(3))).size)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(double, [Batch(4)])[0].size)
        """,
    )
    plain, ours = both(tmp_path, "program.py")
    assert plain.stdout == "3\n8\n"
    assert is_alike(plain, ours), ours.stderr


def test_a_module_with_a_wrong_layer(tmp_path: Path) -> None:
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/train.py", WRONG)
    done = run(sys.executable, "-m", "convlin", "run", "-m", "package.train", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "fix  package/train.py:11   self.fc1 = nn.Linear(512, 20)" in done.stderr
    assert "convlin/cli" not in done.stderr
    assert "runpy" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "write convlin run train.py, or convlin run -m package.module"),
        (["nowhere.py"], 2, "can't open file"),
        (["note.ipynb"], 2, "note.ipynb is a notebook: write %load_ext convlin in its first cell"),
        (["-m", "nowhere"], 1, "No module named nowhere"),
    ],
)
def test_nothing_to_run(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    write(tmp_path, "note.ipynb", "{}")
    done = run(sys.executable, "-m", "convlin", "run", *words, cwd=tmp_path, check=False)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


#: Python with the words behind it, told of an interrupt even if these tests run in the background, where a shell has
#: it ignored.
INTERRUPTIBLE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

#: Takes an interrupt in one line and no other, however late it comes.
WAITS = """
    import signal, time
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    print("ready", flush=True)
    while signal.SIGINT not in signal.sigpending():
        time.sleep(0.01)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_ends_it_as_it_ends_python(tmp_path: Path) -> None:
    write(tmp_path, "program.py", WAITS)
    ended = []
    for words in ([], ["-m", "convlin", "run"]):
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *words, "program.py"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        ended.append((process.returncode, said))
    assert ended[0] == ended[1]
    assert ended[0][0] == -signal.SIGINT


def test_python_i_goes_on_behind_it(tmp_path: Path) -> None:
    write(tmp_path, "wrong.py", WRONG)
    write(tmp_path, "right.py", "lr = 0.1\nprint('end')")
    write(tmp_path, "exits.py", "lr = 0.1\nimport sys\nsys.exit(3)")
    for name, look, shown in (
        ("wrong.py", "net.fc1.in_features", "999\n"), ("right.py", "lr", "end\n0.1\n"), ("exits.py", "lr", "0.1\n"),
    ):  # fmt: skip
        for words in ([], ["-m", "convlin", "run"])[name == "wrong.py" :]:
            done = run(sys.executable, "-i", *words, name, cwd=tmp_path, input=f"print({look})\n", check=False)
            assert (done.returncode, done.stdout) == (0, shown), words
        assert ("needs in_features=512" in done.stderr) == (name == "wrong.py")
        assert ("SystemExit" in done.stderr) == (name == "exits.py")


def test_a_module_of_the_users_in_the_place_of_pythons_own(plain: Done, tmp_path: Path) -> None:
    write(tmp_path, "html.py", "raise ImportError('mine')")
    write(tmp_path, "train.py", WRONG)
    ours = under_convlin(tmp_path, "train.py")
    assert plain.returncode == ours.returncode == 1
    assert ours.stderr.startswith(plain.stderr.replace("FOLDER", str(tmp_path)))


def test_little_is_loaded_before_the_program(tmp_path: Path) -> None:
    """``python`` loads nothing; what is loaded here is time in front of every program."""
    write(tmp_path, "look.py", "import sys\nprint(*(name for name in sys.modules if name.startswith('convlin')))")
    done = run(sys.executable, "-m", "convlin", "run", "look.py", cwd=tmp_path)
    assert set(done.stdout.split()) == {
        "convlin", "convlin.at_error", "convlin.at_error.show", "convlin.cli", "convlin.cli.arguments",
        "convlin.cli.running", "convlin.errors",
    }  # fmt: skip


LOADER = """
    import sys
    from torch.utils.data import DataLoader, Dataset

    class Images(Dataset):
        def __len__(self): return 8
        def __getitem__(self, index):
            if sys.argv[1] == "broken":
                raise ValueError("no such image")
            return torch.full((3, 16, 16), index / 8), index

    for images, labels in DataLoader(Images(), batch_size=4, num_workers=2):
        print(net(images).shape, labels)
"""
LOADED = textwrap.dedent(WRONG).replace("range(2)", "()") + textwrap.dedent(LOADER)


def test_workers_of_a_loader(tmp_path: Path) -> None:
    write(tmp_path, "train.py", LOADED)
    ours = under_convlin(tmp_path, "train.py", "whole")
    assert ours.returncode == 1
    assert ours.stderr.count("needs in_features=512, has 999") == 1


@pytest.mark.thorough  # another error than one of sizes is as under python without workers, too
def test_an_error_in_a_worker_of_a_loader(tmp_path: Path) -> None:
    write(tmp_path, "train.py", LOADED)
    plain, ours = both(tmp_path, "train.py", "broken")
    assert is_alike(plain, ours)
    assert "ValueError: no such image" in ours.stderr


@pytest.mark.thorough  # that one of several processes gets no answer is held without a process in test_at_error
@pytest.mark.skipif(os.name == "nt", reason="torchrun needs POSIX here")
def test_a_launcher_of_several_processes(tmp_path: Path) -> None:
    """A second run in one of them could wait for the others: all end, with the traceback alone."""
    start = """
    import os
    import torch.distributed as dist
    dist.init_process_group("gloo")
    os.write(1, f"rank {dist.get_rank()} {os.environ['WORLD_SIZE']} {__name__}\\n".encode())  # a line in one piece
    """
    write(tmp_path, "train.py", textwrap.dedent(start) + textwrap.dedent(WRONG))
    done = run(
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "convlin", "run", "train.py", cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("rank")) == [
        "rank 0 2 __main__",
        "rank 1 2 __main__",
    ]
    assert "mat1 and mat2 shapes cannot be multiplied" in done.stderr
    assert "convlin ran this call again" not in done.stderr
