"""Functions without arithmetic of their own: what they ask of a tensor besides its shape."""

from __future__ import annotations

from convlin.ops.op import Family, InLetters, Op

#: How each is written in a message.
_LOOKS = {
    "__bool__": "if", "__contains__": "in", "__int__": "int()", "__float__": "float()", "__index__": "an index",
    "item": ".item()", "tolist": ".tolist()", "numpy": ".numpy()", "nonzero": "nonzero", "unique": "unique",
    "masked_select": "masked_select", "equal": "torch.equal", "allclose": "torch.allclose",
}  # fmt: skip

_OF_REALS = ("rfft", "rfft2", "rfftn", "ihfft", "ihfft2", "ihfftn")

OPS: tuple[Op, ...] = (
    *(Op((name,), Family.OTHER, looks_at_values=written) for name, written in _LOOKS.items()),
    Op(("bincount",), Family.OTHER, looks_at_values="bincount", indexes=True),
    Op(
        (
            "scatter_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_", "take_along_dim",
            "index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_",
        ),
        Family.OTHER, indexes=True,
    ),
    Op(
        ("new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided", "new_tensor"),
        Family.OTHER, owner="Tensor", makes_anew=True,
    ),
    Op(("linspace",), Family.OTHER, in_letters=InLetters.SPACED),
    Op(("pack_padded_sequence",), Family.OTHER, takes_lengths=True),
    # PyTorch's function mode calls torch.fft.rfft so.
    Op(_OF_REALS, Family.OTHER, operators=tuple(f"fft_{name}" for name in _OF_REALS), takes_reals=True),
)  # fmt: skip
