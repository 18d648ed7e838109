"""What one unit of a layer sees of the model's input: receptive fields along the calls of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from convlin.arithmetic.receptive_field import Layer, ReceptiveField, extend, join
from convlin.derivations import of_layers
from convlin.ops.catalog import OPS, settings_of
from convlin.ops.op import Cells, Family
from convlin.records import UNSEEN, Call, Report, Shape, Source, SourceKind

#: Layers that treat every cell by itself.  Normalizations look at the whole map for their statistics;
#: that is left out, as it is wherever receptive fields are given.
_POINTWISE = frozenset({
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "RReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh",
    "Softplus", "Softsign", "Softshrink", "Hardshrink", "Tanhshrink", "Hardtanh", "Hardsigmoid", "Hardswish",
    "LogSigmoid", "Threshold", "Identity", "Softmax2d", "ChannelShuffle",
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "GroupNorm", "LocalResponseNorm",
})  # fmt: skip

#: How many neighbors along one axis a cell of an interpolated map looks at, by the mode.
_NEIGHBORS = {"nearest": 1, "nearest-exact": 1, "linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4}

_WHOLE = Layer(whole=True)


class Field(NamedTuple):
    """What one unit of a call's output sees of the model's input, axis by axis.

    No axes: the input itself, however many it has.
    """

    axes: tuple[ReceptiveField, ...] = ()

    @property
    def value(self) -> tuple[float, ...] | str | None:
        """The number of cells along each axis; ``all`` for the whole input.

        >>> Field((ReceptiveField(size=11), ReceptiveField(size=7))).value
        (11, 7)
        """
        if any(axis.whole for axis in self.axes):
            return "all"
        return tuple(axis.size if isinstance(axis.size, int) else float(axis.size) for axis in self.axes) or None

    @property
    def text(self) -> str:
        """``11×7``.

        >>> Field((ReceptiveField(size=11), ReceptiveField(size=7))).text, Field((ReceptiveField(whole=True),)).text
        ('11×7', 'all')
        """
        value = self.value
        return value if isinstance(value, str) else "×".join(f"{size:g}" for size in value or ())


def receptive_fields(report: Report) -> tuple[Field | None, ...]:
    """For every call what a unit of its output sees of the model's input; None where that is not known.

    Followed along ``Call.sources``; where anything on the way is not known to work cell by cell or in
    windows, nothing is said from there on.
    """
    return tuple(_Follower(report).fields())


class _Axis(NamedTuple):
    """The field along one axis, and for each upsampling on the way whether its units still see equally much."""

    field: ReceptiveField = ReceptiveField()
    grains: tuple[tuple[Fraction, Fraction], ...] = ()
    """For each upsampling the distance between the units before it, and what windows have added since."""

    def extend(self, layer: Layer) -> _Axis:
        """The same after one more layer."""
        field, jump = extend(self.field, layer), Fraction(self.field.jump)
        if layer.whole or self.field.whole:
            return _Axis(field)
        if layer.transposed or layer.scale != 1:
            return _Axis(field, (*self.grains, (jump, Fraction(0))))
        reach = jump * layer.dilation * (layer.kernel_size - 1)
        return _Axis(field, tuple((grain, span + reach) for grain, span in self.grains))

    @property
    def is_exact(self) -> bool:
        """A window over upsampled units covers as many of the units before as its place wants, or always as many."""
        return all(span % grain == 0 for grain, span in self.grains)

    def join(self, other: _Axis) -> _Axis | None:
        """What two paths that meet see together; None where that differs from unit to unit."""
        if not self.grains and not other.grains:
            try:
                return _Axis(join(self.field, other.field))
            except ValueError:  # paths that do not stay aligned have no field of one size
                return None
        if self.field.whole or other.field.whole:
            return self if self.field.whole else other
        # Units between two of the coarser ones lie to the left or right of their middle.
        small, large = sorted((self, other), key=lambda axis: Fraction(axis.field.size))
        spare = 2 * max(grain for grain, _ in small.grains + large.grains)
        covers = Fraction(large.field.size) - Fraction(small.field.size) >= spare
        return large if covers and large.field.jump == small.field.jump else None


_Axes: TypeAlias = "tuple[_Axis, ...]"


class _Follower:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._found: list[_Axes | None] = []
        self._joins: dict[int, _Axes | None] = {}

    def fields(self) -> Iterator[Field | None]:
        for index, call in enumerate(self._report.calls):
            axes = self._axes(call, index)
            self._found.append(axes)
            exact = axes is not None and all(axis.is_exact for axis in axes)
            yield Field(tuple(axis.field for axis in axes or ())) if exact else None

    def _axes(self, call: Call, index: int) -> _Axes | None:
        if call.failed or call.stood_in or not call.inputs or not call.outputs:
            return None
        if call.inner and not self._only_makes_weights(call, index):
            last = self._report.calls[index - 1]
            return self._found[index - 1] if call.type == "Sequential" and last.outputs == call.outputs else None
        if call.is_function and OPS.called(call.type).cells is Cells.EACH:
            sources = zip(call.sources, call.input_shapes, strict=False)
            return _together(self._of_source(source, shape) for source, shape in sources)
        before = self._of_source(call.sources[0] if call.sources else UNSEEN, call.inputs[0].shape)
        return None if before is None else _after(before, call)

    def _only_makes_weights(self, call: Call, index: int) -> bool:
        """Whether the calls inside of a layer are those of its parametrizations, which compute its weights."""
        inside = f"{call.path}.parametrizations." if call.path else "parametrizations."
        return all(each.path.startswith(inside) for each in self._report.calls[index - call.inner : index])

    def _of_source(self, source: Source, shape: Shape) -> _Axes | None:
        if source.kind is SourceKind.CALL:
            return self._found[source.number] if source.number < len(self._found) else None
        if source.kind is SourceKind.INPUT:
            return ()
        if source.kind is SourceKind.UNSEEN:
            # Only what looks like an input is taken for one.
            return () if any(info.shape == shape for info in self._report.inputs) else None
        number = source.number
        if number not in self._joins:
            self._joins[number] = None  # nothing is its own source
            met = self._report.joins[number]
            if OPS.called(met.function).cells is Cells.EACH:
                self._joins[number] = _together(self._of_source(each, shape) for each in met.sources)
        return self._joins[number]


def _together(paths: Iterable[_Axes | None]) -> _Axes | None:
    """Where several paths meet: what they see together."""
    result: _Axes | None = None
    for number, axes in enumerate(paths):
        if axes is None:
            return None
        if number == 0:
            result = axes
            continue
        assert result is not None
        count = max(len(result), len(axes))
        pairs = zip(_along(result, count), _along(axes, count), strict=True)
        joined = [one.join(other) for one, other in pairs]
        result = tuple(axis for axis in joined if axis is not None)
        if len(result) < count:
            return None
    return result


def _along(axes: _Axes, count: int) -> _Axes:
    """The same along ``count`` axes; what has none yet, or sees everything, is alike along all."""
    return axes if len(axes) == count else (axes or (_Axis(),))[:1] * count


def _after(before: _Axes, call: Call) -> _Axes | None:
    given, made = call.inputs[0].shape, call.outputs[0].shape
    if any(axis.field.whole for axis in before):
        return before
    if _sees_everything(call, given, made):
        return tuple(axis.extend(_WHOLE) for axis in before or (_Axis(),))
    if len(given) < 3 or len(given) != len(made):
        return None
    if call.type == "GLU" or OPS.called(call.type).cells is Cells.CHANNELS:
        return before if made[2:] == given[2:] else None
    if given == made and call.derive is None and (call.type in _POINTWISE or call.type.endswith("Activation")):
        return before
    count = len(given) - 2
    layers = _layers(call, count)
    if layers is None or len(before) not in (0, count):
        return None
    return tuple(axis.extend(layer) for axis, layer in zip(_along(before, count), layers, strict=True))


def _sees_everything(call: Call, given: Shape, made: Shape) -> bool:
    """Whether every unit depends on the whole of what came in."""
    if call.is_function:
        merges = OPS.called(call.type).merges and len(given) > 2
        return merges and (len(made) == 2 or set(made[2:]) == {1}) and made[:1] == given[:1]
    if call.derive is of_layers.flatten:
        return len(made) == 2
    return (call.derive is of_layers.linear and len(given) == 2) or call.type == "MultiheadAttention"


# One layer along each axis


class _Along(NamedTuple):
    """A call along one of its spatial ``axes``, with the size that came in and the one that it made."""

    settings: Mapping[str, Any]
    axis: int
    axes: int
    given: Any
    made: Any

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting that may be one number for all axes."""
        value = self.settings.get(name)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = value[self.axis] if self.axis < len(value) else value[0] if value else None
        return default if value is None else value


