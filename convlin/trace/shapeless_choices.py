"""What PyTorch's own layers read from a tensor to choose the faster of two ways that give the same shapes."""

from __future__ import annotations

from types import FrameType

from torch.nn.modules import transformer

#: Whether a mask that was given is the causal one: where it is, a kernel may leave the mask out.
_CHOICES = {(transformer.__file__, "_detect_is_causal_mask")}


def decides_no_shape(asking: FrameType) -> bool:
    """Whether only the speed depends on the truth that the code in this frame asks a tensor for."""
    return (asking.f_code.co_filename, asking.f_code.co_name) in _CHOICES
