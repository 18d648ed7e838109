"""Errors whose traceback no longer holds the model: a loss, a checkpoint, an optimizer. PyTorch judges every fix."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin.at_error import second_run
from convlin.at_error.answer import answer, answer_to
from tests.test_at_error import raised


class Net(nn.Module):
    """A convolution and a Linear, with a ``view`` whose ``size`` is right for inputs of 8×8 only."""

    def __init__(self, size: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.fc(x.view(-1, self.size))


def labels_of(*labels: int) -> Tensor:
    return torch.tensor(labels)


# The batch that a view changed


def step(model: nn.Module, images: Tensor, labels: Tensor, loss: Callable[..., Tensor] = F.cross_entropy) -> None:
    data = [images, labels]
    outputs = model(data[0])
    loss(outputs, data[1]).backward()


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss(), nn.MultiMarginLoss()])
def test_a_view_that_changed_the_batch(loss: Callable[..., Tensor]) -> None:
    error = raised(lambda: step(Net(), torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4), loss))
    found = answer_to(error)
    assert found is not None
    assert found.said.startswith("The loss got 16 predictions for 4 targets: Net turns a batch of 4 into 16.")
    assert found.summary is not None
    assert {each.kind for each in found.summary.problems} == {"batch", "in_features"}
    (needed,) = [each.required for each in found.summary.problems if each.kind == "in_features"]
    step(Net(needed), torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4), loss)


class Pair(nn.Module):
    """Two inputs, of which a ``view`` breaks the first."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()
        self.age = nn.Linear(1, 10)

    def forward(self, image: Tensor, age: Tensor, scale: float = 1.0) -> Tensor:
        return self.net(image) * scale + self.age(age).mean()


IMAGES, AGES, LABELS = torch.randn(4, 3, 16, 16), torch.rand(4, 1), labels_of(1, 2, 3, 4)


def positions(model: nn.Module) -> None:
    images, ages = IMAGES, AGES
    F.cross_entropy(model(images, ages), LABELS)


def names(model: nn.Module) -> None:
    batch, device = {"image": IMAGES, "age": AGES}, torch.device("cpu")
    F.cross_entropy(model(batch["image"].to(device), age=batch["age"].float(), scale=2.0), LABELS)


def stars(model: nn.Module) -> None:
    batch = {"image": IMAGES, "age": AGES}
    outputs = model(**batch)
    F.cross_entropy(outputs, LABELS)


def twice(model: nn.Module) -> None:
    pairs = [IMAGES, AGES], (IMAGES[:2, :, :8, :8], AGES[:2])
    F.cross_entropy(model(*pairs[1]), LABELS[:2])
    F.cross_entropy(model(*pairs[0]), LABELS)
    F.cross_entropy(model(*pairs[1]), LABELS[:2])


@pytest.mark.parametrize("work", [positions, names, stars, twice])
def test_a_model_of_several_inputs(work: Callable[[nn.Module], None]) -> None:
    found = answer_to(raised(lambda: work(Pair())))
    assert found is not None
    assert found.said.endswith("convlin ran Pair again, on inputs of the same shapes:")
    assert found.summary is not None
    assert [(each.path, each.kind) for each in found.summary.problems] == [("net", "batch"), ("net.fc", "in_features")]
    assert found.summary["net.conv"].input_shape == (4, 3, 16, 16)
    assert found.summary["age"].input_shape == (4, 1)


def test_a_model_that_is_too_large_to_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: positions(Pair()))
    monkeypatch.setattr(second_run, "_MOST_VALUES", 10)
    found = answer_to(error)
    assert found is not None
    assert found.said.endswith("convlin ran Pair again on the meta device, which computes shapes alone:")
    assert found.summary is not None
    assert [each.kind for each in found.summary.problems] == ["batch", "in_features"]


class Loader:
    """Counts how often its items and attributes are computed."""

    asked = 0

    def __getitem__(self, key: str) -> Tensor:
        self.asked += 1
        return {"image": IMAGES, "age": AGES}[key]

    @property
    def ages(self) -> Tensor:
        self.asked += 1
        return AGES


