"""The forms by themselves: words, Markdown, LaTeX, CSV, data frames, files, terminals without the signs."""

from __future__ import annotations

import ast
import builtins
import copy
import csv
import io
import itertools
import math
import os
import pickle
import re
import shutil
import stat
import sys
from typing import Any

import pytest
import sympy
from torch import nn

from convlin import InputError, Summary, summarize
from convlin.analysis.memory import OPTIMIZERS
from convlin.records import Problem, Report, Step, TensorInfo
from convlin.render import words
from convlin.render.columns import needs
from convlin.render.fit import broken
from convlin.render.latex import escaped as latex_escaped
from convlin.render.markdown import code
from convlin.render.markdown import escaped as markdown_escaped
from convlin.render.short import condensed, derived
from tests.golden.models import CNN, TwoInputs
from tests.processes import run
from tests.rendering import Page, markdown_table

H, W = sympy.symbols("H W", integer=True, positive=True)


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarize(CNN(), (3, 32, 32))


# Words


def test_sizes_in_letters_are_written_as_people_do():
    assert words.size(32 * sympy.floor(H / 4) * sympy.floor(W / 4)) == "32·⌊H/4⌋·⌊W/4⌋"
    assert words.size(sympy.floor((H + 1) / 4)) == "⌊(H + 1)/4⌋"
    assert words.shape((1, 16, H, sympy.floor(W / 2))) == "1×16×H×⌊W/2⌋"
    assert words.shape((1, 2 * H, H - 3)) == "1×(2·H)×(H − 3)"
    assert words.ascii_only("⌊(H + 1)/4⌋·2²") == "floor((H + 1)/4)*2^2"


def test_bytes_have_the_unit_that_fits():
    assert [words.memory(n) for n in (0, 999, 1000, 12_345, 999_999, 5_000_000_000)] == [
        "0 B",
        "999 B",
        "1.00 kB",
        "12.3 kB",
        "1,000 kB",
        "5.00 GB",
    ]


def test_a_share_is_never_rounded_to_nothing():
    assert [words.percent(share) for share in (0, 0.0001, 0.5, 1)] == ["0.0%", "<0.1%", "50.0%", "100.0%"]


def test_arithmetic_of_two_axes():
    from convlin.records import Derivation

    steps = (
        Step("C", "out_channels", "out_channels", 8),
        Step("H", "⌊H/2⌋", "⌊16/2⌋", 8, (16,)),
        Step("W", "⌊W/2⌋", "⌊24/2⌋", 12, (24,)),
    )
    assert derived(Derivation((1, 8, 8, 12), steps, "")) == "⌊16/2⌋ = 8, W likewise 12"
    assert derived(Derivation((1, 8), steps[:1], "")) == ""
    unlike = (steps[1], steps[2]._replace(arithmetic="⌊(24 + 1)/2⌋", numbers=(24, 1)))
    assert derived(Derivation((8, 12), unlike, "")) == "⌊16/2⌋ = 8, W ⌊(24 + 1)/2⌋ = 12"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, "H", "W"), "H − 3 + 1 = H − 2, W likewise"),
        ((3, "W", "H"), "W − 3 + 1 = W − 2, the width likewise"),
        ((3, "I", "E"), "I − 3 + 1 = I − 2, the width likewise"),
        ((3, "W", 24), "W − 3 + 1 = W − 2, the width likewise 22"),
        ((3, "H", 24), "H − 3 + 1 = H − 2, W likewise 22"),
        ((3, 16, 24), "16 − 3 + 1 = 14, W likewise 22"),
    ],
)
def test_an_axis_is_named_in_words_where_its_letter_is_another(shape, expected):
    assert f" {expected}\n" in str(summarize(nn.Conv2d(3, 8, 3), shape))


def test_an_axis_of_its_own_arithmetic_is_named_in_words_as_well():
    told = str(summarize(nn.Conv2d(3, 8, (3, 5)), (3, "I", "E")))
    assert " I − 3 + 1 = I − 2, the width E − 5 + 1 = E − 4\n" in told
    told = summarize(nn.Conv3d(3, 8, 3), (3, "A", "B", "E")).table(width=160)
    assert " A − 3 + 1 = A − 2, the height likewise, the width likewise\n" in told


