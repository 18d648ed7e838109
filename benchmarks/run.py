"""Measures what a summary costs beside one bare forward pass, and writes RESULTS.md.

python -m benchmarks.run            # every row
python -m benchmarks.run linears    # the rows of these names
BASE=v0.1.0 python -m benchmarks.run resnet-50    # beside another revision, in the same rounds

What the figures are made of, and why a row is where it is, stands in NOTES.md.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import models
from benchmarks.base import Revision, laid_out
from benchmarks.measure import SETTINGS, Ratio, in_fresh_process, interleaved, machine, seconds, seconds_of_processes
from convlin import summarize

RESULTS = Path(__file__).parent / "RESULTS.md"
Lines = list[str]

#: Of more layers than this only torchinfo is asked: the others take minutes for one run.
_TOO_MANY_FOR_OTHERS = 5_000


def neighbors(
    model: nn.Module, shape: tuple[int, ...], x: torch.Tensor, device: str = "cpu"
) -> dict[str, Callable[[], object]]:
    """The same work done by the neighbors, those that are installed; on a copy, since some leave hooks behind."""
    model = copy.deepcopy(model).to(device)
    x = x.to(device)
    found: dict[str, Callable[[], object]] = {}
    with contextlib.suppress(ImportError):
        import torchinfo

        found["torchinfo"] = lambda: str(torchinfo.summary(model, input_data=x, verbose=0, depth=99, device=device))
    if len(list(model.modules())) > _TOO_MANY_FOR_OTHERS:
        return found
    with contextlib.suppress(ImportError):
        import torchsummary

        fragile = copy.deepcopy(model)

        def torchsummary_run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                torchsummary.summary(fragile, shape, device="cpu")

        if device == "cpu":  # it knows this and CUDA only
            found["torchsummary"] = torchsummary_run
    with contextlib.suppress(ImportError):
        import torchlens

        found["TorchLens"] = lambda: torchlens.trace(model, x)
    with contextlib.suppress(ImportError):
        from fvcore.nn import FlopCountAnalysis, flop_count_table

        def fvcore_run() -> str:
            analysis = FlopCountAnalysis(model, x)
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            return str(flop_count_table(analysis, max_depth=99))

        found["fvcore"] = fvcore_run
    return found


def against_bare(
    name: str,
    reach: str,
    model: nn.Module,
    shape: tuple[int, ...],
    *,
    options: Mapping[str, Any] | None = None,
    text: bool = True,
    compare: bool = True,
) -> Lines:
    """One row: convlin and the neighbors, each as a multiple of the bare forward pass."""
    print(name, flush=True)
    x = torch.zeros(1, *shape)
    summary = summarize(model, shape, **(options or {}))
    assert summary.ok, summary
    assert summary.output_shape, "the pass went to its end"
    contenders: dict[str, Callable[[], object]] = {}
    for revision in (revisions := _running()):
        contenders.update(revision.contenders(model, shape, options or {}, text=text))
    if compare:
        contenders.update(neighbors(model, shape, x, str((options or {}).get("device", "cpu"))))
    # TorchLens leaves torch's functions wrapped for good: whatever runs after it pays for that.
    wrapping = {each: contenders.pop(each) for each in list(contenders) if each == "TorchLens"}
    ratios = interleaved(lambda: models.bare(model, x), contenders)
    for revision in revisions:
        revision.close()
    ratios += interleaved(lambda: models.bare(model, x), wrapping)
    return [_row(name, reach, ratio) for ratio in ratios]


def _running() -> list[Revision]:
    """convlin as it is, and as it was at the base, if there is one, each in a process."""
    base = os.environ.get("BASE")
    return [Revision(), *([Revision(base)] if base else [])]


def _row(name: str, reach: str, ratio: Ratio) -> str:
    wanted = reach if ratio.name in ("convlin", "convlin with text") else ""
    print(f"  {ratio.name}: {ratio.text}", flush=True)
    return f"| {name} | {ratio.name} | {ratio.text} | {ratio.seconds * 1e3:.1f} ms | {wanted} |"


def resnet_152() -> Lines:
    return against_bare("ResNet-152, 224×224", "≤ 1.06, with text ≤ 1.10", models.resnet([3, 8, 36, 3]), (3, 224, 224))


def resnet_50() -> Lines:
    return against_bare("ResNet-50, 64×64", "≤ 1.15, with text ≤ 1.30", models.resnet([3, 4, 6, 3]), (3, 64, 64))


def linears() -> Lines:
    lines = against_bare("10,000 Linear(8, 8)", "≤ 3", models.linears(10_000), (8,))
    lines += against_bare("100,000 Linear(8, 8)", "linear: as above", models.linears(100_000), (8,), compare=False)
    return lines + every_row(1_000) + every_row(10_000)


def every_row(count: int) -> Lines:
    """The text of a table in which nothing is folded."""
    summary = summarize(models.linears(count), (8,), fold=False)
    took = min(seconds(lambda: str(summary)) for _ in range(3))
    print(f"  {count} rows: {took * 1e6 / count:.1f} µs each", flush=True)
    return [f"| text of {count:,} rows | convlin | {took * 1e6 / count:.1f} µs a row | {took * 1e3:.1f} ms | ≤ 20 µs |"]


def resnet_152_meta() -> Lines:
    model = models.resnet([3, 8, 36, 3])
    name = 'ResNet-152, 224×224, device="meta"; bare on the CPU'
    return against_bare(name, "≤ 0.20", model, (3, 224, 224), options={"device": "meta"})


def _large(name: str, make: str, tokens: int, reach: str) -> Lines:
    """A transformer on the meta device; with a mask, since without one it looks at the values of the positions."""
    print(name, flush=True)
    code = f"""
