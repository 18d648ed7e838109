"""Locks: the text, reading it back, damaged ones, and how a difference is told."""

from __future__ import annotations

import os
import random
import stat
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sympy
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convlin import InputError, ShapeError, Summary, summarize
from convlin._util.atomic_write import write_bytes
from convlin.checks.lock_diff import changes, same_shapes, told
from convlin.checks.lock_file import Line, Lock, lock_of, parse, text_of
from convlin.records import Call, Report, TensorInfo
from tests.properties import examples
from tests.zoo import REAL, SMALL, VERY_LONG, ZooModel, cases


class Net(nn.Module):
    """A small network with knobs, one for each way in which shapes change."""

    def __init__(self, channels: int = 16, norm: bool = False, head: str = "fc", classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1)]
        if norm:
            layers.append(nn.BatchNorm2d(channels))
        layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.name = head
        setattr(self, head, nn.Linear(2048, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule(self.name)(self.features(x).flatten(1))


def lock(model: nn.Module, shape: tuple[int, ...] = (3, 32, 32)) -> Lock:
    return lock_of(summarize(model, shape).report)


def kinds(old: Lock, new: Lock) -> list[tuple[str, str]]:
    return [(change.kind, change.label) for change in changes(old, new)]


TEXT = """\
# convlin lock, format 1
# model Net, eval
# input 1x3x32x32 float32
features.0  Conv2d  1x3x32x32 -> 1x16x32x32  params 448
features.1  ReLU  1x16x32x32 -> 1x16x32x32
features.2  MaxPool2d  1x16x32x32 -> 1x16x16x16
features.3  Conv2d  1x16x16x16 -> 1x32x16x16  params 4640
features.4  ReLU  1x32x16x16 -> 1x32x16x16
features.5  MaxPool2d  1x32x16x16 -> 1x32x8x8
features  Sequential  1x3x32x32 -> 1x32x8x8
.  (Tensor.flatten)  1x32x8x8 -> 1x2048
fc  Linear  1x2048 -> 1x10  params 20490
.  Net  1x3x32x32 -> 1x10
# total params 25578
"""


# The file


def test_the_text(tmp_path: Path) -> None:
    path = tmp_path / "net.shapes"
    summary = summarize(Net(), (3, 32, 32))
    assert summary.lock(path) is summary
    assert path.read_bytes() == TEXT.encode()
    assert summary.check(path) is summary
    assert summary.check(str(path)) is summary
    assert parse(TEXT, "it", "that") == lock(Net())


def test_the_same_text_every_time() -> None:
    assert text_of(lock(Net())) == text_of(lock(Net())) == TEXT


def test_nothing_else_is_left(tmp_path: Path) -> None:
    summarize(Net(), (3, 32, 32)).lock(tmp_path / "net.shapes")
    assert os.listdir(tmp_path) == ["net.shapes"]


def test_line_endings_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "net.shapes"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    summarize(Net(), (3, 32, 32)).check(path)


ODD_NAMES = [
    "two words", "tab\there", "line\nbreak", 'quo"te', "back\\slash", "#hash", "(bracket)", "größe", "层", "-> x",
    "\u2028", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(name: str, tmp_path: Path) -> None:
    model = nn.Sequential(OrderedDict([(name, nn.Linear(4, 4)), ("plain", nn.ReLU())]))
    summary = summarize(model, (4,))
    summary.lock(tmp_path / "odd.shapes").check(tmp_path / "odd.shapes")
    text = (tmp_path / "odd.shapes").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 7
    assert text.count("\n") == 7


def test_odd_class_names(tmp_path: Path) -> None:
    odd = type("(odd) Net, eval", (nn.Linear,), {})(4, 4)
    summary = summarize(nn.Sequential(odd), (4,))
    summary.lock(tmp_path / "a").check(tmp_path / "a")
    root = summarize(odd, (4,))
    root.lock(tmp_path / "a").check(tmp_path / "a")
    assert parse(text_of(lock_of(root.report)), "it", "that").model == "(odd) Net, eval"


def test_several_tensors_and_none(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 16, batch_first=True)
            self.quiet = Quiet()

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            self.quiet()
            return self.lstm(x)[0] * mask

    class Quiet(nn.Module):
        def forward(self) -> None:
            return None

    summary = summarize(Pair(), {"x": (5, 8), "mask": (5, 1)})
    text = text_of(lock_of(summary.report))
    assert "# input x 1x5x8 float32\n# input mask 1x5x1 float32\n" in text
    assert "lstm  LSTM  1x5x8 -> 1x5x16, 1x1x16, 1x1x16  params 1664\n" in text
    assert "quiet  Quiet  none -> none\n" in text
    summary.lock(tmp_path / "a").check(tmp_path / "a")


def test_scalars_and_unknown_sizes() -> None:
    call = Call("a", "A", (TensorInfo("", (), "float32", "cpu"),), (TensorInfo("", (2, -1), "float32", "cpu"),))
    written = lock_of(Report("M", call.inputs, call.outputs, "cpu", "eval", (call,), ()))
    assert text_of(written).splitlines()[3] == "a  A  scalar -> 2x?"
    assert parse(text_of(written), "it", "that") == written


@examples(50)
@given(
    st.lists(
        st.builds(
            Line,
            st.text(max_size=8),
            st.text(min_size=1, max_size=8),
            st.booleans(),
            st.sampled_from(["none", "scalar", "1x2", "1x(H//2)", "1x2, 3"]),
            st.sampled_from(["none", "1x2", "2x?"]),
            st.integers(0, 9),
        ),
        max_size=5,
    ),
    st.text(min_size=1, max_size=8),
)
def test_every_lock_reads_back(lines: list[Line], model: str) -> None:
    written = Lock(model, "eval", ("1x2 float32",), tuple(lines), 3)
    assert parse(text_of(written), "it", "that") == written


# Writing it


def test_a_model_with_problems_is_not_locked(tmp_path: Path) -> None:
    broken = summarize(nn.Sequential(nn.Flatten(), nn.Linear(11, 4)), (3, 2, 2))
    with pytest.raises(ShapeError, match="receives 12 features"):
        broken.lock(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_structure_alone_is_not_locked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a lock holds shapes: give summarize an input"):
        summarize(Net()).lock(tmp_path / "a")


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no directory"):
        summarize(Net(), (3, 32, 32)).lock(tmp_path / "no" / "a")


def test_another_file_than_a_lock_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    for text in (b"import torch\n", b"\xff\xfe\x00"):
        path.write_bytes(text)
        with pytest.raises(InputError, match=r"net\.py is not a convlin lock, and is left as it is"):
            summarize(Net(), (3, 32, 32)).lock(path)
        assert path.read_bytes() == text


@pytest.mark.parametrize("text", ["", "\n", TEXT[:40], f"<<<<<<< HEAD\n{TEXT}=======\n{TEXT}>>>>>>> b\n"])
def test_a_damaged_lock_is_written_again(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.shapes"
    path.write_text(text, encoding="utf-8")
    summary = summarize(Net(), (3, 32, 32))
    summary.lock(path).check(path)


def test_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.shapes"
    summary = summarize(Net(), (3, 32, 32)).lock(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert summary.check(path) is summary


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def fails(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    missing, folder = tmp_path / "no" / "a.md", tmp_path / "folder.md"
    folder.mkdir()
    for path in (missing, folder):
        with pytest.raises(OSError, match="md") as ours:
            summarize(Net(), (3, 32, 32)).save(path)
        with pytest.raises(OSError, match="md") as theirs:
            path.write_bytes(b"")
        assert type(ours.value) is type(theirs.value)
        assert str(ours.value) == str(theirs.value)
    assert os.listdir(tmp_path) == ["folder.md"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"before")
    path.chmod(0o754)
    link.symlink_to(path)
    write_bytes(link, b"after")
    assert link.is_symlink()
    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    mask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_new_text_of_the_same_length_has_another_time(tmp_path: Path) -> None:
    """Python compares a source's time in whole seconds with the one its cached bytecode was made from."""
    path = tmp_path / "a.py"
    write_bytes(path, b"999")
    for text in (b"512", b"256"):
        before = int(path.stat().st_mtime)
        write_bytes(path, text)
        assert int(path.stat().st_mtime) != before


# Locks that cannot be read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty: write the lock again with s.lock("),
        (b"\r\n\n", "is empty"),
        (b"# convlin lock, format\n", 'is not a convlin lock: its first line is not "# convlin lock, format 1"'),
        (b"import torch\n", "is not a convlin lock"),
        (b"\xff\xfe\x00", "is not a convlin lock: it is not text"),
        (TEXT.replace("format 1", "format 2").encode(), "has format 2, and this convlin reads format 1"),
        (TEXT[:-30].encode(), "damaged at line 13: its end is missing"),
        (TEXT[:100].encode(), "damaged at line 4: its end is missing"),
        (b"# convlin lock, format 1\n", "damaged at line 2: the model is missing"),
        (TEXT.replace("# model Net, eval", "# model").encode(), "line 2: '# model' does not name the model"),
        (TEXT.replace("# input 1x3", "# input1x3").encode(), "line 3: '# input1x3x32x32 float32' is not a valid call"),
        (TEXT.replace("x32 float32", "x32").encode(), "line 3: '# input 1x3x32x32' is not a valid input"),
        (TEXT.replace("features.4  ReLU", "features.4 ReLU").encode(), "line 8"),
        (TEXT.replace("1x2048 -> 1x10", "1x2048 to 1x10").encode(), "line 12"),
        (TEXT.replace("params 20490", "params many").encode(), "line 12"),
        (TEXT.replace("features.4", "<<<<<<< HEAD\nfeatures.4").encode(), "line 8: a merge conflict was left in it"),
        (f"<<<<<<< HEAD\n{TEXT}=======\n{TEXT}>>>>>>> b\n".encode(), "line 1: a merge conflict was left in it"),
        (f"{TEXT}=======\r\n".encode(), "line 15: a merge conflict was left in it"),
        (TEXT.replace("features.4 ", '"\\q" ').encode(), 'line 8: "\\q" is not a valid name'),
    ],
)
def test_damaged(text: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.shapes"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        summarize(Net(), (3, 32, 32)).check(path)
    assert said in str(caught.value)
    assert "net.shapes" in str(caught.value)


def test_missing_or_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = summarize(Net(), (3, 32, 32))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"there is no lock net\.shapes: write it with s\.lock\('net\.shapes'\)"):
        summary.check("net.shapes")
    with pytest.raises(InputError, match="cannot be read"):
        summary.check(tmp_path)


@examples(150)
@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "\n", "x", " ", '"', "(", "\0", "é"]))
def test_a_damaged_lock_is_an_input_error_or_a_lock(at: int, length: int, put: str) -> None:
    with suppress(InputError):
        parse(TEXT[:at] + put + TEXT[at + length :], "it", "that")


# What changed


def test_nothing_changed() -> None:
    assert changes(lock(Net()), lock(Net())) == []


def test_the_whole_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summarize(Net(), (3, 32, 32)).lock("net.shapes")
    with pytest.raises(ShapeError) as caught:
        summarize(Net(channels=8, norm=True, head="head"), (3, 32, 32)).check("net.shapes")
    assert str(caught.value) == (
        "Net does not match net.shapes: 4 reshaped, 2 with other params, 1 added, 6 renamed\n"
        "\n"
        "Change    Layer                     Lock                      Now\n"
        "reshaped  features.0                -> 1x16x32x32             -> 1x8x32x32\n"
        "params    features.0                448                       224\n"
        "added     features.1 (BatchNorm2d)                            1x8x32x32 -> 1x8x32x32  params 16\n"
        "renamed   features.2                features.1                features.2\n"
        "reshaped  features.2                1x16x32x32 -> 1x16x32x32  1x8x32x32 -> 1x8x32x32\n"
        "renamed   features.3                features.2                features.3\n"
        "reshaped  features.3                1x16x32x32 -> 1x16x16x16  1x8x32x32 -> 1x8x16x16\n"
        "renamed   features.4                features.3                features.4\n"
        "reshaped  features.4                1x16x16x16 -> 1x32x16x16  1x8x16x16 -> 1x32x16x16\n"
        "params    features.4                4640                      2336\n"
        "renamed   features.5                features.4                features.5\n"
        "renamed   features.6                features.5                features.6\n"
        "renamed   head                      fc                        head\n"
        "\n"
        "If this is intended, write the lock again: s.lock('net.shapes')"
    )  # fmt: skip


def test_added_and_removed() -> None:
    old, new = lock(Net()), lock(Net(norm=True))
    shifted = [("renamed", f"features.{index}") for index in range(2, 7)]
    assert kinds(old, new) == [("added", "features.1 (BatchNorm2d)"), *shifted]
    assert kinds(new, old)[0] == ("removed", "features.1 (BatchNorm2d)")


def test_reshaped() -> None:
    found = changes(lock(Net()), lock(Net(classes=7)))
    assert [(change.kind, change.path, change.before, change.now) for change in found] == [
        ("reshaped", "fc", "-> 1x10", "-> 1x7"),
        ("params", "fc", "20490", "14343"),
        ("reshaped", "", "-> 1x10", "-> 1x7"),
    ]


def test_renamed() -> None:
    (found,) = changes(lock(Net()), lock(Net(head="classifier")))
    assert (found.kind, found.before, found.now) == ("renamed", "fc", "classifier")


def test_a_renamed_block_is_one_row() -> None:
    class Blocks(nn.Module):
        def __init__(self, name: str, width: int = 4) -> None:
            super().__init__()
            self.name = name
            blocks = [nn.Sequential(nn.Conv2d(4, width, 1), nn.Conv2d(width, 4, 1), nn.ReLU()) for _ in range(3)]
            setattr(self, name, nn.ModuleList(blocks))

        def forward(self, x: Tensor) -> Tensor:
            for block in getattr(self, self.name):
                x = block(x)
            return x

    (found,) = changes(lock(Blocks("blocks"), (4, 8, 8)), lock(Blocks("stages"), (4, 8, 8)))
    assert (found.kind, found.label, found.before, found.now) == ("renamed", "12 calls", "blocks.*", "stages.*")
    found_too = changes(lock(Blocks("blocks"), (4, 8, 8)), lock(Blocks("stages", width=5), (4, 8, 8)))
    assert [change.kind for change in found_too] == ["renamed", *["reshaped", "params"] * 6]


def test_put_into_a_container() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Net()

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    found = changes(lock(Net()), lock(Wrapped()))
    assert [(change.kind, change.before, change.now) for change in found] == [
        ("model", "Net", "Wrapped"),
        ("renamed", "*", "body.*"),
        ("added", "", "1x3x32x32 -> 1x10"),
    ]


def test_moved() -> None:
    layers = {"conv": nn.Conv2d(3, 3, 1), "bn": nn.BatchNorm2d(3), "act": nn.ReLU()}

    def in_order(*names: str) -> nn.Module:
        return nn.Sequential(OrderedDict((name, layers[name]) for name in names))

    (found,) = changes(lock(in_order("conv", "bn", "act")), lock(in_order("conv", "act", "bn")))
    assert found.kind == "moved"
    assert (found.label, found.before, found.now) in [
        ("bn", "behind conv", "behind act"),
        ("act", "behind bn", "behind conv"),
    ]


def test_another_type() -> None:
    def activation(layer: nn.Module) -> nn.Module:
        return nn.Sequential(OrderedDict(fc=nn.Linear(4, 4), act=layer))

    (found,) = changes(lock(activation(nn.ReLU()), (4,)), lock(activation(nn.GELU()), (4,)))
    assert (found.kind, found.label, found.before, found.now) == ("type", "act", "ReLU", "GELU")


def test_another_function() -> None:
    class Flat(nn.Module):
        def __init__(self, flatten: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.flatten = flatten

        def forward(self, x: Tensor) -> Tensor:
            return self.flatten(x)

    old, new = Flat(lambda x: x.view(1, -1)), Flat(lambda x: x.flatten(1))
    (found,) = changes(lock(old), lock(new))
    assert (found.kind, found.before, found.now) == ("type", "Tensor.view", "Tensor.flatten")
    assert kinds(lock(Flat(F.relu)), lock(new)) == [("added", ". (Tensor.flatten)"), ("reshaped", ".")]


def test_other_parameters_only() -> None:
    def fc(bias: bool) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4, bias=bias))

    (found,) = changes(lock(fc(True), (4,)), lock(fc(False), (4,)))
    assert (found.kind, found.label, found.before, found.now) == ("params", "0", "20", "16")


def test_other_input() -> None:
    found = changes(lock(Net()), lock(Net(), (3, 33, 33)))
    assert (found[0].kind, found[0].before, found[0].now) == ("input", "1x3x32x32 float32", "1x3x33x33 float32")
    assert told(found).startswith("another input, 5 reshaped\n")
    half = lock(Net().double())
    assert [change.kind for change in changes(lock(Net()), half)] == ["input"]


def test_other_model_mode_and_total() -> None:
    one = lock(Net())
    assert kinds(one, replace(one, model="Other", mode="train")) == [("model", ""), ("mode", "")]
    assert kinds(one, replace(one, total=5)) == [("total", "total params")]


def test_problems_are_told_too(tmp_path: Path) -> None:
    summarize(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), (3, 2, 2)).lock(tmp_path / "a")
    with pytest.raises(ShapeError) as caught:
        summarize(nn.Sequential(nn.Flatten(), nn.Linear(11, 4)), (3, 2, 2)).check(tmp_path / "a")
    assert "1 with other params" in str(caught.value)
    assert "cannot run as it is" in str(caught.value)
    assert "write the lock again" not in str(caught.value)