def value(arithmetic: str) -> int:
    """What a text of numbers and signs comes to, by Python."""
    for sign, written in {"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "−": "-", "·": "*"}.items():
        arithmetic = arithmetic.replace(sign, written)
    return int(eval(arithmetic, {"floor": math.floor, "ceil": math.ceil, "min": min}))


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 10])
def test_arithmetic_in_short_has_the_same_value(kernel_size, stride):
    plain = nn.Conv2d(1, 1, kernel_size, stride)
    layers = [plain, nn.MaxPool2d(kernel_size, stride, ceil_mode=True), nn.AvgPool2d(kernel_size, stride)]
    for padding, dilation in itertools.product((0, 1, 10), (1, 2, 10)):
        layers.append(nn.Conv2d(1, 1, kernel_size, stride, padding, dilation))
        layers.append(nn.ConvTranspose2d(1, 1, kernel_size, stride, padding, 0, dilation=dilation))
        if stride > 1:
            layers.append(nn.ConvTranspose2d(1, 1, kernel_size, stride, padding, 1, dilation=dilation))
    for layer in layers:
        call = summarize(layer, (1, 31, 40)).calls[-1]
        assert call.derivation is not None
        for step in call.derivation.steps:
            if step.arithmetic != step.formula:
                short = condensed(step.arithmetic)
                assert value(short) == value(step.arithmetic) == step.size, short
                assert len(short) <= len(step.arithmetic)
                assert not re.search(r"[+−] (2·)?0(?!\d)|(?<!\d)1·\(|/1⌋", short), short


def test_explain_leaves_no_term_out():
    text = summarize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9, 2)), (3, 8, 8)).explain("2")
    assert "⌊(8 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 4" in text


@pytest.mark.parametrize("width", [9, 16, 28])
def test_a_broken_cell_says_the_same(width):
    for text in (
        "⌊(224 + 2·3 − 7)/2⌋ + 1 = 112, W likewise 96",
        "NonDynamicallyQuantizableLinear",
        "not called as a module, but its parameters are used",
        ".encoder_last_hidden_state 2×64×2×2",
        "x" * 50,
    ):
        pieces = broken(text, width)
        assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
        assert max(map(len, pieces)) <= width


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("in_features", "fc", declared=999, required=2048), "needs in_features=2048, has 999"),
        (Problem("normalized_shape", "n", declared=(4,), required=(8,)), "needs normalized_shape=(8,), has (4,)"),
        (Problem("reshape", "", declared=2048, required=3200), "one sample has 3200, not 2048"),
        (Problem("dtype", "e", declared="int64", required="float32"), "takes int64, receives float32"),
        (Problem("operands", ""), "see below"),
        (Problem("error", ""), "see below"),
    ],
)
def test_problems_in_short(problem, said):
    assert needs(problem) == said


# Terminals


def test_without_utf8_the_text_is_ascii_by_itself(monkeypatch):
    summary = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(9, 2)), (3, 8, 8))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(stream := io.BytesIO(), encoding="ascii"))
        print(summary, flush=True)  # noqa: T201  # standard output is what it is about
        plain = stream.getvalue().decode("ascii")
    assert "8 - 3 + 1 = 6" in plain
    assert "1x3x8x8" in plain