import json, time
import torch
from convlin import summarize
from benchmarks import models
from benchmarks.measure import peak_kilobytes
model = models.{make}()
before = peak_kilobytes()
start = time.perf_counter()
inputs = {{"input_ids": ({tokens},), "attention_mask": (1, {tokens}, {tokens})}}
s = summarize(model, inputs, dtypes={{"input_ids": torch.long, "attention_mask": torch.float32}})
text = str(s)
taken = time.perf_counter() - start
assert s.ok and s.output_shape, text
print(json.dumps({{"seconds": taken, "kilobytes": peak_kilobytes() - before}}))
"""
    lines = []
    for who, environment in _revisions():
        try:
            found = in_fresh_process(code, environment)
        except subprocess.CalledProcessError as error:  # mixtures of experts, before torch 2.15
            print(error.stderr, flush=True)
            lines.append(f"| {name} | {who} with text | does not come to its end | | |")
            continue
        took, mebibytes = found["seconds"], found["kilobytes"] / 1024
        print(f"  {who}: {took:.2f} s, {mebibytes:.0f} MiB", flush=True)
        measured = f"{took:.2f} s, {mebibytes:.0f} MiB above the model"
        lines.append(f"| {name} | {who} with text | {measured} | | {'' if environment else reach} |")
    return lines


def _revisions() -> Iterator[tuple[str, dict[str, str]]]:
    """convlin as it is, and as it was at the base, if there is one: a name and what its process needs."""
    yield "convlin", {}
    if revision := os.environ.get("BASE"):
        with tempfile.TemporaryDirectory() as folder:
            yield f"convlin {revision}", laid_out(revision, folder)


def large_on_meta() -> Lines:
    return [
        *_large('Llama 405B shape, device="meta"', "llama_405b", 128, "≤ 1 s, ≤ 200 MiB"),
        *_large('DeepSeek-V3 shape (671B), device="meta"', "deepseek_v3", 128, "≤ 3 s, ≤ 200 MiB"),
        *_large('GPT-2 XL shape, device="meta"', "gpt2_xl", 128, "≤ 1 s, ≤ 200 MiB"),
    ]


def wrong_number() -> Lines:
    """A ResNet-50 whose last Linear declares a wrong number; the bare pass is that of the right one."""
    name = "ResNet-50, 64×64, one wrong number"
    print(name, flush=True)
    right, shape = models.resnet([3, 4, 6, 3]), (3, 64, 64)
    wrong, x = models.with_wrong_number(right), torch.zeros(1, *shape)

    assert "in_features=2048" in str(summarize(wrong, shape))
    contenders: dict[str, Callable[[], object]] = {}
    for revision in (revisions := _running()):
        contenders.update(revision.contenders(wrong, shape, {}, text=True))
    ratios = interleaved(lambda: models.bare(right, x), contenders)
    for revision in revisions:
        revision.close()
    return [_row(name, "≤ 3", ratio) for ratio in ratios]


def named_sizes() -> Lines:
    return [
        *_in_letters("ResNet-50", "resnet([3, 4, 6, 3])"),
        *_in_letters("ConvNeXt-T", "convnext_tiny()"),
    ]


def _in_letters(model: str, make: str) -> Lines:
    """A model in letters, in processor time."""
    name = f'{model}, (3, "H", "W"), processor time'
    print(name, flush=True)
    code = f"""
