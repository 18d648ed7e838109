"""Settings of calls under PyTorch's names, and the receptive field after every call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from convlin.arithmetic.receptive import Layer, ReceptiveField, extend, join
from convlin.records import Call, Report, Shape

#: Parameters of functions behind their first, in order, as their documentation has them.
_CONVOLUTION = ("weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "conv": _CONVOLUTION,
    "conv_transpose": _TRANSPOSED,
    "max_pool": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("kernel_size", "stride", "padding", "ceil_mode"),
    "lp_pool": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive_avg_pool": ("output_size",),
    "adaptive_max_pool": ("output_size",),
    "interpolate": ("size", "scale_factor", "mode"),
    "pixel_shuffle": ("upscale_factor",),
    "pixel_unshuffle": ("downscale_factor",),
    "unfold": ("kernel_size", "dilation", "padding", "stride"),
}

#: Layers that treat every cell by itself.  Normalisations look at the whole map for their statistics;
#: that is left out, as it is wherever receptive fields are given.
_POINTWISE = frozenset({
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "RReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh",
    "Softplus", "Softsign", "Softshrink", "Hardshrink", "Tanhshrink", "Hardtanh", "Hardsigmoid", "Hardswish",
    "LogSigmoid", "Threshold", "Identity", "Softmax2d", "Print",
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "GroupNorm", "LocalResponseNorm",
})  # fmt: skip

#: How many neighbours along one axis a cell of an upsampled map looks at, by the mode.
_NEIGHBOURS = {"nearest": 1, "nearest-exact": 1, "linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4}

#: Functions in which several tensors come together.
_MEETING = frozenset({"cat", "concat", "concatenate", "+", "-", "*", "/", "add", "mul", "sub"})

_REARRANGING = frozenset({"flatten", "view", "reshape", "Flatten"})


class Field(NamedTuple):
    """What one unit of a call's output sees of the model's input, axis by axis.

    No axes: the input itself, however many it has.
    """

    axes: tuple[ReceptiveField, ...] = ()

    @property
    def value(self) -> tuple[float, ...] | str | None:
        """The number of cells along each axis; ``all`` for the whole input."""
        if any(axis.whole for axis in self.axes):
            return "all"
        return tuple(axis.size if isinstance(axis.size, int) else float(axis.size) for axis in self.axes) or None

    @property
    def text(self) -> str:
        """``11×11``."""
        value = self.value
        return value if isinstance(value, str) else "×".join(f"{size:g}" for size in value or ())


_WHOLE = Field((ReceptiveField(whole=True),))


def settings_of(call: Call) -> Mapping[str, Any]:
    """The settings of a call; those of a function under the names of its parameters."""
    if not call.is_function:
        return call.settings
    family = _family(call.type)
    names = _PARAMETERS.get(family)
    if names is None:
        return call.settings
    settings = {names[int(key) - 1]: value for key, value in call.settings.items()
                if key.isdecimal() and 0 < int(key) <= len(names)}  # fmt: skip
    settings.update((key, value) for key, value in call.settings.items() if not key.isdecimal())
    if family.startswith("conv") and len(call.inputs) > 1:
        settings["kernel_size"] = call.inputs[1].shape[2:]
        settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "in_channels": None} | settings
    elif family.endswith("pool") and not family.startswith("adaptive") and not settings.get("stride"):
        settings["stride"] = settings.get("kernel_size")
    return settings


def _family(function: str) -> str:
    """``F.max_pool2d`` is one of ``max_pool``."""
    bare = function.rpartition(".")[2]
    return bare[:-2] if bare.endswith(("1d", "2d", "3d")) else bare


def receptive_fields(report: Report) -> tuple[Field | None, ...]:
    """For every call what its output sees of the model's input; None where that is not known.

    Followed from call to call; where anything on the way is not known to work cell by cell or in
    windows, nothing is said from there on.
    """
    found: list[Field | None] = []
    follow = _Follower(report, found)
    for call in report.calls:
        found.append(follow.field(call, len(found)))
    return tuple(found)


class _Follower:
    def __init__(self, report: Report, found: list[Field | None]) -> None:
        self._report = report
        self._found = found
        self._joins: dict[int, Field | None] = {}

    def field(self, call: Call, index: int) -> Field | None:
        if call.failed or call.stood_in or not call.inputs or not call.outputs:
            return None
        if call.inner:
            last = self._report.calls[index - 1]
            return self._found[index - 1] if call.type == "Sequential" and last.outputs == call.outputs else None
        bare = call.type.rpartition(".")[2]
        if len(call.sources) > 1 and bare in _MEETING:
            # Beside a tensor there may be fewer sources than inputs, never more.
            return self._together(map(self._of_source, call.sources, (info.shape for info in call.inputs)))
        before = self._of_source(call.sources[0] if call.sources else -1, call.inputs[0].shape)
        if before is None:
            return None
        if any(axis.whole for axis in before.axes):
            return before
        return _after(before, call, bare)

    def _of_source(self, source: int, shape: Shape) -> Field | None:
        if source >= 0:
            return self._found[source] if source < len(self._found) else None
        if source == -1:
            # -1 is also what was not seen being made: only what looks like an input is taken for one.
            return Field() if any(info.shape == shape for info in self._report.inputs) else None
        number = -2 - source
        if number not in self._joins:
            self._joins[number] = None  # nothing is its own source
            self._joins[number] = self._together(
                self._of_source(each, shape) for each in self._report.joins[number].sources
            )
        return self._joins[number]

    def _together(self, fields: Iterable[Field | None]) -> Field | None:
        """Where several paths meet: what they see together."""
        result: Field | None = None
        for number, field in enumerate(fields):
            if field is None:
                return None
            if number == 0:
                result = field
                continue
            assert result is not None
            first, second = _same_axes(result, field)
            try:
                result = Field(tuple(map(join, first, second)))
            except ValueError:  # paths that do not stay aligned have no field of one size
                return None
        return result


def _same_axes(first: Field, second: Field) -> tuple[tuple[ReceptiveField, ...], tuple[ReceptiveField, ...]]:
    count = max(len(first.axes), len(second.axes))
    return _along(first, count), _along(second, count)


def _along(field: Field, count: int) -> tuple[ReceptiveField, ...]:
    """The field along ``count`` axes; what has none yet, or sees everything, is the same along all."""
    if len(field.axes) == count:
        return field.axes
    return (field.axes or (ReceptiveField(),))[:1] * count


def _after(before: Field, call: Call, bare: str) -> Field | None:
    given, made = call.inputs[0].shape, call.outputs[0].shape
    settings = settings_of(call)
    if bare in _REARRANGING or (bare == "Linear" and len(given) == 2) or bare == "MultiheadAttention":
        return _WHOLE
    if bare == "mean" and len(given) > 2 and (len(made) == 2 or set(made[2:]) == {1}):
        return _WHOLE
    if bare in ("chunk", "split") and len(made) == len(given) and made[2:] == given[2:]:
        return before
    if len(given) < 3 or len(given) != len(made):
        return None
    if bare in _POINTWISE or bare.endswith("Activation"):
        return before
    count = len(given) - 2
    layers = [_layer(settings, bare, axis, given[axis + 2], made[axis + 2]) for axis in range(count)]
    if any(layer is None for layer in layers) or len(before.axes) not in (0, count):
        return None
    return Field(tuple(extend(axis, layer) for axis, layer in zip(_along(before, count), layers, strict=True) if layer))


def _layer(settings: Mapping[str, Any], bare: str, axis: int, given: Any, made: Any) -> Layer | None:
    """The layer along one axis, where it works in windows that are known."""

    def of(name: str, default: Any) -> Any:
        value = settings.get(name, default)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return value[axis] if axis < len(value) else value[-1] if value else default
        return default if value is None else value

    kernel = of("kernel_size", None)
    if isinstance(kernel, int) and ("in_channels" in settings or "ceil_mode" in settings or "pool" in bare.lower()):
        transposed = "output_padding" in settings or "transpose" in bare.lower()
        if "unpool" in bare.lower() or "fractional" in bare.lower():
            return None
        stride = of("stride", 1 if "in_channels" in settings else kernel)
        return Layer(kernel, stride, of("padding", 0), of("dilation", 1), transposed=transposed)
    if not (isinstance(given, int) and isinstance(made, int)) or given < 1 or made < 1:
        return None
    if "adaptive" in bare.lower():
        if made == 1 and given > 1:
            return Layer(whole=True)
        return Layer(given // made, given // made) if given % made == 0 else None
    if bare in ("PixelShuffle", "pixel_shuffle"):
        return Layer(scale=Fraction(made, given))
    if bare in ("PixelUnshuffle", "pixel_unshuffle"):
        return Layer(given // made, given // made)
    if bare in ("Upsample", "interpolate") and made >= given:
        neighbours = _NEIGHBOURS.get(settings.get("mode", "nearest" if bare == "interpolate" else ""))
        if neighbours is None or made == given:
            return None if neighbours is None else Layer()
        return Layer(neighbours, scale=Fraction(made, given))
    return None
