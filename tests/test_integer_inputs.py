"""Which inputs are made integers, where convlin chooses: PyTorch says with which dtypes the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.sizes.closed_form import Letter
from convlin.sizes.evaluate import Evaluation

Forward = Callable[..., Tensor]


class Layers(nn.Module):
    """Words and features; each case has a ``forward`` of its own."""

    def __init__(self, run: Forward) -> None:
        super().__init__()
        self.run = run
        self.emb = nn.Embedding(30, 8)
        self.bag = nn.EmbeddingBag(30, 8)
        self.norm = nn.BatchNorm1d(6)
        self.fc = nn.Linear(6, 8)
        self.wide = nn.Linear(8, 8)
        self.narrow = nn.Linear(3, 8)


class OneInput(Layers):
    """Takes words alone."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.run(self, ids)


class TwoInputs(Layers):
    """Takes two inputs."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.run(self, first, second)


class Case(NamedTuple):
    """A model that runs under PyTorch with integers where ``words`` says."""

    run: Forward
    shapes: list[tuple[int, ...]]
    words: tuple[bool, ...]


def _tabular(m: Any, numbers: Tensor, kinds: Tensor) -> Tensor:
    words = torch.cat([m.emb(kinds[:, i]) for i in range(2)], 1)
    return torch.cat([m.norm(numbers), words], 1)


TWO = {
    "a column for each embedding": Case(_tabular, [(6,), (2,)], (False, True)),
    "the words first": Case(lambda m, k, x: _tabular(m, x, k), [(2,), (6,)], (True, False)),
    "one column": Case(lambda m, x, k: m.fc(x) + m.emb(k[:, 0]), [(6,), (2,)], (False, True)),
    "the lookup first": Case(lambda m, x, k: m.emb(k[:, 0]) + m.fc(x), [(6,), (2,)], (False, True)),
    "all but the last": Case(
        lambda m, x, k: m.narrow(x).mean(1, keepdim=True) + m.emb(k[:, :-1]), [(20, 3), (9,)], (False, True)
    ),
    "arithmetic behind a slice": Case(lambda m, x, k: m.fc(x) + m.emb(k[:, 0] * 2 + 1), [(6,), (2,)], (False, True)),
    "transposed": Case(lambda m, x, k: m.fc(x) + m.emb(k.t()), [(6,), (2,)], (False, True)),
    "expanded": Case(lambda m, x, k: m.fc(x) + m.emb(k.expand(5, -1)).sum(1), [(6,), (1,)], (False, True)),
    "stacked": Case(lambda m, x, k: m.fc(x) + m.emb(torch.stack([k[:, 0], k[:, 1]])), [(6,), (2,)], (False, True)),
    "padded": Case(lambda m, x, k: m.fc(x)[:, None] + m.emb(F.pad(k, (1, 0))), [(6,), (2,)], (False, True)),
    "a hidden function": Case(lambda m, x, k: m.fc(x) + m.emb(torch.unique(k[:, 0])), [(6,), (2,)], (False, True)),
    "a hidden function, the lookup first": Case(
        lambda m, x, k: m.emb(torch.unique(k[:, 0])) + m.fc(x), [(6,), (2,)], (False, True)
    ),
    "rows of a sequence": Case(
        lambda m, x, k: m.fc(x) + m.emb(nn.utils.rnn.pad_sequence([*k], batch_first=True)).sum(1),
        [(6,), (2,)],
        (False, True),
    ),
    "both are words": Case(lambda m, a, b: m.emb(torch.cat([a, b], 1)), [(6,), (2,)], (True, True)),
    "both are words, apart": Case(lambda m, a, b: m.emb(a[:, 0]) + m.emb(b[:, 0]), [(6,), (2,)], (True, True)),
    "chosen by a feature": Case(
        lambda m, x, k: m.fc(x) + m.emb(torch.where(x[:, :2] > 0, k, 0)).sum(1), [(6,), (2,)], (False, True)
    ),
    "gather": Case(
        lambda m, x, k: m.wide(x).gather(1, k[..., None].expand(-1, -1, 8)), [(5, 8), (3,)], (False, True)
    ),
    "gather from an input": Case(lambda m, x, k: m.narrow(x.gather(1, k)), [(6,), (3,)], (False, True)),
    "index_select": Case(lambda m, x, k: m.wide(x).index_select(1, k[0]), [(5, 8), (3,)], (False, True)),
}  # fmt: skip

ONE = {
    "all but the last": Case(lambda m, k: m.emb(k[:, :-1]), [(7,)], (True,)),
    "transposed": Case(lambda m, k: m.emb(k.t()), [(7,)], (True,)),
    "padded": Case(lambda m, k: m.emb(F.pad(k, (1, 0))), [(7,)], (True,)),
    "joined": Case(lambda m, k: m.emb(torch.cat([k, k.new_zeros(k.shape[0], 1)], 1)), [(7,)], (True,)),
    "stacked": Case(lambda m, k: m.emb(torch.stack([k, k])), [(7,)], (True,)),
    "flattened, in bags": Case(
        lambda m, k: m.bag(k.flatten(), torch.arange(0, k.numel(), k.shape[1])), [(7,)], (True,)
    ),
    "a hidden function": Case(
        lambda m, k: m.emb(nn.utils.rnn.pad_sequence([*k], batch_first=True)), [(7,)], (True,)
    ),
}  # fmt: skip


def _holds(model: nn.Module, case: Case, **options: Any) -> None:
    dtypes = [torch.long if word else torch.float32 for word in case.words]
    given = [torch.zeros(1, *shape, dtype=dtype) for shape, dtype in zip(case.shapes, dtypes, strict=True)]
    expected = model.eval()(*given)
    s = summarize(model, case.shapes, **options)
    assert s.ok, s.problems
    assert s.output_shape == tuple(expected.shape)
    assert [each.dtype for each in s.report.inputs] == [str(dtype).removeprefix("torch.") for dtype in dtypes]


@pytest.mark.parametrize("name", TWO)
def test_the_input_that_is_looked_up_is_integers_and_no_other(name: str) -> None:
    _holds(TwoInputs(TWO[name].run), TWO[name])


@pytest.mark.parametrize("name", [name for name in TWO if "hidden" not in name and "index_select" not in name])
def test_the_same_on_the_meta_device(name: str) -> None:
    _holds(TwoInputs(TWO[name].run), TWO[name], device="meta")


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", ONE)
def test_what_is_made_of_one_input_is_integers(name: str, device: str) -> None:
    _holds(OneInput(ONE[name].run), ONE[name], device=device)


@pytest.mark.parametrize("name", ONE)
def test_what_is_made_of_one_input_is_integers_in_letters(name: str) -> None:
    model = OneInput(ONE[name].run)
    s = summarize(model, ("L",))
    assert s.ok, s.problems
    assert s.report.inputs[0].dtype == "int64"
    for size in (5, 9):
        there = model.eval()(torch.zeros(1, size, dtype=torch.long))
        assert tuple(eval(str(each), {"L": size}) for each in s.output_shape or ()) == tuple(there.shape)


def test_as_many_inputs_as_there_are_embeddings() -> None:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(9, 4) for _ in range(12))
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Tensor, *words: Tensor) -> Tensor:
            looked_up = [table(word[:, 0]) for table, word in zip(self.tables, words, strict=True)]
            return self.fc(x) + torch.stack(looked_up).sum(0)

    words = [torch.zeros(1, 2, dtype=torch.long)] * 12
    expected = Many()(torch.zeros(1, 3), *words)
    for device in ("cpu", "meta"):
        s = summarize(Many(), [(3,), *[(2,)] * 12], device=device)
        assert s.ok, s.problems
        assert s.output_shape == tuple(expected.shape)
        assert [each.dtype for each in s.report.inputs] == ["float32"] + ["int64"] * 12


WRONG: dict[str, Forward] = {
    "of a Linear": lambda m, x, k: m.emb(m.fc(x)),
    "of a Linear, sliced": lambda m, x, k: m.emb(m.fc(x)[:, 0]),
    "of a constant": lambda m, x, k: m.fc(x) + m.emb(torch.rand(1)),
    "halved": lambda m, x, k: m.fc(x) + m.emb(k[:, 0] / 2),
    "of a softmax": lambda m, x, k: m.fc(x) + m.emb(k.softmax(-1)).sum(1),
    "of a softmax of a part": lambda m, x, k: m.fc(x) + m.emb(k[:, :1].softmax(-1)).sum(1),
}


# On the meta device PyTorch takes integers for the softmax of an input.
@pytest.mark.parametrize(
    ("name", "device"),
    [(name, each) for name in WRONG for each in ("cpu", "meta") if (name, each) != ("of a softmax", "meta")],
)
def test_reals_that_the_model_makes_itself_are_the_mistake(name: str, device: str) -> None:
    model = TwoInputs(WRONG[name]).eval()
    for kinds in ((torch.float32, torch.float32), (torch.float32, torch.long), (torch.long, torch.long)):
        with pytest.raises((RuntimeError, NotImplementedError)):
            model(*(torch.zeros(1, size, dtype=kind) for size, kind in zip((6, 2), kinds, strict=True)))
    (problem,) = summarize(model, [(6,), (2,)], device=device).problems
    assert (problem.path, problem.kind) == ("emb", "dtype")
    assert problem.message.startswith("float32 reaches Embedding(30, 8)")
    assert problem.fix is not None
    assert ".long()" in problem.fix


def test_a_wrong_size_is_told_beside_words_that_are_sliced() -> None:
    model = TwoInputs(lambda m, x, k: m.narrow(x) + m.emb(k[:, 0]))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model(torch.zeros(1, 6), torch.zeros(1, 2, dtype=torch.long))
    for device in ("cpu", "meta"):
        (problem,) = summarize(model, [(6,), (2,)], device=device).problems
        assert (problem.path, problem.kind, problem.declared, problem.required) == ("narrow", "in_features", 3, 6)


def test_a_dtype_that_was_asked_for_is_kept_behind_a_slice() -> None:
    model = TwoInputs(TWO["one column"].run)
    s = summarize(model, [(6,), (2,)], dtypes=[torch.float32, torch.float32])
    assert [each.dtype for each in s.report.inputs] == ["float32", "float32"]
    (problem,) = s.problems
    assert (problem.path, problem.kind) == ("emb", "dtype")


@pytest.mark.parametrize("name", ["a column for each embedding", "the lookup first", "both are words, apart"])
def test_each_input_has_its_dtype_in_letters(name: str) -> None:
    case = TWO[name]
    s = summarize(TwoInputs(case.run), case.shapes, batch_size="N")
    assert s.ok, s.problems
    assert [each.dtype for each in s.report.inputs] == ["int64" if word else "float32" for word in case.words]
    given = [
        torch.zeros(3, *shape, dtype=torch.long if word else torch.float32)
        for shape, word in zip(case.shapes, case.words, strict=True)
    ]
    there = TwoInputs(case.run).eval()(*given)
    assert tuple(eval(str(each), {"N": 3}) for each in s.output_shape or ()) == tuple(there.shape)


SCATTERED: dict[str, Case] = {
    "scatter_": Case(lambda m, x, k: m.fc(x).scatter_(1, k, 1.0), [(6,), (3,)], (False, True)),
    "scatter_add": Case(lambda m, x, k: m.fc(x).scatter_add(1, k, torch.ones(1, 3)), [(6,), (3,)], (False, True)),
    "take_along_dim": Case(lambda m, x, k: torch.take_along_dim(m.fc(x), k, 1), [(6,), (3,)], (False, True)),
    "index_add": Case(lambda m, x, k: m.fc(x).index_add(1, k[0], torch.ones(1, 3)), [(6,), (3,)], (False, True)),
    "index_fill": Case(lambda m, x, k: m.fc(x).index_fill(1, k[0], 0.0), [(6,), (3,)], (False, True)),
    "index_copy": Case(lambda m, x, k: m.fc(x).index_copy(1, k[0], torch.ones(1, 3)), [(6,), (3,)], (False, True)),
}


@pytest.mark.parametrize("name", SCATTERED)
def test_the_index_of_what_is_written_is_integers(name: str) -> None:
    _holds(TwoInputs(SCATTERED[name].run), SCATTERED[name])


class Refused(NamedTuple):
    """A model that refuses a float as its last input, and takes another dtype."""

    run: Forward
    shapes: list[tuple[int, ...]]
    takes: tuple[torch.dtype, ...]


REFUSED: dict[str, Refused] = {
    "masked_fill": Refused(lambda m, x, k: m.fc(x).masked_fill(k, 0.0), [(6,), (8,)], (torch.bool,)),
    "where": Refused(lambda m, x, k: torch.where(k, m.fc(x), 0.0), [(6,), (8,)], (torch.bool,)),
    "the other way about": Refused(lambda m, x, k: m.fc(x) * ~k, [(6,), (8,)], (torch.bool, torch.long)),
    "a mask alone": Refused(lambda m, x, k: m.fc(x)[k], [(6,), (8,)], (torch.bool, torch.long)),
    "an index": Refused(lambda m, x, k: m.fc(x)[torch.arange(1), k[:, 0]], [(6,), (1,)], (torch.long,)),
    "a weight": Refused(lambda m, k: m.emb.weight[k], [(5,)], (torch.long,)),
    "bits": Refused(lambda m, k: m.emb(k >> 1), [(5,)], (torch.bool, torch.long)),
    "classes": Refused(lambda m, x, k: F.cross_entropy(m.fc(x), k[:, 0]), [(6,), (1,)], (torch.long,)),
}


def _given(case: Refused, kind: torch.dtype) -> list[Tensor]:
    kinds = [*[torch.float32] * (len(case.shapes) - 1), kind]
    return [torch.zeros(1, *shape, dtype=each) for shape, each in zip(case.shapes, kinds, strict=True)]


def _taken(model: nn.Module, case: Refused) -> list[torch.dtype]:
    """What PyTorch says of a mask and of an index."""
    taken = []
    for kind in (torch.bool, torch.long):
        try:
            model(*_given(case, kind))
        except (RuntimeError, IndexError):
            continue
        taken.append(kind)
    return taken


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if len(case.takes) == 1])
def test_the_one_dtype_that_the_model_takes_is_chosen(name: str) -> None:
    case = REFUSED[name]
    (kind,) = case.takes
    model = (OneInput if len(case.shapes) == 1 else TwoInputs)(case.run).eval()
    assert _taken(model, case) == [kind]
    s = summarize(model, case.shapes)
    (remark,) = s.report.remarks
    named, advice = remark.partition(" (")[0], remark[remark.index("(") + 1 : remark.index("):")]
    assert s.ok
    assert s.output_shape == tuple(model(*_given(case, kind)).shape)
    which = "the input" if len(case.shapes) == 1 else "second"
    assert named == f"{which} was made {'torch.long' if kind is torch.long else kind}"
    written = eval(f"summarize(model, shapes, {advice})", {**globals(), "model": model, "shapes": case.shapes})
    assert written.ok
    assert written.report.remarks == ()
    assert written.calls == s.calls


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if len(case.takes) > 1])
def test_a_float_that_convlin_chose_is_told_with_what_to_write(name: str) -> None:
    case = REFUSED[name]
    model = (OneInput if len(case.shapes) == 1 else TwoInputs)(case.run).eval()
    taken = _taken(model, case)
    assert tuple(taken) == case.takes
    (problem,) = summarize(model, case.shapes).problems
    named = "the input" if len(case.shapes) == 1 else "second"
    assert f"convlin chose torch.float32 for {named}; with torch." in problem.message
    assert problem.fix is not None
    ways = problem.fix.split(" or ")
    assert len(ways) == len(taken)
    for way, kind in zip(ways, taken, strict=True):
        s = eval(f"summarize(model, shapes, {way})", {**globals(), "model": model, "shapes": case.shapes})
        assert s.ok
        assert s.output_shape == tuple(model(*_given(case, kind)).shape)


def test_a_dtype_by_name_is_written_by_name() -> None:
    model, shapes = TwoInputs(REFUSED["masked_fill"].run), {"first": (6,), "second": (8,)}
    (remark,) = summarize(model, shapes).report.remarks
    assert 'dtypes={"second": torch.bool}' in remark
    assert summarize(model, shapes, dtypes={"second": torch.bool}).report.remarks == ()


def test_two_masks_are_chosen_one_after_the_other_beside_a_wrong_number() -> None:
    class Masks(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.fc, self.out = nn.Linear(6, 8), nn.Linear(features, 3)

        def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
            hidden = self.fc(x).masked_fill(first, 0.0)
            out: Tensor = self.out(hidden).masked_fill(second, 0.0)
            return out

    given = torch.zeros(1, 6), torch.zeros(1, 8, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.bool)
    assert Masks(8)(*given).shape == (1, 3)
    right, wrong = (summarize(Masks(features), [(6,), (8,), (3,)]) for features in (8, 9))
    assert right.ok
    assert [remark.partition(" was")[0] for remark in right.report.remarks] == ["first", "second"]
    (problem,) = wrong.problems
    assert (problem.path, problem.declared, problem.required) == ("out", 9, 8)
    assert wrong.report.remarks == right.report.remarks


def test_a_mask_is_chosen_in_letters_and_on_the_meta_device() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 8)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.fc(x).masked_fill(mask.unsqueeze(-1), 0.0)[:, ::2]

    numbers = summarize(Masked(), [(9, 6), (9,)])
    letters = summarize(Masked(), [("T", 6), ("T",)])
    asked = summarize(Masked(), [("T", 6), ("T",)], dtypes=[torch.float32, torch.bool])
    assert letters.ok
    assert letters.accepts == asked.accepts
    assert letters.calls == asked.calls
    assert set(letters.report.remarks) - set(asked.report.remarks) == set(numbers.report.remarks)
    with torch.device("meta"):
        hollow = Masked()
    assert summarize(hollow, [(9, 6), (9,)]).report.remarks == numbers.report.remarks
    for length in (1, 2, 9, 30):
        made = Masked()(torch.zeros(1, length, 6), torch.zeros(1, length, dtype=torch.bool))
        assert letters.output_shape is not None
        assert tuple(map(Evaluation({Letter("T"): length}), letters.output_shape)) == made.shape


def test_no_dtype_is_told_where_none_helps() -> None:
    model = TwoInputs(lambda m, x, k: m.fc(~m.fc(x)) * ~k)
    for kind in (torch.float32, torch.bool, torch.long):
        with pytest.raises(TypeError, match="only implemented on integer"):
            model(torch.zeros(1, 6), torch.zeros(1, 8, dtype=kind))
    (problem,) = summarize(model, [(6,), (8,)]).problems
    assert problem.fix is None
    assert "convlin chose" not in problem.message


def test_a_dtype_that_was_asked_for_was_not_chosen() -> None:
    model = TwoInputs(REFUSED["masked_fill"].run)
    (problem,) = summarize(model, [(6,), (8,)], dtypes=[torch.float32, torch.float32]).problems
    assert "convlin chose" not in problem.message


# A mask or classes, and a mistake beside ------------------------------------------------------------------------------


class Folds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(80, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.view(-1, 8))


class MaskedThen(nn.Module):
    """A mask has to be bool; ``then`` has a mistake of its own, which is told and not the mask."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.then = nn.Linear(16, 8), then

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.then(self.fc(x).masked_fill(mask.unsqueeze(-1), 0.0))


