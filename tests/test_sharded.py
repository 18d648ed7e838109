"""Models under ``fully_shard``: run afterwards as before, whatever a summary did with them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from tests.processes import python, run


def skip_sharded(error: str) -> NoReturn:
    """A model that no convlin has touched cannot be run either."""
    pytest.skip(f"PyTorch cannot run what fully_shard made on the CPU: {error}")


PROGRAM = """
import copy, json, sys
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", rank=0, world_size=1, store=dist.FileStore("store", 1))
mesh = init_device_mesh("cpu", (1,))
torch.manual_seed(0)
plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
x = torch.randn(3, 4)
expected = plain(x)


def made():
    net = copy.deepcopy(plain)
    fully_shard(net[0], mesh=mesh)
    return fully_shard(net, mesh=mesh)


try:
    made()(x)
except AttributeError as error:
    print(json.dumps(str(error)))
    sys.exit()
from convlin import InputError, summarize, watch


def trained(net):
    out = net(x)
    out.sum().backward()
    grads = [parameter.grad is not None for parameter in net.parameters()]
    return torch.equal(out, expected) and len(grads) == 4 and all(grads)


def watched(net):
    with watch(net) as s:
        net(torch.zeros(1, 4))
    return s


done = {}
for name, ask in {
    "numbers": lambda net: summarize(net, (4,)),
    "train": lambda net: summarize(net, (4,), mode="train"),
    "wrong": lambda net: summarize(net, (5,)),
    "watched": watched,
}.items():
    net = made()
    s = ask(net)
    done[name] = [trained(net), [[p.path, p.declared, p.required] for p in s.problems], list(s.required_in_features)]
    net = made()
    assert trained(net)  # gathered by a pass before
    ask(net)
    done[name].append(trained(net))
refused = []
for shape, device in ((("F",), None), ((4,), "meta")):
    net = made()
    try:
        summarize(net, shape, device=device)
    except InputError as error:
        refused.append(str(error))
    assert trained(net)
dist.destroy_process_group()
print(json.dumps(refused))
print(json.dumps(done))
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
def test_a_sharded_model_is_trained_after_a_summary(tmp_path: Path) -> None:
    said = python(PROGRAM, cwd=tmp_path).stdout.splitlines()
    told = [json.loads(line) for line in said if not line.startswith("[Gloo]")]  # torch 2.9 says there that it connects
    *_, refused, done = [None, *told]
    if isinstance(done, str):
        skip_sharded(done)
    assert refused == [
        "FSDPSequential is sharded by fully_shard, which named sizes cannot pass: "
        "write numbers in place of the letters",
        'FSDPSequential is sharded by fully_shard, which device="meta" cannot pass: leave out device="meta"',
    ]
    assert {name: (first, again) for name, (first, _, _, again) in done.items()} == dict.fromkeys(done, (True, True))
    problems = {name: found for name, (_, found, _, _) in done.items()}
    assert problems.pop("wrong") == [["0", 4, 5]]
    assert not any(problems.values())
    assert all(required == ["0", "1"] for _, _, required, _ in done.values())


IN_TWO_PROCESSES = """
import copy, json, os
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from convlin import summarize

torch.set_num_threads(1)
summarize(nn.Linear(8, 4), (8,), mode="train")
other = os.fork()  # behind the imports, which take longer than all that follows
rank = 0 if other else 1
dist.init_process_group("gloo", rank=rank, world_size=2, store=dist.FileStore("store", 2))
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
plain = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
x = torch.randn(3, 8)
expected = plain(x)


def tensor_parallel():
    return parallelize_module(copy.deepcopy(plain), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


def gathered():
    net = copy.deepcopy(plain)
    fully_shard(net[0], mesh=mesh)
    return fully_shard(net, mesh=mesh)


def seen(net):
    # What plain hooks see of a pass of one sample.
    shapes, handles = [], []
    for module in net:
        hook = lambda module, inputs, output: shapes.append([list(inputs[0].shape), list(output.shape)])
        handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        net(torch.zeros(1, 8))
    for handle in handles:
        handle.remove()
    return shapes


def told(s):
    rows = [[list(call.input_shapes[0]), list(call.output_shapes[0])] for call in s.calls if call.path and call.outputs]
    return [rows, [[p.path, p.declared, p.required] for p in s.problems], list(s.report.remarks)]


done, makers = {}, {"tensor parallel": tensor_parallel, "fully_shard": gathered}
try:
    gathered()(x)
except AttributeError as error:
    del makers["fully_shard"]
    done["error"] = str(error)
for name, make in makers.items():
    net = make()
    hooks = seen(make())
    answers = [told(summarize(net, (8,))), told(summarize(net, (8,), mode="train")), told(summarize(net, (9,)))]
    same = bool(torch.allclose(net(x), expected))
    net(x).sum().backward()
    done[name] = [hooks, answers, same and all(parameter.grad is not None for parameter in net.parameters())]
dist.barrier()
dist.destroy_process_group()
if other:
    assert os.waitpid(other, 0)[1] == 0
    print(json.dumps(done))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
def test_two_processes_that_share_a_model(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(IN_TWO_PROCESSES, encoding="utf-8")
    done = json.loads(run(sys.executable, program, cwd=tmp_path).stdout.splitlines()[-1])
    error = done.pop("error", None)
    for hooks, ((rows, problems, _), (trained, in_training, _), _), same in done.values():
        assert rows == trained == hooks
        assert problems == in_training == []
        assert same
    parallel = done["tensor parallel"][1]
    assert parallel[2][1] == [["0", 8, 9]]
    together = "every process has to make this summary, since they compute together"
    assert [remarks for _, _, remarks in parallel] == [
        [
            f"2 processes share the parameters of 0, 2 (DTensor): {together}; "
            "a shape is the whole one, but where a layer gives a plain tensor it is the part of this process"
        ]
    ] * 3
    if error is not None:
        skip_sharded(error)
    sharded = done["fully_shard"][1]
    assert sharded[2][1] == [["0", 8, 9]]
    assert [remarks for _, _, remarks in sharded] == [
        [f"2 processes share the parameters (fully_shard): {together}"]
    ] * 3