@examples(60)
@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.lists(st.sampled_from("abcdef"), max_size=12))
def test_every_change_is_told_and_none_made_up(old: list[str], new: list[str]) -> None:
    """Locks are equal exactly when nothing is told, and the balance of added and removed is right."""

    def of(names: list[str]) -> Lock:
        return Lock("M", "eval", (), tuple(Line(name, name.upper(), False, "1x2", "1x2", 0) for name in names), 0)

    found = [change.kind for change in changes(of(old), of(new))]
    assert (not found) == (old == new)
    assert found.count("added") - found.count("removed") == len(new) - len(old)


def test_long_models_are_compared_quickly() -> None:
    random.seed(1)

    def long(count: int, width: int, name: str = "layers") -> Lock:
        lines = [
            Line(f"{name}.{block}.{part}", part.title(), False, f"1x{width}x4", f"1x{width}x4", width)
            for block in range(count)
            for part in ("norm", "linear", "act", "drop")
        ]
        return Lock("Long", "eval", (), tuple(lines), 0)

    assert len(changes(long(900, 64), long(900, 64))) == 0
    found = changes(long(900, 64), long(900, 32))
    assert len(found) == 2 * 3600
    text = told(found)
    assert "3600 reshaped, 3600 with other params" in text
    assert text.endswith("… and 7140 more")
    (renamed,) = changes(long(120, 64), long(120, 64, "blocks"))
    assert renamed.label == "480 calls"
    assert [change.kind for change in changes(long(900, 64), long(901, 64))] == ["added"] * 4