@pytest.mark.parametrize(
    ("then", "told"),
    [
        (Folds(), "the batch went from 1 to 10"),
        (lambda x: x.permute(0, 3, 1, 2), "permute"),
        (lambda x: x[:, 20], "index 20 is out of bounds"),
        (lambda x: torch.bmm(x, x), "bmm"),
    ],
)
def test_a_mistake_behind_a_mask_is_told_and_not_the_mask(then: Callable[[Tensor], Tensor], told: str) -> None:
    with pytest.raises(RuntimeError, match="boolean masks"):
        MaskedThen(then)(torch.rand(1, 10, 16), torch.rand(1, 10))
    summary = summarize(MaskedThen(then), [(10, 16), (10,)])
    (problem,) = summary.problems
    assert told in " ".join(problem.message.split())
    assert any(remark.startswith("mask was made torch.bool") for remark in summary.report.remarks)


def test_an_exception_of_the_users_own_behind_a_mask_is_raised() -> None:
    def stop(x: Tensor) -> Tensor:
        raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        summarize(MaskedThen(stop), [(10, 16), (10,)])


class OfClasses(nn.Module):
    def __init__(self, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(F.log_softmax(x, 1), y)


def picked(x: Tensor, y: Tensor) -> Tensor:
    return x[torch.arange(x.shape[0]), y]


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, F.multi_margin_loss, picked])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_classes_alone_are_made_integers(loss: Callable[..., Tensor], device: str) -> None:
    """PyTorch takes real predictions alone; on the meta device it refuses neither integers nor a mask."""
    with pytest.raises((RuntimeError, IndexError)):
        OfClasses(loss)(torch.rand(3, 5), torch.rand(3))
    OfClasses(loss)(torch.rand(3, 5), torch.zeros(3, dtype=torch.long))
    if loss is picked and device == "meta":
        return  # the arange of the CPU
    summary = summarize(OfClasses(loss), [(5,), ()], batch_size=3, device=device)
    assert summary.ok
    assert [tensor.dtype for tensor in summary.report.inputs] == ["float32", "int64"]