def test_text_does_not_need_a_stdout(summary, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert "⌊" in str(summary)


# Markup


def test_markup_in_names_is_shown_as_it_is():
    summary = summarize(TwoInputs(), {"left": (6,), "right": (3,)})
    assert r"a\|b" in summary.to_markdown()
    assert len({len(row) for row in markdown_table(summary.to_markdown())}) == 1
    page = Page(summary.to_html())
    assert "<i>_c_</i>" in page.text
    assert "i" not in {tag for tag, _ in page.tags}
    assert r"a\textbar{}b" in summary.to_latex()


def test_escapes():
    assert markdown_escaped("a|b_c*d`e<f>[g]\\\n h") == r"a\|b\_c\*d\`e\<f\>\[g\]\\ h"
    assert code("a`b``c") == "``` a`b``c ```"
    assert latex_escaped(r"50% {a}_b \ ⌊x⌋") == r"50\% \{a\}\_b \textbackslash{} $\lfloor$x$\rfloor$"


def test_latex_has_the_same_cells_in_every_line(summary):
    body = summary.to_latex(width=120).split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 7
    assert all(line.replace(r"\&", "").count("&") == 5 and line.endswith(r" \\") for line in body)


def test_long_latex_goes_over_the_page():
    text = summarize(nn.Sequential(*(nn.Linear(2, 2) for _ in range(50))), (2,)).to_latex(fold=False)
    assert r"\begin{longtable}{llllrl}" in text
    assert r"\endhead" in text


# Data


def test_csv_holds_values(summary):
    rows = list(
        csv.DictReader(io.StringIO(summary.to_csv(columns=["layer", "output", "params", "memory", "trainable"])))
    )
    assert ast.literal_eval(rows[0]["output"]) == (1, 16, 32, 32)
    assert rows[0] == {
        "layer": "conv1",
        "output": "(1, 16, 32, 32)",
        "params": "432",
        "memory": "65536",
        "trainable": "True",
    }
    assert sum(int(row["params"] or 0) for row in rows) == summary.total_params


def test_csv_has_a_row_for_every_call():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(80)))
    summary = summarize(model, (2,))
    assert len(summary.to_csv().splitlines()) == 81
    assert len(summary.to_csv(fold=True).splitlines()) == 2


def test_pandas(summary):
    pytest.importorskip("pandas")
    frame = summary.to_pandas(columns=["layer", "type", "output", "params", "memory", "kernel"])
    assert list(frame.columns) == ["layer", "type", "output", "params", "memory", "kernel"]
    assert frame["params"].sum() == summary.total_params
    assert str(frame["params"].dtype) == "Int64"
    assert frame["output"][0] == (1, 16, 32, 32)
    assert frame["kernel"][0] == (3, 3)


def test_pandas_in_letters():
    pytest.importorskip("pandas")
    info = TensorInfo("", (H, 3), "float32", "cpu")
    from convlin.records import Call

    report = Report("Net", (info,), (info,), "cpu", "eval", (Call("a", "ReLU", (info,), (info,)),), ())
    assert Summary(report).to_pandas(columns=["output", "memory"])["memory"][0] == 12 * H