import json, time
import torch
from convlin import summarize
from benchmarks import models
model = models.{make}
summarize(torch.nn.Conv2d(3, 4, 3), (3, "H", "W"))
start = time.process_time()
s = summarize(model, (3, "H", "W"))
took = time.process_time() - start
assert s.ok and s.output_shape, s
start = time.process_time()
summarize(model, (3, "H", "W"))
again = time.process_time() - start
image, bare = torch.zeros(1, 3, 224, 224), []
for _ in range(9):
    start = time.process_time()
    models.bare(model, image)
    bare.append(time.process_time() - start)
one = sorted(bare)[4]
print(json.dumps({{"seconds": took, "passes": took / one, "again": again / one}}))
"""
    lines = []
    for who, environment in _revisions():
        found = in_fresh_process(code, environment)
        passes = f"{found['passes']:.0f} bare passes at 224×224, the second time {found['again']:.0f}"
        took = f"{found['seconds']:.2f} s, {passes}"
        print(f"  {who}: {took}", flush=True)
        lines.append(f"| {name} | {who} | {took} | | {'' if environment else 'a quarter of the base'} |")
    return lines


def importing() -> Lines:
    lines = []
    load = "from convlin import summarize"
    # Most is loaded by the first summary: the last row has both.
    for statement in ("import convlin", load, f"{load}; summarize(torch.nn.Linear(3, 4), (3,))"):
        code = f"""
import json, time
import torch
start = time.perf_counter()
{statement}
print(json.dumps({{"seconds": time.perf_counter() - start}}))
"""
        for who, environment in _revisions():
            in_fresh_process(code, environment)  # compiles what was not compiled
            took = sorted(in_fresh_process(code, environment)["seconds"] for _ in range(15))[7] * 1e3
            print(f"{statement}, {who}: {took:.1f} ms", flush=True)
            reach = "" if environment or statement.endswith(")") else "≤ 10 ms"
            lines.append(f"| {statement}, after import torch | {who} | {took:.1f} ms | | {reach} |")
    return lines


def pytest_plugin() -> Lines:
    print("pytest", flush=True)
    code = """
import json, resource, subprocess, sys, tempfile
def spent():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/test_nothing.py", "w") as file:
        file.write("import sys\\ndef test_nothing(): assert 'torch' not in sys.modules\\n")
    def once(*extra):
        start = spent()
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *extra, folder],
                       check=True, capture_output=True, cwd=folder)
        return spent() - start
    once(); once("-p", "no:convlin")
    pairs = sorted(once() - once("-p", "no:convlin") for _ in range(9))
print(json.dumps({"seconds": pairs[4]}))
"""
    took = in_fresh_process(code)["seconds"] * 1e3
    print(f"  {took:.1f} ms", flush=True)
    return [f"| pytest with the plugin and no shape test, processor time | convlin | {took:.1f} ms more | | ≤ 20 ms |"]


def running() -> Lines:
    """A training script without a mistake, from its start to its end; ``python train.py`` is the bare pass here."""
    name = "a training script, convlin run beside python, processor time"
    print(name, flush=True)
    code = """
import torch
from torch import nn
torch.set_num_threads(1)
net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3600, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(100):
    images, labels = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(code, encoding="utf-8")

        def run(*words: str) -> Callable[[], object]:
            return lambda: subprocess.run([sys.executable, *words, str(script)], check=True)

        ours = {"convlin": run("-m", "convlin", "run")}
        # A hundredth is less than what a wall clock tells apart on a machine that does other things as well.
        ratios = interleaved(run(), ours, clock=seconds_of_processes, enough=200)
    return [_row(name, "≤ 1.01", ratio) for ratio in ratios]


