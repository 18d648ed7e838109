"""Which batches a model takes whose batch is a letter: found by running it, and said where it is not every one."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.module_tree import modules_of
from convlin.records import Accepts
from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Trials

#: The batches that are always run.
_FEW = (1, 2, 3)
#: Where none of these passes, as many sizes of the model's own parameters are run, too.
_MOST_OF_ITS_OWN = 6


def remarks(model: nn.Module, followed: Followed, trials: Trials, accepts: Accepts | None) -> Iterator[str]:
    """What runs with other batches showed, where one of them was refused; nothing where a run would be too dear."""
    name = followed.plan.batch_size
    if not isinstance(name, str):
        return
    smallest = {found.name: found.minimum for found in accepts.sizes} if accepts is not None else {}
    point = {**followed.sample, **smallest}
    passed = {size: trials.for_real({**point, name: size}) for size in _FEW}
    if not any(passed.values()):
        passed |= {size: trials.for_real({**point, name: size}) for size in _sizes_of_its_own(model)}
    if None in passed.values() or all(passed.values()):
        return
    passing = [str(size) for size, passes in passed.items() if passes]
    run = ", ".join(map(str, passed))
    told = f"only {', '.join(passing)} worked" if passing else "none worked"
    yield f"not every batch size works: {name} = {run} were run, and {told}"


def _sizes_of_its_own(model: nn.Module) -> list[int]:
    """The sizes of tensors that classes beside PyTorch's own keep, largest last."""
    own = (module for module in modules_of(model) if not type(module).__module__.startswith("torch.nn."))
    tensors = (tensor for module in own for kept in (module._parameters, module._buffers) for tensor in kept.values())
    sizes = {size for tensor in tensors if tensor is not None for size in tensor.shape if size > max(_FEW)}
    return sorted(sizes)[:_MOST_OF_ITS_OWN]
