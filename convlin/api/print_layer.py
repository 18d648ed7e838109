"""``Print``: a layer that prints what passes through it, for a look inside a ``Sequential``."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from convlin._util.torch_private import no_function_modes, not_compiled
from convlin.render import words
from convlin.tensors import info, tensors_in
from convlin.trace.under_way import is_under_way


class Print(nn.Module):
    """Prints shape, dtype, device and the range of values of what passes through, and hands it on unchanged.

    ``label`` is printed in front, ``once`` stops after the first call, ``file`` takes the lines in
    the place of standard output.  Whatever passes is taken: tuples, dicts, integers, empty tensors.
    In a pass of ``summarize`` nothing is printed.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), Print("flat"), nn.Linear(12, 2))
    >>> y = net(torch.ones(1, 3, 2, 2))
    flat: 1×12 float32 cpu, min 1, mean 1, max 1
    """

    def __init__(self, label: str | None = None, *, once: bool = False, file: TextIO | None = None) -> None:
        super().__init__()
        self.label = label
        self.once = once
        self.file = file
        self._has_printed = False

    def forward(self, x: Any) -> Any:
        """``x`` itself."""
        if not is_under_way() and not (self.once and self._has_printed):
            self._has_printed = True
            if torch.compiler.is_compiling():  # pragma: no cover  # the compiler reads this, and nothing runs it
                _print_uncompiled(self, x)
            else:
                self._print(x)
        return x

    def _print(self, value: Any) -> None:
        stream = self.file if self.file is not None else sys.stdout
        lead = f"{self.label}: " if self.label else ""
        with torch.no_grad(), no_function_modes():
            lines = [f"{lead}{line}" for line in described(value)]
        stream.write(words.carried("".join(f"{line}\n" for line in lines), stream))

    def extra_repr(self) -> str:
        """The settings, as ``print(model)`` shows them."""
        parts = [repr(self.label)] if self.label is not None else []
        return ", ".join(parts + (["once=True"] if self.once else []))


def described(value: Any) -> list[str]:
    """A line for every tensor in ``value``, with its place; one for a value without tensors.

    >>> described((torch.zeros(2, 3), 7))
    ['[0] 2×3 float32 cpu, min 0, mean 0, max 0']
    >>> described(7)
    ['int 7']
    """
    lines = [f"{place} {_tensor(tensor)}" if place else _tensor(tensor) for place, tensor in tensors_in(value)]
    return lines or [f"{type(value).__name__} {_short(repr(value))}"]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _tensor(tensor: Tensor) -> str:
    known = info(tensor)
    head = f"{words.shape(known.shape)} {known.dtype} {known.device}"
    try:
        return f"{head}, {_values(tensor)}"
    except (RuntimeError, NotImplementedError, TypeError):
        # Meta, fake, nested and quantized tensors hold no values that can be looked at.
        return head


def _values(tensor: Tensor) -> str:
    if tensor.is_meta:
        raise RuntimeError("no values on the meta device")
    values = tensor.detach()
    if values.layout != torch.strided:
        values = values.to_dense()
    if values.is_quantized:
        values = values.dequantize()
    if values.numel() == 0:
        return "empty"
    if values.is_complex():
        return f"mean of magnitudes {_number(values.abs().double().mean())}"
    if values.dtype == torch.bool:
        return f"{int(values.sum())} of {values.numel()} true"
    if not values.is_floating_point():
        return f"min {int(values.min())}, mean {_number(values.double().mean())}, max {int(values.max())}"
    if values.element_size() == 1:  # eight bits: too few for arithmetic
        values = values.float()
    parts: list[str] = []
    finite = values[torch.isfinite(values)]
    if finite.numel():
        precise = torch.float32 if values.device.type == "mps" else torch.float64
        mean = torch.mean(finite, dtype=precise)
        parts.append(f"min {_number(finite.min())}, mean {_number(mean)}, max {_number(finite.max())}")
    for name, found in (("NaN", torch.isnan(values)), ("infinite", torch.isinf(values))):
        count = int(found.sum())
        if count:
            parts.append(f"{words.count(count)} {name}")
    return ", ".join(parts)


def _number(value: Tensor) -> str:
    return f"{value.item():.4g}"


_print_uncompiled = not_compiled(Print._print)  # printing cannot be compiled