def memory() -> Lines:
    name = "peak memory of a real pass, ResNet-50 at 224×224, batch 32"
    print(name, flush=True)
    body = """
import json
import torch
from convlin import summarize
from benchmarks import models
from benchmarks.measure import peak_kilobytes
model = models.resnet([3, 4, 6, 3])
summarize(torch.nn.Conv2d(3, 4, 3), (3, 8, 8))
%s
print(json.dumps({"kilobytes": peak_kilobytes()}))
"""
    # The lowest of a few: what the allocator rounds up differs by some megabytes from process to process.
    alone, within = "models.bare(model, torch.zeros(32, 3, 224, 224))", "summarize(model, (3, 224, 224), batch_size=32)"
    bare = min(in_fresh_process(body % alone)["kilobytes"] for _ in range(3))
    ours = min(in_fresh_process(body % within)["kilobytes"] for _ in range(3))
    share = 100 * (ours - bare) / bare
    print(f"  {share:+.1f} %", flush=True)
    return [f"| {name} | convlin | {share:+.1f} % ({bare / 1024:.0f} → {ours / 1024:.0f} MiB) | | ≤ 1 % |"]


def cuda() -> Lines:
    if not torch.cuda.is_available():
        print("no CUDA device", flush=True)
        return []
    image = torch.zeros(1, 3, 224, 224, device="cuda", dtype=torch.bfloat16)
    tokens = torch.zeros(1, 512, dtype=torch.long, device="cuda")
    return [
        *_on_cuda("ResNet-152 in bfloat16 on CUDA", models.resnet([3, 8, 36, 3]).cuda().bfloat16(), image),
        *_on_cuda("7B transformer, 512 tokens, bfloat16 on CUDA", models.llama_7b("cuda", torch.bfloat16), tokens),
    ]


def _on_cuda(name: str, model: nn.Module, x: torch.Tensor) -> Lines:
    """Time and peak memory beside the bare pass, after the device has done its work."""
    print(name, flush=True)

    def waited(run: Callable[[], object]) -> Callable[[], object]:
        def run_and_wait() -> object:
            result = run()
            torch.cuda.synchronize()
            return result

        return run_and_wait

    def peak(run: Callable[[], object]) -> int:
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated()

    alone, within = waited(lambda: models.bare(model, x)), waited(lambda: summarize(model, x))
    lines = [_row(name, "", ratio) for ratio in interleaved(alone, {"convlin": within})]
    bare, also = peak(alone), peak(within)
    share = f"{100 * (also - bare) / bare:+.2f} % ({bare / 2**20:.0f} → {also / 2**20:.0f} MiB)"
    print(f"  {share}", flush=True)
    return [*lines, f"| {name}: peak memory | convlin | {share} | | ≤ 1 % |"]


ROWS: dict[str, Callable[[], Lines]] = {
    "resnet-152": resnet_152,
    "resnet-50": resnet_50,
    "wrong-number": wrong_number,
    "linears": linears,
    "resnet-152-meta": resnet_152_meta,
    "large-on-meta": large_on_meta,
    "named-sizes": named_sizes,
    "import": importing,
    "pytest": pytest_plugin,
    "running": running,
    "memory": memory,
    "cuda": cuda,
}


def main(words: list[str]) -> None:
    """Measure the rows asked for; all of them, each in a fresh process, are written down, a part is only printed."""
    if words:
        chosen = [row for name, row in ROWS.items() if name in words]
        print("\n".join(line for row in chosen for line in row()))
        return
    lines = [line for name in ROWS for line in _in_its_own_process(name)]
    table = [
        "# What a summary costs",
        "",
        "Written by `make bench`. A ratio is a multiple of one bare forward pass of the same model in the same",
        "round: median (lowest–highest). The neighbors are asked for the same:",
        "all layers, as text where they give it.  What the time goes into: [NOTES.md](NOTES.md).",
        "",
        f"Measured on {machine()}.",
        "",
        *_settings(),
        "| work | by | measured | time | reach |",
        "|---|---|---|---|---|",
        *lines,
        "",
    ]
    RESULTS.write_text("\n".join(table), encoding="utf-8")


def _settings() -> Lines:
    """What the environment said, so that the same can be run again."""
    settings = [f"`{name}={os.environ[name]}`" for name in SETTINGS if name in os.environ]
    return [f"With {', '.join(settings)}.", ""] if settings else []


def _in_its_own_process(name: str) -> Lines:
    """The lines of one row."""
    command = [sys.executable, "-m", "benchmarks.run", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=RESULTS.parent.parent) as process:
        assert process.stdout is not None
        printed = [line.rstrip("\n") for line in process.stdout]
    assert process.returncode == 0, f"{name} could not be measured"
    lines = [line for line in printed if line.startswith("|")]
    print("\n".join(lines), flush=True)
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