def test_nothing_of_the_users_runs_to_find_the_inputs() -> None:
    loader = Loader()

    def work(model: nn.Module) -> None:
        F.cross_entropy(model(loader["image"], loader.ages), LABELS)

    error = raised(lambda: work(Pair()))
    asked = loader.asked
    assert answer(error) is None
    assert loader.asked == asked


def test_without_gradients_the_one_model_is_it() -> None:
    with torch.no_grad():
        error = raised(lambda: step(Net(), torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4)))
    assert "the batch went from 4 to 16" in str(answer(error))


def test_without_gradients_two_models_are_too_many() -> None:
    def steps(one: nn.Module, other: nn.Module) -> None:
        step(one, torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4))

    with torch.no_grad():
        assert answer(raised(lambda: steps(Net(), Net()))) is None


def test_with_gradients_the_model_behind_the_predictions_is_it() -> None:
    def steps(one: nn.Module, other: nn.Module) -> None:
        step(one, torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4))

    assert "the batch went from 4 to 16" in str(answer(raised(lambda: steps(Net(), Net(16)))))


class Trainer:
    """Keeps the model as an attribute, as people who write classes do."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def step(self, batch: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(self.model(batch["images"]), batch["labels"])


def test_a_model_and_a_batch_inside_of_objects() -> None:
    batch = {"images": torch.randn(4, 3, 16, 16), "labels": labels_of(1, 2, 3, 4)}
    assert "the batch went from 4 to 16" in str(answer(raised(lambda: Trainer(Net()).step(batch))))


class Rows(nn.Module):
    """Merges time into the batch, on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).view(-1, 7)


def test_rows_merged_on_purpose_are_named_and_not_blamed() -> None:
    found = answer_to(raised(lambda: step(Rows(), torch.randn(4, 6, 5), torch.zeros(4, 6).long())))
    assert found is not None
    assert found.summary is not None
    assert found.summary.ok
    said = r"The batch changes in Tensor\.view at tests/test_at_error_elsewhere\.py:\d+\. convlin ran"
    assert re.search(said, found.said)


@pytest.mark.parametrize(
    "work",
    [
        lambda: step(Net(), torch.randn(4, 3, 8, 8), labels_of(1, 2)),  # the labels are of another batch
        lambda: F.cross_entropy(torch.zeros(4, 10), labels_of(1)),  # no model anywhere
    ],
)
def test_nothing_is_said_about_a_model_that_keeps_the_batch(work: Callable[[], Any]) -> None:
    assert answer(raised(work)) is None


def test_labels_of_another_dtype_are_told_and_no_model_is_blamed() -> None:
    told = answer(raised(lambda: step(Net(), torch.randn(4, 3, 8, 8), torch.zeros(4))))
    assert told is not None
    assert told.endswith("targets.long() it runs")
    assert "Net" not in told


