"""``convlin run`` where a library runs the training loop: each library's own loop, in a process of its own.

A library that is not installed is skipped; ``pip install lightning accelerate skorch pytorch-ignite fastai``.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from tests.processes import Done, run

NET = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc1 = nn.Linear(512, 20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        x = x.flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


torch.manual_seed(0)
images, labels = torch.randn(32, 3, 16, 16), torch.randint(10, (32,))
loader = DataLoader(TensorDataset(images, labels), batch_size=4)
"""

LIGHTNING = """
import LIGHTNING as L


class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def training_step(self, batch, index):
        images, labels = batch
        loss = F.cross_entropy(self.net(images), labels)
        print("loss", round(loss.item(), 4))
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


trainer = L.Trainer(max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False,
                    enable_progress_bar=False, enable_model_summary=False)
trainer.fit(Lit(), loader)
"""

TRANSFORMERS = """
from transformers import PrinterCallback, Trainer, TrainingArguments


class WithLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, pixel_values, labels=None):
        logits = self.net(pixel_values)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


arguments = TrainingArguments("out", max_steps=3, per_device_train_batch_size=4, report_to=[], use_cpu=True,
                              save_strategy="no", disable_tqdm=True, logging_strategy="no")
rows = [{"pixel_values": image, "labels": label} for image, label in zip(images, labels)]
trainer = Trainer(WithLoss(), arguments, train_dataset=rows)
trainer.remove_callback(PrinterCallback)  # it prints seconds
print("loss", round(trainer.train().training_loss, 4))
"""

ACCELERATE = """
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
net, optimizer, loader = accelerator.prepare(net, optimizer, loader)
for images, labels in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    accelerator.backward(loss)
    optimizer.step()
    print("loss", round(loss.item(), 4))
"""

SKORCH = """
from skorch import NeuralNetClassifier

net = NeuralNetClassifier(Net, criterion=nn.CrossEntropyLoss, batch_size=4, max_epochs=1, verbose=0, train_split=None)
net.fit(images.numpy(), labels.numpy())
print("loss", [round(loss, 4) for loss in net.history[:, "train_loss"]])
"""

IGNITE = """
from ignite.engine import Events, create_supervised_trainer

net = Net()
trainer = create_supervised_trainer(net, torch.optim.SGD(net.parameters(), lr=0.01), F.cross_entropy)
trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: print("loss", round(engine.state.output, 4)))
trainer.run(loader, max_epochs=1)
"""

FASTAI = """
from fastai.data.core import DataLoaders
from fastai.learner import Learner

from fastai.callback.progress import ProgressCallback

learner = Learner(DataLoaders(loader, loader), Net(), loss_func=F.cross_entropy)
learner.remove_cb(ProgressCallback)
with learner.no_logging():
    learner.fit(1, lr=0.01)
print("loss", [round(float(loss), 4) for loss in learner.recorder.losses])
"""

#: The module to import, and the training.
TRAINERS = {
    "lightning": LIGHTNING.replace("LIGHTNING", "lightning"),
    "pytorch_lightning": LIGHTNING.replace("LIGHTNING", "pytorch_lightning"),
    "transformers": TRANSFORMERS,
    "accelerate": ACCELERATE,
    "skorch": SKORCH,
    "ignite": IGNITE,
    "fastai": FASTAI,
}


@pytest.fixture
def training(request: pytest.FixtureRequest) -> str:
    """The script of one library."""
    needed = {"transformers": ("transformers", "accelerate")}.get(request.param, (request.param,))
    for name in needed:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    return NET + TRAINERS[request.param]


#: When, and in which process, PyTorch's log says something: no two runs agree in that.
_LOGGED = re.compile(r"^([VIWEF])\d{4} [\d:.]+ \d+ (?=torch/)", re.MULTILINE)


def under(folder: Path, code: str, *words: str) -> Done:
    """A script under ``python`` with these words in front of it."""
    (folder / "train.py").write_text(code, encoding="utf-8")
    done = run(sys.executable, "-W", "ignore", *words, "train.py", cwd=folder, check=False)
    done.stderr = _LOGGED.sub(r"\1 ", done.stderr)
    return done


def both(folder: Path, code: str) -> tuple[Done, Done]:
    return under(folder, code), under(folder, code, "-m", "convlin", "run")


# The default run tries two wrong numbers in each library but one, and beside Python in the lightest; what else a
# training may do is held in `test_run` and `test_at_error_elsewhere` without one, and here in the long tail.


@pytest.mark.thorough
@pytest.mark.parametrize("training", TRAINERS, indirect=True)
def test_a_training_without_a_mistake(training: str, tmp_path: Path) -> None:
    plain, ours = both(tmp_path, training)
    assert plain.returncode == 0, plain.stderr
    assert "loss" in plain.stdout
    assert (plain.returncode, plain.stdout, plain.stderr) == (ours.returncode, ours.stdout, ours.stderr)


def with_wrong_numbers(training: str) -> str:
    return training.replace("nn.Linear(512, 20)", "nn.Linear(999, 20)").replace(
        "nn.Linear(20, 10)", "nn.Linear(77, 10)"
    )


@pytest.mark.parametrize(
    "training",
    [pytest.param(name, marks=[pytest.mark.thorough] * (name != "accelerate")) for name in TRAINERS],
    indirect=True,
)
def test_what_python_writes_stands_in_front_of_the_answer(training: str, tmp_path: Path) -> None:
    plain, ours = both(tmp_path, with_wrong_numbers(training))
    assert plain.returncode == ours.returncode == 1
    assert plain.stdout == ours.stdout
    assert MISMATCH in plain.stderr
    assert ours.stderr.startswith(plain.stderr)
    assert_fixed(ours, training)


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(name, marks=[pytest.mark.thorough] * (name == "transformers"))  # its loop is that of accelerate
        for name in TRAINERS
        if name != "accelerate"
    ],
    indirect=True,
)
def test_two_wrong_numbers(training: str, tmp_path: Path) -> None:
    ours = under(tmp_path, with_wrong_numbers(training), "-m", "convlin", "run")
    assert ours.returncode == 1
    assert "convlin/cli" not in ours.stderr.partition(MISMATCH)[0]
    assert_fixed(ours, training)


MISMATCH = "mat1 and mat2 shapes cannot be multiplied (4x512 and 999x20)"


def assert_fixed(ours: Done, training: str) -> None:
    """Behind PyTorch's message stand the two lines that make the training right."""
    wrong = with_wrong_numbers(training)
    told = ours.stderr.rpartition(MISMATCH)[2]
    fixes = re.findall(r"fix  train\.py:(\d+)   (.*)", told)
    assert [line for _, line in fixes] == ["self.fc1 = nn.Linear(512, 20)", "self.fc2 = nn.Linear(20, 10)"]
    lines = wrong.splitlines()
    for number, line in fixes:
        lines[int(number) - 1] = f"        {line}"
    assert "\n".join(lines).strip() == training.strip()


@pytest.mark.thorough
@pytest.mark.parametrize("training", TRAINERS, indirect=True)
def test_a_batch_that_a_view_changed(training: str, tmp_path: Path) -> None:
    wrong = training.replace("x.flatten(1)", "x.view(-1, 128)").replace("nn.Linear(512, 20)", "nn.Linear(128, 20)")
    done = under(tmp_path, wrong, "-m", "convlin", "run")
    assert done.returncode == 1
    assert "to match target batch_size (4)" in done.stderr
    assert "makes 16×128 of 4×8×8×8: the batch went from 4 to 16" in done.stderr
    assert re.search(r"fix  train\.py:\d+   x = x\.flatten\(1\)", done.stderr)
