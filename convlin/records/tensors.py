"""The tensors that went into or came out of a call."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from convlin.sizes.types import Shape, Size

#: Bytes of one element; complex and quantized types included.  Keys are PyTorch's dtype names
#: without the ``torch.`` in front.
ELEMENT_BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
    "complex128": 16, "complex64": 8, "complex32": 4,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1,
    "qint8": 1, "quint8": 1, "qint32": 4,
}  # fmt: skip


class TensorInfo(NamedTuple):
    """One tensor that went into or came out of a call.

    ``place`` says where it was found: ``""`` for a bare tensor, otherwise what a user writes to
    reach it, such as ``[0]``, ``.logits`` or ``["boxes"]``.
    """

    place: str
    shape: Shape
    dtype: str
    device: str

    @property
    def nbytes(self) -> Size:
        """Bytes of the elements (for a named size a closed form)."""
        return prod(self.shape) * ELEMENT_BYTES.get(self.dtype, 0)
