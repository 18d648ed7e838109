"""What the caller passed, read into the arguments of one forward pass."""

from convlin.inputs.kinds import DtypeLike, model_device, model_dtype, read_device, read_dtype
from convlin.inputs.plan import Dummy, Plan
from convlin.inputs.reading import TRIALS, Input, ShapeLike, check_model, check_trials, read_inputs

__all__ = [
    "TRIALS",
    "DtypeLike",
    "Dummy",
    "Input",
    "Plan",
    "ShapeLike",
    "check_model",
    "check_trials",
    "model_device",
    "model_dtype",
    "read_device",
    "read_dtype",
    "read_inputs",
]