# Values that cannot be 0 ----------------------------------------------------------------------------------------------


class Packs(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.rnn, self.fc, self.batch_first = nn.LSTM(5, 12, batch_first=batch_first), nn.Linear(12, 2), batch_first

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = x if self.batch_first else x.transpose(0, 1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=self.batch_first, enforce_sorted=False)
        made, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.fc(made)


class Divides(nn.Module):
    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        return x.long() // n.unsqueeze(1)


@pytest.mark.parametrize(
    ("model", "shape", "value"), [(Packs(True), (10, 5), 10), (Packs(False), (10, 5), 10), (Divides(), (4,), 1)]
)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_number_that_cannot_be_zero(model: nn.Module, shape: tuple[int, ...], value: int, batch: int) -> None:
    x, dtypes = torch.rand(batch, *shape), [torch.float32, torch.long]
    with pytest.raises(RuntimeError):
        model(x, torch.zeros(batch, dtype=torch.long))
    made = model(x, torch.full((batch,), value))
    summary = summarize(model, [shape, ()], batch_size=batch, dtypes=dtypes)
    assert summary.ok
    assert summary.output_shape == tuple(made.shape)
    assert any(f"was filled with {value}: with zeros" in remark for remark in summary.report.remarks)


def test_a_mistake_is_no_question_of_a_value() -> None:
    class Wrong(Packs):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return super().forward(x[..., :4].permute(0, 2, 1, 3), lengths)

    with pytest.raises(RuntimeError):
        Wrong(True)(torch.rand(1, 10, 5), torch.tensor([10]))
    (problem,) = summarize(Wrong(True), [(10, 5), ()], dtypes=[torch.float32, torch.long]).problems
    assert "permute" in problem.message