def test_the_model_stays_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), Net(), nn.Dropout())
    error = raised(lambda: step(model, torch.randn(4, 3, 16, 16), labels_of(1, 2, 3, 4)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    assert "the batch went from 4 to 16" in str(answer(error))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_loss_that_is_tried_again_warns_no_more_than_the_users_own_call() -> None:
    predictions, targets = torch.randn(4, 3), torch.ones(4)
    with pytest.warns(UserWarning, match="different to the input size"):
        error = raised(lambda: F.mse_loss(predictions, targets))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert answer(error) is None
    assert seen == []


# Labels


def test_a_label_beyond_the_classes() -> None:
    told = answer(raised(lambda: step(Net(), torch.randn(2, 3, 8, 8), labels_of(0, 12))))
    assert told is not None
    assert told.startswith(
        "✗ fc: Linear makes 10 scores for each sample, for the labels 0 to 9; the labels of this batch are 0 to 12"
    )
    assert (
        "\n    the last layer needs an output for each of your classes: 13 for this batch, more if you have more"
        in told
    )
    assert "count from 1" not in told
    step(Net(classes=13), torch.randn(2, 3, 8, 8), labels_of(0, 12))
    assert raised(lambda: step(Net(classes=12), torch.randn(2, 3, 8, 8), labels_of(0, 12)))


def test_labels_that_may_count_from_one() -> None:
    told = answer(raised(lambda: step(Net(), torch.randn(2, 3, 8, 8), labels_of(1, 10))))
    assert told is not None
    assert "if your labels count from 1 to 10, subtract 1 from them" in told
    step(Net(), torch.randn(2, 3, 8, 8), labels_of(1, 10) - 1)


def test_a_label_below_zero() -> None:
    told = answer(raised(lambda: step(Net(), torch.randn(2, 3, 8, 8), labels_of(-1, 9))))
    assert told is not None
    assert "pass ignore_index=-1" in told
    assert "an output for each" not in told
    F.cross_entropy(Net()(torch.randn(2, 3, 8, 8)), labels_of(-1, 9), ignore_index=-1)


@pytest.mark.parametrize("labels", [(0, 9, 255), (255, 255, 255)])
def test_a_255_far_beyond_the_classes_may_mark_what_has_none(labels: tuple[int, ...]) -> None:
    x = torch.randn(3, 3, 8, 8)
    told = answer(raised(lambda: step(Net(), x, labels_of(*labels))))
    assert told is not None
    assert "\n    if 255 marks what has no label, as is usual in segmentation, pass ignore_index=255\n" in told
    assert "otherwise the last layer needs an output for each of your classes: 256" in told
    assert "\n    fix " not in told
    F.cross_entropy(Net()(x), labels_of(*labels), ignore_index=255)


@pytest.mark.parametrize(("classes", "labels"), [(10, (0, 254)), (10, (0, 12, 255)), (255, (0, 255)), (10, (-1, 255))])
def test_other_labels_beyond_the_classes_are_no_such_mark(classes: int, labels: tuple[int, ...]) -> None:
    x = torch.randn(len(labels), 3, 8, 8)
    told = answer(raised(lambda: step(Net(classes=classes), x, labels_of(*labels))))
    assert told is not None
    assert "ignore_index=255" not in told
    if 255 in labels and classes < 255:
        assert raised(lambda: F.cross_entropy(Net(classes=classes)(x), labels_of(*labels), ignore_index=255))


def test_the_line_of_the_last_layer() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(3, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return F.log_softmax(self.last(x), 1)

    told = answer(raised(lambda: step(Fixed(), torch.randn(2, 3, 4, 4), torch.full((2, 4, 4), 5), F.nll_loss)))
    assert told is not None
    assert re.search(r"fix  tests/test_at_error_elsewhere\.py:\d+   self\.last = nn\.Conv2d\(3, 6, 1\)$", told)


def test_an_input_without_a_name_still_leads_to_the_last_layer() -> None:
    def inline(model: nn.Module) -> None:
        F.cross_entropy(model(torch.randn(2, 3, 8, 8)), labels_of(0, 10))

    assert str(answer(raised(lambda: inline(Net())))).startswith("✗ fc: Linear makes 10 scores")


def test_labels_without_a_model() -> None:
    told = answer(raised(lambda: F.cross_entropy(torch.zeros(2, 3), labels_of(0, 3))))
    assert told is not None
    assert told.startswith("✗ the loss function: gets 3 scores for each sample")
    assert "fix" not in told


# Predictions and targets of other axes


@pytest.mark.parametrize(
    ("loss", "made", "targets", "fix"),
    [
        (F.cross_entropy, (4, 7, 10), torch.zeros(4, 7).long(), "predictions.transpose(1, 2)"),
        (F.nll_loss, (4, 3, 5, 10), torch.zeros(4, 3, 5).long(), "predictions.movedim(-1, 1)"),
        (F.cross_entropy, (4, 7, 10), torch.zeros(28).long(), "predictions.flatten(0, 1)"),
        (F.cross_entropy, (4, 10), torch.zeros(4, 1).long(), "targets.squeeze(-1)"),
        (F.binary_cross_entropy, (4, 1), torch.zeros(4), "targets.unsqueeze(-1)"),
        (F.binary_cross_entropy, (4, 1), torch.zeros(4).long(), "targets.unsqueeze(-1).to(predictions.dtype)"),
        (F.binary_cross_entropy_with_logits, (4,), torch.zeros(4, 1), "targets.squeeze(-1)"),
        (F.cross_entropy, (2, 5, 6, 7), torch.zeros(2, 1, 6, 7).long(), "targets.squeeze(1)"),
        (F.cross_entropy, (2, 5, 9), torch.zeros(2, 1, 9).long(), "targets.squeeze(1)"),
        (F.binary_cross_entropy_with_logits, (2, 1, 6, 7), torch.zeros(2, 6, 7), "targets.unsqueeze(1)"),
        (F.cross_entropy, (2, 5, 6, 7), torch.ones(2, 6, 7), "targets.long()"),
        (F.cross_entropy, (4, 10), torch.arange(4.0), "targets.long()"),
        (F.cross_entropy, (4, 10), torch.arange(4).short(), "targets.long()"),
        (F.cross_entropy, (1, 5, 6, 7), torch.zeros(6, 7).long(), "targets.unsqueeze(0)"),
        (F.binary_cross_entropy, (1, 5), torch.zeros(5), "targets.unsqueeze(0)"),
        (F.cross_entropy, (4, 3), F.one_hot(torch.arange(4) % 3), "targets.argmax(1)"),
        (F.cross_entropy, (2, 3, 5), F.one_hot(torch.arange(10).view(2, 5) % 3).mT, "targets.argmax(1)"),
        (F.binary_cross_entropy, (4, 3), torch.ones(4, 3).long(), "targets.to(predictions.dtype)"),
        (F.binary_cross_entropy, (4, 30), torch.zeros(4, 1, 5, 6), "targets.flatten(1)"),
        (F.binary_cross_entropy, (4, 1, 5, 6), torch.zeros(4, 30), "predictions.flatten(1)"),
        (F.mse_loss, (4, 7), torch.arange(4), "F.one_hot(targets, 7).to(predictions.dtype)"),
        (F.l1_loss, (4, 7), torch.arange(4), "F.one_hot(targets, 7).to(predictions.dtype)"),
        (F.binary_cross_entropy, (4,), torch.ones(4).long(), "targets.to(predictions.dtype)"),
        (F.binary_cross_entropy, (4, 2), torch.ones(4, 2).bool(), "targets.to(predictions.dtype)"),
        (F.cross_entropy, (4, 3), F.one_hot(torch.tensor([0, 2, 1, 0])), "targets.argmax(1)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_axes_that_a_loss_does_not_take(
    loss: Callable[..., Tensor], made: tuple[int, ...], targets: Tensor, fix: str
) -> None:
    predictions = torch.full(made, 0.5)
    told = answer(raised(lambda: loss(predictions, targets)))
    assert told is not None
    assert told.endswith(f"\n    with {fix} it runs")
    given = {"predictions": predictions, "targets": targets}
    changed = "predictions" if fix.startswith("predictions") else "targets"
    given[changed] = eval(fix, {"F": F, **given})
    loss(given["predictions"], given["targets"])


def test_axes_that_nothing_makes_right() -> None:
    assert answer(raised(lambda: F.binary_cross_entropy(torch.rand(4, 3), torch.rand(4)))) is None
    assert answer(raised(lambda: F.cross_entropy(torch.rand(4, 3, 5), torch.zeros(4, 6).long()))) is None


def test_several_marks_of_a_sample_are_no_single_class() -> None:
    made, targets = torch.randn(2, 3, 4), torch.ones(2, 3, 4).long()
    told = str(answer(raised(lambda: F.cross_entropy(made, targets))))
    assert "which F.binary_cross_entropy_with_logits takes" in told
    F.binary_cross_entropy_with_logits(made, targets.to(made.dtype))
    # Counts are neither classes nor marks.
    assert answer(raised(lambda: F.cross_entropy(made, 2 * targets))) is None


def test_labels_that_are_no_classes_of_the_predictions_are_not_made_one_hot() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert answer(raised(lambda: F.mse_loss(torch.rand(4, 7), torch.arange(4) + 5))) is None


@pytest.mark.parametrize(("labels", "says_outputs"), [((0, 2, 1, 0), True), ((0, 5, 1, 0), False)])
def test_a_weight_for_other_classes(labels: tuple[int, ...], says_outputs: bool) -> None:
    made, targets = torch.randn(4, 6), labels_of(*labels)
    told = str(answer(raised(lambda: F.cross_entropy(made, targets, torch.ones(3)))))
    assert "weight needs a number for each of the 6 classes" in told
    F.cross_entropy(made, targets, torch.ones(6))
    assert ("the last layer 3 outputs" in told) == says_outputs
    if says_outputs:
        F.cross_entropy(made[:, :3], targets, torch.ones(3))


# Predictions and targets of other sizes


class Reconstructs(nn.Module):
    """An image back from a map of a quarter of its sides."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 4, 3, stride=4, padding=1)
        self.wide = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)
        self.back = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.back(F.relu(self.wide(self.down(x))))


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_transposed_convolutions_that_make_a_row_too_few() -> None:
    model, image = Reconstructs(), torch.rand(3, 2, 20, 20)
    training = model.training
    found = answer_to(raised(lambda: F.mse_loss(model(image), image)))
    assert found is not None
    assert found.summary is not None
    assert found.summary["back"].output_shape == (3, 2, 17, 17)
    assert "predictions of 3×2×17×17 and targets of 3×2×20×20 differ in dimensions 2 and 3" in found.said
    assert "with output_padding=1 in wide and back the predictions are 3×2×20×20" in found.said
    assert found.said.count(", output_padding=1)") == 2
    # The model is as it was, and what is said of it runs.
    assert model.training == training
    assert model(image).shape == (3, 2, 17, 17)
    model.wide.output_padding = model.back.output_padding = (1, 1)
    F.mse_loss(model(image), image)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_sizes_that_no_output_padding_makes_right() -> None:
    model, image = Reconstructs(), torch.rand(3, 2, 20, 20)
    found = answer_to(raised(lambda: F.mse_loss(model(image), torch.rand(3, 2, 40, 40))))
    assert found is not None
    assert "output_padding" not in found.said
    assert found.summary is not None


def test_a_mask_of_three_channels() -> None:
    class Segments(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 8, 3, padding=1)
            self.head = nn.Conv2d(8, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x))

    net, images, masks = Segments(), torch.rand(2, 3, 9, 9), torch.rand(2, 3, 9, 9)
    told = str(answer(raised(lambda: F.binary_cross_entropy_with_logits(net(images), masks))))
    assert "\n    head makes 1, and the targets have 3\n" in told
    assert "targets[:, :1] is one of them" in told
    F.binary_cross_entropy_with_logits(net(images), masks[:, :1])


class LastState(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.gru = nn.GRU(5, 8, **options)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.gru(x)[1][-1])


def test_a_recurrent_layer_that_reads_the_batch_as_time() -> None:
    images, labels = torch.rand(4, 7, 5), labels_of(0, 1, 2, 0)
    model = LastState()
    told = str(answer(raised(lambda: step(model, images, labels))))
    assert "✗ gru: GRU without batch_first=True reads 4×7×5 as 4 steps of a batch of 7" in told
    assert "with batch_first=True the predictions are 4×3" in told
    assert not model.gru.batch_first
    step(LastState(batch_first=True), images, labels)


def test_integers_that_are_no_probabilities() -> None:
    numbers_of_classes = torch.tensor([[0, 2, 1], [1, 1, 0]])
    assert answer(raised(lambda: F.cross_entropy(torch.rand(2, 3), numbers_of_classes))) is None
    assert answer(raised(lambda: F.binary_cross_entropy(torch.rand(2, 3), numbers_of_classes))) is None


class Scored(NamedTuple):
    scores: Tensor
    hidden: Tensor


@dataclass
class Output:
    loss: Tensor | None
    logits: Tensor


@pytest.mark.parametrize(
    ("output", "fix"),
    [
        ((torch.rand(4, 3), torch.rand(2, 4, 5)), "predictions[0]"),
        (Scored(torch.rand(4, 3), torch.rand(5)), "predictions.scores"),
        ({"out": torch.rand(4, 3), "aux": None}, 'predictions["out"]'),
        (Output(None, torch.rand(4, 3)), "predictions.logits"),
    ],
)
@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss(), nn.MSELoss(), F.binary_cross_entropy])
def test_all_that_a_model_returns_in_the_place_of_its_predictions(loss: Any, output: Any, fix: str) -> None:
    targets = F.one_hot(torch.tensor([0, 2, 1, 0])).float()
    told = answer(raised(lambda: loss(output, targets)))
    assert told is not None
    assert f"the predictions are {'an' if isinstance(output, Output) else 'a'} {type(output).__name__}, " in told
    assert told.endswith(f"\n    with {fix} it runs")
    loss(eval(fix, {"predictions": output}), targets)


def test_outputs_of_which_several_fit_or_none() -> None:
    pair, labels = (torch.rand(4, 3), torch.rand(4, 5)), torch.tensor([0, 2, 1, 0])
    assert str(answer(raised(lambda: F.cross_entropy(pair, labels)))).endswith(  # type: ignore[arg-type]
        "with predictions[0] or predictions[1] it runs"
    )
    told = str(answer(raised(lambda: F.cross_entropy([torch.rand(4, 9, 5), pair[0]], labels))))  # type: ignore[arg-type]
    assert told.endswith(
        "the predictions are a list, and not a tensor: 4×9×5, 4×3 in it\n    with predictions[1] it runs"
    )
    F.cross_entropy(pair[0], labels)
    assert answer(raised(lambda: F.cross_entropy(pair, labels[:2]))) is None  # type: ignore[arg-type]
    assert answer(raised(lambda: F.cross_entropy(None, labels))) is None  # type: ignore[arg-type]


def test_an_attribute_that_is_missing_in_a_forward_is_no_error_of_shapes() -> None:
    class Mistyped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshap(-1)  # type: ignore[attr-defined]

    assert answer(raised(lambda: Mistyped()(torch.zeros(2, 3)))) is None


# Checkpoints


class Parts(nn.Module):
    """One layer of each kind that a checkpoint can tell the sizes of."""

    def __init__(self, n: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(n, 2 * n)
        self.conv = nn.Conv2d(3, n, n + 1, groups=1)
        self.up = nn.ConvTranspose1d(2 * n, 4 * n, 3, groups=2)
        self.batch = nn.BatchNorm2d(n)
        self.layer = nn.LayerNorm(n)
        self.group = nn.GroupNorm(2, n)
        self.words = nn.Embedding(10 * n, n)
        self.lstm = nn.LSTM(n, 3 * n, num_layers=2, bidirectional=True)
        self.gru = nn.GRUCell(n, n)


def test_what_every_layer_must_be_given() -> None:
    told = answer(raised(lambda: Parts(4).load_state_dict(Parts(6).state_dict())))
    assert told is not None
    for path, needs in {
        "linear": "in_features=6, out_features=12; Parts has in_features=4, out_features=8",
        "conv": "out_channels=6, kernel_size=7; Parts has out_channels=4, kernel_size=5",
        "up": "in_channels=12, out_channels=24; Parts has in_channels=8, out_channels=16",
        "batch": "num_features=6; Parts has num_features=4",
        "layer": "normalized_shape=6; Parts has normalized_shape=4",
        "group": "num_channels=6; Parts has num_channels=4",
        "words": "num_embeddings=60, embedding_dim=6; Parts has num_embeddings=40, embedding_dim=4",
        "lstm": "input_size=6, hidden_size=18; Parts has input_size=4, hidden_size=12",
    }.items():
        assert f"✗ {path}: the checkpoint needs {needs}\n" in told
    assert "✗ gru: gru.weight_ih is 18×6 in the checkpoint and 12×4 in Parts\n" in told


def test_the_line_that_made_the_layer() -> None:
    class Old(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(400, 10)

    told = answer(raised(lambda: Old().load_state_dict(nn.ModuleDict({"fc": nn.Linear(512, 10)}).state_dict())))
    assert told is not None
    assert re.search(
        r"✗ fc: the checkpoint needs in_features=512; Old has in_features=400\n"
        r"    fc\.weight is 10×512 in the checkpoint and 10×400 in Old\n"
        r"    fix  tests/test_at_error_elsewhere\.py:\d+   self\.fc = nn\.Linear\(512, 10\)$",
        told,
    )


def test_names_with_a_prefix() -> None:
    saved = nn.DataParallel(Net()).state_dict()
    told = answer(raised(lambda: Net().load_state_dict(saved)))
    assert told is not None
    assert "every name in the checkpoint starts with 'module.', and no name of Net does" in told
    fix = told.partition("fix  load_state_dict(")[2].removesuffix(")")
    Net().load_state_dict(eval(fix, {"checkpoint": saved}))
    told = answer(raised(lambda: nn.DataParallel(Net()).load_state_dict(Net().state_dict())))
    assert "model.module.load_state_dict(checkpoint)" in str(told)


def test_a_checkpoint_one_level_deeper() -> None:
    told = answer(raised(lambda: Net().load_state_dict({"epoch": 3, "net": Net().state_dict()})))
    assert "fix  load_state_dict(checkpoint['net'])" in str(told)


@pytest.mark.parametrize("drop", ["fc.weight", "conv.bias"])
def test_other_names_are_said_by_pytorch(drop: str) -> None:
    saved = Net().state_dict()
    saved[f"{drop}s"] = saved.pop(drop)
    assert answer(raised(lambda: Net().load_state_dict(saved))) is None


# Optimizers


class Hidden(nn.Module):
    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.layers = layers


@pytest.mark.parametrize(
    ("layers", "what", "container"),
    [
        ([nn.Linear(2, 3), nn.Linear(3, 4)], "list of 2 layers", nn.ModuleList),
        ({"a": nn.Linear(2, 3)}, "dict of 1 layers", nn.ModuleDict),
    ],
)
def test_layers_that_no_module_knows(layers: Any, what: str, container: type[nn.Module]) -> None:
    def train(model: nn.Module) -> None:
        torch.optim.SGD(model.parameters(), lr=0.1)

    told = answer(raised(lambda: train(Hidden(layers))))
    assert told is not None
    assert told.startswith(f"✗ Hidden: self.layers is a plain {what}, which PyTorch does not see")
    assert f"fix  self.layers = nn.{container.__name__}(self.layers)" in told
    train(Hidden(container(layers)))


@pytest.mark.parametrize("layers", [[], [3, 4], [nn.ReLU()], [nn.Linear(2, 3), "head"]])
def test_an_empty_model_that_hides_nothing(layers: list[Any]) -> None:
    assert answer(raised(lambda: torch.optim.SGD(Hidden(layers).parameters(), lr=0.1))) is None


# Predictions that are reshaped on their way to the loss


class Patches(nn.Module):
    """A discriminator that ends in a map, as that of a DCGAN does for larger images."""

    def __init__(self, flattens: bool = False) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 1, 4), nn.Sigmoid())
        self.flattens = flattens

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.main(x)
        return made.view(-1, 1) if self.flattens else made


def discriminates(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return nn.BCELoss()(net(images).view(-1), labels)


def squeezes(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    predictions = net(images).squeeze()
    return F.binary_cross_entropy(predictions, labels)


def test_a_view_in_front_of_the_loss_is_no_change_of_the_model() -> None:
    net, images, labels = Patches(), torch.randn(2, 3, 16, 16), torch.zeros(2)
    assert net(images).shape == (2, 1, 5, 5)
    told = answer(raised(lambda: discriminates(net, images, labels)))
    assert told is not None
    assert told.startswith(
        "The loss got 50 predictions for 2 targets: Patches makes 2×1×5×5, 1·5·5 numbers for each sample, "
        "and what stands in front of the loss makes 50 of them.\nconvlin ran Patches again"
    )
    assert discriminates(net, torch.randn(2, 3, 8, 8), labels).shape == ()  # of such images it makes one number


@pytest.mark.parametrize("step", [discriminates, squeezes])
def test_a_batch_that_the_model_changed_is_told_behind_a_squeeze(step: Callable[..., Tensor]) -> None:
    net, images = Patches(flattens=True), torch.randn(2, 3, 16, 16)
    assert net(images).shape == (50, 1)
    told = answer(raised(lambda: step(net, images, torch.zeros(2))))
    assert told is not None
    assert "Patches turns a batch of 2 into 50.\nThe batch changes in Tensor.view at " in told


def test_time_in_front_is_not_told_as_a_change_of_the_batch() -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x).transpose(0, 1)

    def step(net: nn.Module, given: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(net(given).reshape(-1, 4), labels)

    told = answer(raised(lambda: step(TimeFirst(), torch.randn(2, 5, 3), torch.zeros(2, dtype=torch.long))))
    assert told is None or "turns a batch" not in told
