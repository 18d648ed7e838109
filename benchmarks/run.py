"""Measures what a summary costs beside one bare forward pass, and writes RESULTS.md.

python -m benchmarks.run            # every row
python -m benchmarks.run resnet     # the rows whose name contains a word
"""

from __future__ import annotations

import contextlib
import copy
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import models
from benchmarks.measure import Ratio, in_fresh_process, interleaved, machine
from convlin import summarize

RESULTS = Path(__file__).parent / "RESULTS.md"
Lines = list[str]


def neighbours(model: nn.Module, shape: tuple[int, ...], x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """The same work done by the neighbours, those that are installed; on a copy, since some leave hooks behind."""
    model = copy.deepcopy(model)
    found: dict[str, Callable[[], object]] = {}
    with contextlib.suppress(ImportError):
        import torchinfo

        found["torchinfo"] = lambda: str(torchinfo.summary(model, input_data=x, verbose=0, depth=99))
    with contextlib.suppress(ImportError):
        import torchsummary

        fragile = copy.deepcopy(model)

        def torchsummary_run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                torchsummary.summary(fragile, shape, device="cpu")

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
    """One row: convlin and the neighbours, each as a multiple of the bare forward pass."""
    print(name, flush=True)
    x = torch.zeros(1, *shape)
    contenders: dict[str, Callable[[], object]] = {
        "convlin": lambda: summarize(model, shape, **(options or {})),
    }
    if text:
        contenders["convlin with text"] = lambda: str(summarize(model, shape, **(options or {})))
    if compare:
        contenders.update(neighbours(model, shape, x))
    ratios = interleaved(lambda: models.bare(model, x), contenders)
    return [_row(name, reach, ratio) for ratio in ratios]


def _row(name: str, reach: str, ratio: Ratio) -> str:
    wanted = reach if ratio.name.startswith("convlin") else ""
    print(f"  {ratio.name}: {ratio.text}", flush=True)
    return f"| {name} | {ratio.name} | {ratio.text} | {ratio.seconds * 1e3:.1f} ms | {wanted} |"


def resnet_152() -> Lines:
    return against_bare("ResNet-152, 224×224", "≤ 1.05", models.resnet([3, 8, 36, 3]), (3, 224, 224))


def resnet_50() -> Lines:
    return against_bare("ResNet-50, 64×64", "≤ 1.20", models.resnet([3, 4, 6, 3]), (3, 64, 64))


def linears() -> Lines:
    lines = against_bare("10,000 Linear(8, 8)", "≤ 4", models.linears(10_000), (8,), compare=True)
    return lines + against_bare("100,000 Linear(8, 8)", "linear", models.linears(100_000), (8,), compare=False)


def resnet_152_meta() -> Lines:
    model = models.resnet([3, 8, 36, 3])
    return against_bare(
        'ResNet-152, 224×224, device="meta"', "≤ 0.25", model, (3, 224, 224), options={"device": "meta"}, compare=False
    )


def _large(name: str, make: str, tokens: int) -> Lines:
    print(name, flush=True)
    code = f"""
import json, resource, time
import torch, transformers
from transformers import {make} as _
from convlin import summarize
from benchmarks import models
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = models.{"llama_405b" if "Llama" in make else "gpt2_xl"}()
start = time.perf_counter()
text = str(summarize(model, ({tokens},), dtypes=torch.long))
taken = time.perf_counter() - start
print(json.dumps({{"seconds": taken, "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}}))
"""
    found = in_fresh_process(code)
    took, mebibytes = found["seconds"], found["kilobytes"] / 1024
    print(f"  {took:.2f} s, {mebibytes:.0f} MiB", flush=True)
    return [f"| {name} | convlin with text | {took:.2f} s, {mebibytes:.0f} MiB above the import | | ≤ 10 s, ≤ 1 GiB |"]


def large_on_meta() -> Lines:
    return [
        *_large('Llama 405B shape, device="meta"', "LlamaForCausalLM", 128),
        *_large('GPT-2 XL shape, device="meta"', "GPT2LMHeadModel", 128),
    ]


def named_sizes() -> Lines:
    name = 'ResNet-50, (3, "H", "W")'
    print(name, flush=True)
    code = """
import json, time
import torch
from convlin import summarize
from benchmarks import models
model = models.resnet([3, 4, 6, 3])
summarize(torch.nn.Conv2d(3, 4, 3), (3, "H", "W"))
start = time.perf_counter()
summarize(model, (3, "H", "W"))
print(json.dumps({"seconds": time.perf_counter() - start}))
"""
    took = in_fresh_process(code)["seconds"]
    print(f"  {took:.2f} s", flush=True)
    return [f"| {name} | convlin | {took:.2f} s | | ≤ 2 s |"]


def importing() -> Lines:
    print("import", flush=True)
    code = """
import json, time
import torch
start = time.perf_counter()
from convlin import summarize
print(json.dumps({"seconds": time.perf_counter() - start}))
"""
    took = sorted(in_fresh_process(code)["seconds"] for _ in range(5))[2] * 1e3
    print(f"  {took:.1f} ms", flush=True)
    return [f"| import convlin after import torch | convlin | {took:.1f} ms | | ≤ 15 ms |"]


def pytest_plugin() -> Lines:
    print("pytest", flush=True)
    code = """
import json, subprocess, sys, tempfile, time
with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/test_nothing.py", "w") as file:
        file.write("import sys\\ndef test_nothing(): assert 'torch' not in sys.modules\\n")
    def once(*extra):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *extra, folder],
                       check=True, capture_output=True, cwd=folder)
        return time.perf_counter() - start
    once(); once("-p", "no:convlin")
    pairs = sorted(once() - once("-p", "no:convlin") for _ in range(9))
print(json.dumps({"seconds": pairs[4]}))
"""
    took = in_fresh_process(code)["seconds"] * 1e3
    print(f"  {took:.1f} ms", flush=True)
    return [f"| pytest with the plugin and no shape test | convlin | {took:.1f} ms more | | ≤ 20 ms |"]


def memory() -> Lines:
    name = "peak memory of a real pass, ResNet-50 at 224×224, batch 32"
    print(name, flush=True)
    body = """
import json, resource
import torch
from convlin import summarize
from benchmarks import models
model = models.resnet([3, 4, 6, 3])
summarize(torch.nn.Conv2d(3, 4, 3), (3, 8, 8))
%s
print(json.dumps({"kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""
    bare = in_fresh_process(body % "models.bare(model, torch.zeros(32, 3, 224, 224))")["kilobytes"]
    ours = in_fresh_process(body % "summarize(model, (3, 224, 224), batch_size=32)")["kilobytes"]
    share = 100 * (ours - bare) / bare
    print(f"  {share:+.1f} %", flush=True)
    return [f"| {name} | convlin | {share:+.1f} % ({bare / 1024:.0f} → {ours / 1024:.0f} MiB) | | ≤ 1 % |"]


def cuda() -> Lines:
    if not torch.cuda.is_available():
        return []
    model = models.resnet([3, 8, 36, 3]).cuda().bfloat16()
    x = torch.zeros(1, 3, 224, 224, device="cuda", dtype=torch.bfloat16)

    def waited(run: Callable[[], object]) -> Callable[[], object]:
        return lambda: (run(), torch.cuda.synchronize())

    ratios = interleaved(
        waited(lambda: models.bare(model, x)), {"convlin": waited(lambda: summarize(model, (3, 224, 224)))}
    )
    return [_row("ResNet-152 in bfloat16 on CUDA", "", ratio) for ratio in ratios]


ROWS: dict[str, Callable[[], Lines]] = {
    "resnet-152": resnet_152,
    "resnet-50": resnet_50,
    "linears": linears,
    "resnet-152-meta": resnet_152_meta,
    "large-on-meta": large_on_meta,
    "named-sizes": named_sizes,
    "import": importing,
    "pytest": pytest_plugin,
    "memory": memory,
    "cuda": cuda,
}


def main(words: list[str]) -> None:
    """Measure the rows asked for; all of them are written down, a part is only printed."""
    chosen = [row for name, row in ROWS.items() if not words or any(word in name for word in words)]
    lines = [line for row in chosen for line in row()]
    table = [
        "# What a summary costs",
        "",
        "Written by `make bench`. A ratio is a multiple of one bare forward pass of the same model in the same",
        "round: median (lowest–highest). The neighbours are asked for the same:",
        "all layers, as text where they give it.",
        "",
        f"Measured on {machine()}.",
        "",
        "| work | by | measured | time | reach |",
        "|---|---|---|---|---|",
        *lines,
        "",
    ]
    if words:
        print("\n".join(lines))
    else:
        RESULTS.write_text("\n".join(table), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