_Rule: TypeAlias = "Callable[[_Along], Layer | None]"


def _layers(call: Call, count: int) -> list[Layer] | None:
    """The call as a layer along each of its ``count`` spatial axes; None where it is not known."""
    # The derivation of layers of several ranks is a partial.
    known_by = OPS.called(call.type).family if call.is_function else getattr(call.derive, "func", call.derive)
    rule = _RULES.get(known_by)
    if rule is None:
        return None
    settings = settings_of(call) if call.is_function else call.settings
    sizes = zip(call.inputs[0].shape[-count:], call.outputs[0].shape[-count:], strict=True)
    layers = [rule(_Along(settings, axis, count, given, made)) for axis, (given, made) in enumerate(sizes)]
    known = [layer for layer in layers if layer is not None]
    return known if len(known) == count else None


def _transposed(along: _Along) -> Layer | None:
    layer = _window(along, 1)
    return None if layer is None else layer._replace(transposed=True)


def _window(along: _Along, stride: int | None = None) -> Layer | None:
    """A window over the cells, whose ``stride`` is as long as the kernel unless something is said."""
    kernel, padding = along.setting("kernel_size"), along.setting("padding", 0)
    if not isinstance(kernel, int):
        return None
    return Layer(kernel, along.setting("stride", stride or kernel), padding, along.setting("dilation", 1))


