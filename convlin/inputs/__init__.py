"""What the caller passed, read into the arguments of one forward pass."""

from convlin.inputs.kinds import DtypeLike, model_device, model_dtype, read_device, read_dtype
from convlin.inputs.plan import Dummy, Plan
from convlin.inputs.reading import Input, ShapeLike, check_model, read_inputs

__all__ = [
    "DtypeLike",
    "Dummy",
    "Input",
    "Plan",
    "ShapeLike",
    "check_model",
    "model_device",
    "model_dtype",
    "read_device",
    "read_dtype",
    "read_inputs",
]
