"""The schema: every field of every record there and back, versions, and files that nobody should trust."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._sympy.functions import FloatTrueDiv, ToFloat, TruncToInt

from convlin import InputError, Summary, records, summarize
from convlin.derivations import of_layers
from convlin.ops import catalog
from convlin.records import (
    UNSEEN,
    Accepts,
    Call,
    Derivation,
    Join,
    Location,
    ModuleInfo,
    ParameterInfo,
    Problem,
    Report,
    SizeRange,
    Source,
    Step,
    TensorInfo,
)
from convlin.render import rules, schema
from convlin.sizes import serialize as closed_forms
from convlin.sizes.closed_form import Letter
from tests.golden.models import CNN

H, W = sympy.symbols("H W", integer=True, positive=True)

#: What a file does not have; ``derive`` is there under two other names.
LEFT_OUT = {"derive", *schema._NOT_WRITTEN}

DOCUMENTED = (Report, Call, TensorInfo, Derivation, Step, Problem, ModuleInfo, ParameterInfo, Join, Accepts, SizeRange)


def full_report() -> Report:
    """A report in which every kind of value occurs."""
    plain = TensorInfo('["boxes"]', (1, 3), "float32", "cuda:0")
    letters = TensorInfo("", (1, 16, sympy.floor((H + 1) / 4), W), "float32", "cpu")
    settings = {
        "kernel_size": (3, 3),
        "padding": "same",
        "index": (slice(None, 3), ..., None),
        "ratio": 0.5,
        "size": H // 2,
        "names": ["a", "b"],
        "nothing": None,
        "flag": True,
        "most": float("inf"),
        "nested": {"a": (1, [2])},
        "n": -1,
    }
    derivation = Derivation(
        letters.shape, (Step("H", "⌊H/2⌋", "⌊32/2⌋", 16, (32, 0.5)), Step("W", "W", "W", W, (W,))), "https://x"
    )
    call = Call(
        "a.b",
        "Conv2d",
        (plain, letters),
        (letters,),
        5,
        3,
        False,
        2,
        (UNSEEN, Source.join(0), Source.input(1)),
        settings,
        Location("net.py", 3),
        12,
        True,
        True,
        lambda call: derivation if call.path else None,
    )
    problem = Problem("too_small", "a", (1, 2), (H, 4), "no\nyes", "fix", Location("é.py", 9), 0, {"in_features": "3"})
    weight = ParameterInfo("weight", (H, 2), "float32", "cpu", True, "other.weight")
    module = ModuleInfo("a", "Net", 1, (weight,), (weight,), ("b",), False, Location("x.py", 1), "never called")
    return Report(
        "Net",
        (plain,),
        (letters,),
        "cpu",
        "eval",
        (call,),
        (module,),
        (problem,),
        {"fc": 3, "g": 32 * H},
        (Join("+", Location("n.py", 4), (Source.call(0), Source.input(1)), "a", 1),),
        ("said",),
        False,
        Accepts((SizeRange("H", 16, None, 16), SizeRange("W", 223, 254)), "H = W", True),
    )


def test_every_field_reads_back():
    report = full_report()
    data = json.loads(json.dumps(schema.to_dict(report), allow_nan=False))
    back, _ = schema.from_dict(data)
    assert back == report
    for field in dataclasses.fields(Report):
        assert getattr(back, field.name) == getattr(report, field.name)
    assert back.calls[0].settings == report.calls[0].settings
    call, original = back.calls[0], report.calls[0]
    assert call.derive is not None
    assert original.derive is not None
    assert call.derive(call) == original.derive(original)


def test_every_field_of_every_record_is_written():
    data = schema.to_dict(full_report())
    written = {
        Report: data,
        Call: data["calls"][0],
        TensorInfo: data["inputs"][0],
        Problem: data["problems"][0],
        ModuleInfo: data["modules"][0],
        ParameterInfo: data["modules"][0]["parameters"][0],
        Join: data["joins"][0],
        Accepts: data["accepts"],
        SizeRange: data["accepts"]["sizes"][0],
    }
    for kind, found in written.items():
        names = getattr(kind, "_fields", None) or [field.name for field in dataclasses.fields(kind)]
        assert set(names) - LEFT_OUT <= set(found), kind.__name__


def test_the_page_about_the_schema_names_every_field():
    page = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
    kinds: tuple[type[Any], ...] = DOCUMENTED
    for kind in kinds:
        names = getattr(kind, "_fields", None) or [field.name for field in dataclasses.fields(kind)]
        for name in names:
            if name not in LEFT_OUT:
                assert f"`{name}`" in page, f"{kind.__name__}.{name} is not documented"
    assert f'"convlin": {schema.VERSION}' in page


def test_display_options_are_kept():
    summary = summarize(CNN(), (3, 32, 32), columns=["layer", "output"], depth=1)
    back = Summary.from_json(summary.to_json())
    assert str(back) == str(summary)
    assert json.loads(summary.to_json())["display"] == {"columns": ["layer", "output"], "depth": 1}


def test_what_a_program_wants_to_know_is_at_hand():
    data = summarize(CNN(), (3, 32, 32)).to_dict()
    assert data["convlin"] == 1
    assert data["ok"] is False
    assert data["problems"][0]["required"] == 2048
    assert data["totals"] == {"parameters": 15136, "trainable": 15136, "bytes": 60544}
    assert data["required_in_features"] == {"fc1": 2048}
    assert data["calls"][0]["derivation"]["steps"][1]["arithmetic"] == "⌊(32 + 2·1 − 1·(3−1) − 1)/1⌋ + 1"


# What cannot be trusted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop("convlin"), "not a convlin summary: it has no key 'convlin'"),
        (lambda data: data.update(convlin=2), "version 2 of the schema; this convlin reads 1"),
        (lambda data: data.update(model=3), "model: expected str, found 3"),
        (lambda data: data.pop("model"), "a value is missing"),
        (lambda data: data["calls"][0].update(inputs=3), "calls[0].inputs: expected a list, found 3"),
        (
            lambda data: data["calls"][0]["inputs"][0].update(shape=[1, 2.5]),
            "calls[0].inputs[0].shape[1]: expected a size",
        ),
        (lambda data: data["calls"][0]["inputs"][0].update(shape=[True]), "expected a size, found True"),
        (
            lambda data: data["calls"][0]["inputs"][0].update(shape=["os.system"]),
            "'os.system' is not a valid size formula",
        ),
        (lambda data: data["calls"][0].update(settings={"a": {"b": 1}}), "calls[0].settings.a: expected a value"),
        (lambda data: data["calls"][0].update(settings=3), "calls[0].settings: expected an object, found 3"),
        (lambda data: data["calls"][0].update(where=["a"]), "calls[0].where: expected an object"),
        (lambda data: data.update(named_sizes={"H": 3}), "named_sizes: expected letters, each with what"),
        (lambda data: data.update(display={"colums": []}), "unknown option 'colums'"),
        (lambda data: data.update(display=[1]), "display: expected an object"),
    ],
)
def test_files_are_checked(change, said):
    data = summarize(CNN(), (3, 32, 32)).to_dict()
    change(data)
    with pytest.raises(InputError) as caught:
        Summary.from_dict(data)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"convlin"', "[" * 100_000])
def test_no_summary_at_all(text):
    with pytest.raises(InputError):
        Summary.from_json(text)


def test_a_rule_that_does_not_exist_leaves_what_it_derived():
    summary = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), (3, 8, 8))
    data = json.loads(summary.to_json())
    for call in data["calls"]:
        call["rule"] = {"name": "rule_of_a_later_version", "with": {}}
    back = Summary.from_dict(data)
    assert back.calls[0].derivation == summary.calls[0].derivation
    assert str(back) == str(summary)


def test_rules_by_name():
    for rule in (of_layers.linear, partial(of_layers.max_pool, spatial_dims=3), catalog.derive):
        again = rules.read(json.loads(json.dumps(rules.written(rule))))
        assert getattr(again, "func", again) is getattr(rule, "func", rule)
        assert getattr(again, "keywords", {}) == getattr(rule, "keywords", {})
    assert rules.written(lambda call: None) is None
    for name in ("partial", "_input", "Call", "__builtins__", "os"):
        assert rules.read({"name": name, "with": {}}) is None


# Closed forms


def forms() -> st.SearchStrategy[sympy.Expr]:
    leaves = st.sampled_from([H, W]) | st.integers(1, 50).map(sympy.Integer)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(inner, st.integers(1, 9)).map(lambda pair: sympy.floor(pair[0] / pair[1])),
            st.tuples(inner, st.integers(2, 9)).map(lambda pair: sympy.ceiling(pair[0] / pair[1])),
            st.tuples(inner, st.integers(2, 9)).map(lambda pair: sympy.Mod(pair[0], pair[1])),
            st.tuples(inner, inner).map(lambda pair: sympy.Max(*pair)),
            st.tuples(inner, inner).map(lambda pair: sympy.Min(*pair)),
        ),
        max_leaves=5,
    )


@given(forms())
def test_closed_forms_read_back(expression):
    text = closed_forms.written(expression)
    back = closed_forms.read(text, closed_forms.assumptions(expression))
    for height, width in ((32, 48), (7, 5), (1, 1), (100, 3)):
        assert back.subs({H: height, W: width}) == expression.subs({H: height, W: width})


@pytest.mark.parametrize(
    "expression",
    [
        H,
        32 * sympy.floor(H / 4) * sympy.floor(W / 4),
        sympy.floor((H + 1) / 4),
        sympy.Mod(H, 4),
        sympy.Max(1, H - 3),
        H**2 / 2,
        -H,
        sympy.Min(3, W) * 2,
        TruncToInt(0.7 * ToFloat(H)),
        sympy.Min(100, TruncToInt(FloatTrueDiv(ToFloat(W), 2.3)) + 1),
        Letter("H") * 3 + sympy.floor(Letter("W") / 2),
        sympy.Symbol("N", integer=True),
        sympy.Symbol("s0", positive=True, integer=True),
    ],
)
def test_closed_forms_read_back_equal(expression):
    assert closed_forms.read(closed_forms.written(expression), closed_forms.assumptions(expression)) == expression


@pytest.mark.parametrize(
    "text",
    [
        "",
        "H.x",
        "f(H)",
        "[1]",
        "9**9",
        "H**9999",
        "H**-1",
        "(1+1)**64",
        "(lambda: 1)()",
        "'a'",
        "1/0",
        "1//0",
        "H % 0",
        "0**-1",
        "True",
        "1.5",
        "0.7*H",
        "floor(H, W)",
        "Max()",
        "floor(x=H)",
        "__import__('os').system('true')",
        "H if H else W",
        "H; W",
        "H == W",
        "not H",
        "~H",
        "H @ W",
        "H << 3",
        "(" * 5000 + ")" * 5000,
        "-" * 5000 + "H",
        "1" * 41,
        "H" * 10_001,
        "x:=3",
        "\0",
    ],
)
def test_nothing_else_is_read(text):
    with pytest.raises(InputError, match="is not a valid size formula"):
        closed_forms.read(text)


def test_records_hold_no_tensor_and_no_module():
    # The schema writes what it does not know as text: that must not be needed.
    assert "<" not in json.dumps(summarize(CNN(), (3, 32, 32)).to_dict())
    assert records.Report is Report


class TwoAlike(nn.Module):
    """Two inputs of one shape, of which the second goes through a layer first."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, y):
        return self.left(y) + self.right(x) * y