# Every model of the zoo


SOME = [entry for entry in (*SMALL, *REAL) if entry in SMALL or entry.name in ("resnet", "swin", "bert", "gpt2")]


@pytest.mark.parametrize("entry", cases(SOME, thorough=VERY_LONG))
def test_locks_of_the_zoo(entry: ZooModel) -> None:
    """Built twice, a model has the same lock twice; the lock reads back, and does not differ from itself."""
    locks = []
    for _ in range(2):
        torch.manual_seed(0)
        args, kwargs = entry.inputs()
        model = entry.build()
        summary = summarize(model, list(args) or None, kwargs=kwargs, mode="same" if entry.training else "eval")
        locks.append(lock_of(summary.report))
    assert text_of(locks[0]) == text_of(locks[1])
    assert parse(text_of(locks[0]), entry.name, "that") == locks[0]
    assert changes(*locks) == []


# Sizes with letters


H = sympy.Symbol("H", integer=True, positive=True)


def with_letters(size: object, name: str = "H") -> Summary:
    symbol = sympy.Symbol(name, integer=True, positive=True)
    given = TensorInfo("", (1, 3, symbol), "float32", "cpu")
    call = Call("pool", "MaxPool1d", (given,), (TensorInfo("", (1, 3, size), "float32", "cpu"),))
    return Summary(Report("Net", (given,), call.outputs, "cpu", "eval", (call,), ()))


def test_letters(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with_letters((H - 1) // 2 + 1).lock(path)
    assert "pool  MaxPool1d  1x3xH -> 1x3x((H-1)//2+1)\n" in path.read_text()
    with_letters((H + 1) // 2).check(path)  # the same in other words
    with pytest.raises(ShapeError, match="reshaped"):
        with_letters(H // 2).check(path)
    with pytest.raises(ShapeError, match="input"):
        with_letters((H + 1) // 2, "W").check(path)


def test_a_letter_that_looks_like_the_sign_between_sizes() -> None:
    written = lock_of(with_letters(5, "max_x").report)
    assert "1x3x(max_x)" in text_of(written)
    assert parse(text_of(written), "it", "that") == written


def test_same_shapes() -> None:
    assert same_shapes("1x3x(H//2), 2x(2*W//2)", "1x3x((2*H)//4), 2xW")
    assert not same_shapes("1x3x(H//2)", "1x3x(H//3)")
    assert not same_shapes("1x3xH", "1x3")
    assert not same_shapes("1x3x(H$)", "1x3x(H//2)")
    assert not same_shapes("none", "scalar")