def test_without_pandas_the_message_says_what_to_do(summary, monkeypatch):
    real = builtins.__import__

    def refusing(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(InputError, match="pip install pandas"):
        summary.to_pandas()


# Files


@pytest.mark.parametrize("suffix", ["txt", "md", "html", "tex", "csv", "json", "svg"])
def test_save_writes_the_form_of_the_suffix(summary, tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    assert summary.save(path) is summary
    text = path.read_text(encoding="utf-8")
    beginning = {
        "txt": "CNN  input",
        "md": "**CNN**",
        "html": "<!doctype html>",
        "tex": "% needs",
        "csv": "layer,",
        "json": "{\n",
        "svg": "<svg ",
    }
    assert text.startswith(beginning[suffix])
    assert text.endswith("\n")
    assert list(tmp_path.iterdir()) == [path]


def test_save_takes_options_and_reads_back(summary, tmp_path):
    summary.save(str(tmp_path / "net.CSV"), columns=["layer"])
    assert (tmp_path / "net.CSV").read_text().splitlines()[0] == "layer"
    summary.save(tmp_path / "net.json")
    assert Summary.from_json((tmp_path / "net.json").read_bytes()) == summary


def test_save_refuses_what_it_does_not_know(summary, tmp_path):
    with pytest.raises(InputError, match=r"unknown format '.htm'; did you mean '.html'\?"):
        summary.save(tmp_path / "net.htm")
    with pytest.raises(InputError, match="no suffix names the format; there are"):
        summary.save(tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(summary, tmp_path, monkeypatch):
    path = tmp_path / "net.md"
    path.write_text("before")
    path.chmod(0o640)

    def failing(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", failing)
        with pytest.raises(OSError, match="disk full"):
            summary.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    summary.save(path)
    assert path.read_text() == summary.to_markdown()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# The object


def test_copies_and_pickles_are_equal(summary):
    for again in (copy.copy(summary), copy.deepcopy(summary), pickle.loads(pickle.dumps(summary))):
        assert again == summary
        assert str(again) == str(summary)


def test_repr_is_the_table(summary):
    assert repr(summary) == str(summary) == summary.table()
    assert summary._repr_html_() == summary.to_html()


# Memory


def test_memory_grows_with_the_batch():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    one, many = summarize(model, (3, 8, 8)), summarize(model, (3, 8, 8), batch_size=64)
    assert one.memory(batch_size=64) == many.memory()
    assert one.memory(batch_size=64).activations == 64 * one.memory().activations
    assert one.memory().buffers == 4 * (4 + 4) + 8
    assert one.memory().parameters == 4 * one.total_params
    assert one.memory(gradients=True).gradients == 4 * one.total_params


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizer_state_is_what_the_optimizer_keeps(name):
    import torch

    model = nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 3, bias=False), nn.Linear(3, 1))
    model[2].requires_grad_(False)
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "sgd": ("SGD", {}),
        "sgd_momentum": ("SGD", {"momentum": 0.9}),
        "adam_amsgrad": ("Adam", {"amsgrad": True}),
    }
    kinds = {kind.lower(): kind for kind in vars(torch.optim) if kind[0].isupper()}
    kind, given = settings.get(name) or (kinds[name], {})
    optimizer = getattr(torch.optim, kind)([p for p in model.parameters() if p.requires_grad], lr=0.01, **given)
    model(torch.ones(1, 10)).sum().backward()
    optimizer.step()
    kept = sum(
        value.nbytes
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )
    assert summarize(model, (10,)).memory(optimizer=name).optimizer_state == kept


def test_memory_refuses_what_it_cannot_know():
    summary = summarize(nn.Linear(2, 2), (2,))
    with pytest.raises(InputError, match="unknown optimizer 'adan'; did you mean 'adam'"):
        summary.memory(optimizer="adan")
    with pytest.raises(InputError, match="batch_size=0 is not a valid batch size"):
        summary.memory(batch_size=0)
    with pytest.raises(InputError, match="nothing to scale"):
        summarize(nn.Linear(2, 2)).memory(batch_size=4)


def test_memory_in_letters():
    N = sympy.Symbol("N", integer=True, positive=True)
    from convlin.analysis.memory import estimate
    from convlin.records import Call

    info = TensorInfo("", (N, 3), "float32", "cpu")
    report = Report("Net", (info,), (info,), "cpu", "eval", (Call("a", "ReLU", (info,), (info,)),), ())
    assert estimate(report).activations == 12 * N
    assert estimate(report, batch_size=5).activations == 60
    assert "12·N) B" in str(estimate(report))


# Sizes in letters, in every form


def test_every_form_takes_sizes_in_letters():
    from convlin.records import Call, ModuleInfo, ParameterInfo

    half = sympy.floor(H / 2)
    weight = ParameterInfo("weight", (4, 3), "float32", "cpu", True, None)
    calls, before = [], TensorInfo("", (1, 3, H, W), "float32", "cpu")
    for number in range(3):
        after = TensorInfo("", (1, 4, half, W), "float32", "cpu")
        calls.append(Call(f"layers.{number}", "Conv2d", (before,), (after,), params=12, flops=24 * H * W))
    calls.append(Call("", "Net", (before,), (after,), inner=3))
    modules = [ModuleInfo(f"layers.{number}", "Conv2d", 1, (weight,)) for number in range(3)]
    modules.insert(0, ModuleInfo("", "Net", 1, is_leaf=False))
    report = Report("Net", (before,), (after,), "cpu", "eval", tuple(calls), tuple(modules))
    summary = Summary(report)
    columns = ["layer", "output", "memory", "flops", "mult_adds", "params_percent"]
    text = summary.table(columns=columns, fold=True)
    assert "layers.0–2 ×3" in text
    assert "1×4×⌊H/2⌋×W" in text
    assert "72·H·W" in text
    assert "36·H·W" in text
    assert "(48·W·⌊H/2⌋) B" in text
    assert Summary.from_json(summary.to_json()) == summary
    assert Page(summary.to_html(columns=columns)).rows
    assert summary.to_csv(columns=["output"]).splitlines()[1] == '"(1, 4, ⌊H/2⌋, W)"'
    assert summary.table(columns=columns, ascii_only=True).isascii()
    summary.to_latex(columns=columns)
    summary.to_markdown(columns=columns)


# Trees


@pytest.mark.parametrize("depth", [None, 0, 1, 2])
def test_a_tree_has_the_same_rows_in_every_form(depth):
    block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model = nn.Sequential(nn.Sequential(block, nn.Sequential(nn.Linear(4, 4), nn.ReLU())), nn.Linear(4, 2))
    summary = summarize(model, (4,))
    given = {"tree": True, "depth": depth, "columns": ["layer", "type", "params"], "fold": False}
    _, rows, *_ = summary.table(**given).split("\n\n")
    printed = [(line[: line.rindex(line.split()[-2])].rstrip(), *line.split()[-2:]) for line in rows.splitlines()[1:]]
    levels = [(len(label) - len(label.lstrip())) // 2 for label, _, _ in printed]
    assert max(levels) == {None: 2, 0: 0, 1: 0, 2: 1}[depth]

    _, _, *cells = markdown_table(summary.to_markdown(**given))
    assert [(name.replace("&nbsp;", " "), kind, count) for name, kind, count in cells] == printed
    header, *lines = csv.reader(io.StringIO(summary.to_csv(**given)))
    assert header == ["level", "layer", "type", "params"]
    assert [(int(level), kind, count) for level, _, kind, count in lines] == [
        (level, kind, count) for level, (_, kind, count) in zip(levels, printed, strict=True)
    ]
    page = Page(summary.to_html(**given))
    assert [(kind, count) for _, kind, count in page.rows[1:]] == [(kind, count) for _, kind, count in printed]
    line = re.compile(r"^(?:\\hspace\*\{(\d+)em\})?.+? & (\w+) & (\d+) \\\\$", re.MULTILINE)
    assert [(int(level or 0), kind, count) for level, kind, count in line.findall(summary.to_latex(**given))] == [
        (level, kind, count) for level, (_, kind, count) in zip(levels, printed, strict=True)
    ]


def test_rows_for_programs_say_which_is_wrong():
    wrong = summarize(CNN(), (3, 32, 32))
    (row,) = (row for row in csv.DictReader(io.StringIO(wrong.to_csv())) if row["problem"])
    assert (row["layer"], row["problem"]) == ("fc1", "needs in_features=2048, has 999")
    assert "problem" not in wrong.to_csv(columns=["layer", "params"])
    assert "needs in_features=2048" in wrong.table(columns=["layer", "problem"])


# LaTeX


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_compiles_and_fits_the_page(tmp_path):
    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleDict({f"a_{sign}$ {number}": Wide() for number, sign in enumerate("#%&{}~^\\<>|[*")})

        def forward(self, x):
            for block in self.blocks.values():
                x = block(x)
            return x

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a_layer_with_a_name_that_is_longer_than_most = nn.Conv3d(2, 2, (3, 5, 7), padding=(1, 2, 3))
            self.normalization = nn.BatchNorm3d(2)

        def forward(self, x):
            return self.normalization(self.a_layer_with_a_name_that_is_longer_than_most(x))

    tables = [summarize(Names(), (2, 16, 32, 64)).to_latex(tree=tree) for tree in (None, False, True)]
    tables += [summarize(CNN(), (3, 32, 32)).to_latex(width=width) for width in (60, 80)]
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,longtable}\n\\begin{document}\n"
        + "\n".join(f"\\noindent\n{table}\\newpage\n" for table in tables)
        + "\\end{document}\n",
        encoding="utf-8",
    )
    done = run("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex", cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"Overfull \\hbox.*", done.stdout)
