"""Models under ``fully_shard``: run afterwards as before, whatever a summary did with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.processes import python

PROGRAM = """
import copy, json
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from convlin import InputError, summarize, watch

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
    out = python(PROGRAM, cwd=tmp_path).stdout
    *_, refused, last = map(json.loads, out.splitlines())
    assert refused == [
        "FSDPSequential is sharded by fully_shard, which named sizes cannot pass: "
        "write numbers in place of the letters",
        'FSDPSequential is sharded by fully_shard, which device="meta" cannot pass: leave out device="meta"',
    ]
    done = last
    assert {name: (first, again) for name, (first, _, _, again) in done.items()} == dict.fromkeys(done, (True, True))
    problems = {name: found for name, (_, found, _, _) in done.items()}
    assert problems.pop("wrong") == [["0", 4, 5]]
    assert not any(problems.values())
    assert all(required == ["0", "1"] for _, _, required, _ in done.values())