def test_inputs_of_one_shape_are_told_apart():
    report = summarize(TwoAlike(), [(4,), (4,)]).report
    assert report.calls[0].path == "left"
    assert report.calls[0].sources == (Source.input(1),)
    assert report.calls[1].sources == (Source.input(0),)
    product, total = report.joins
    assert product.sources == (Source.call(1), Source.input(1))
    assert total.sources == (Source.call(0), Source.join(0))
    data = json.loads(json.dumps(schema.to_dict(report)))
    assert data["calls"][0]["sources"] == [{"input": 1}]
    assert schema.from_dict(data)[0].joins == report.joins


def test_a_residual_from_the_input_is_a_join():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x):
            return x / 255 + self.conv(x)

    (join,) = summarize(Residual(), (8, 16, 16)).report.joins
    assert join.sources == (Source.input(0), Source.call(0))


@pytest.mark.parametrize("wrong", [{"input": "0"}, {"call": 0}, "0", True, [0]])
def test_a_source_of_another_kind_is_refused(wrong):
    data = schema.to_dict(summarize(nn.Linear(3, 4), (3,)).report)
    data["calls"][0]["sources"] = [wrong]
    with pytest.raises(InputError, match=r"sources\[0\]"):
        schema.from_dict(data)


@pytest.mark.parametrize("indent", [0, 2])
def test_a_file_has_one_line_for_each_record(indent):
    report = full_report()
    text = schema.to_json(report, indent=indent)
    assert json.loads(text) == json.loads(schema.to_json(report))
    data = schema.to_dict(report)
    listed = [value for value in data.values() if isinstance(value, list) and value]
    assert text.count("\n") == 1 + len(data) + sum(len(value) + 1 for value in listed)
    assert len(text) < 1.2 * len(schema.to_json(report)) + 100