def _adaptive(along: _Along) -> Layer | None:
    given, made = along.given, along.made
    if not (isinstance(given, int) and isinstance(made, int)) or made < 1:
        return None
    if made == 1 and given > 1:
        return _WHOLE
    return Layer(given // made, given // made) if given % made == 0 else None


def _shuffled(along: _Along) -> Layer | None:
    factor = along.settings.get("upscale_factor")
    return Layer(scale=factor) if isinstance(factor, int) else None


def _unshuffled(along: _Along) -> Layer | None:
    factor = along.settings.get("downscale_factor")
    return Layer(factor, factor) if isinstance(factor, int) else None


def _interpolated(along: _Along) -> Layer | None:
    settings, given, made = along.settings, along.given, along.made
    if not (isinstance(given, int) and isinstance(made, int)) or made < 1 or given < 1:
        return None
    if settings.get("mode") == "area":
        return _adaptive(along)
    neighbors = _NEIGHBORS.get(settings.get("mode", "nearest"))
    if neighbors is None or settings.get("align_corners") or settings.get("antialias"):
        return None
    return Layer(neighbors, scale=Fraction(made, given)) if made != given else Layer()


def _padded(along: _Along) -> Layer | None:
    padding = along.settings.get("padding", along.settings.get("pad"))
    if not isinstance(padding, Sequence) or len(padding) % 2 or len(padding) > 2 * along.axes:
        return None
    pair = 2 * (along.axes - 1 - along.axis)
    return Layer(padding=padding[pair] if pair < len(padding) else 0)


#: By the derivation of a layer, and by the family of a function.
_RULES: Mapping[Any, _Rule] = {
    **dict.fromkeys((of_layers.convolution, Family.CONVOLUTION), partial(_window, stride=1)),
    **dict.fromkeys((of_layers.conv_transpose, Family.TRANSPOSED_CONVOLUTION), _transposed),
    **dict.fromkeys((of_layers.max_pool, of_layers.avg_pool, of_layers.lp_pool, Family.POOL), _window),
    **dict.fromkeys((of_layers.adaptive_avg_pool, of_layers.adaptive_max_pool, Family.ADAPTIVE_POOL), _adaptive),
    **dict.fromkeys((of_layers.pixel_shuffle, Family.PIXEL_SHUFFLE), _shuffled),
    **dict.fromkeys((of_layers.pixel_unshuffle, Family.PIXEL_UNSHUFFLE), _unshuffled),
    **dict.fromkeys((of_layers.upsample, Family.RESIZE), _interpolated),
    **dict.fromkeys((of_layers.pad, Family.PAD), _padded),
}
