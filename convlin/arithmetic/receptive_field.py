"""How much of the input one unit of a layer sees, how far apart units look, and where the first one looks.

Definitions after Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks",
https://distill.pub/2019/computing-receptive-fields; everything is along one axis, in cells of the
input, counted from 0 at the center of its first cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

Cells: TypeAlias = "int | Fraction"


class Layer(NamedTuple):
    """One layer of a chain along one axis.

    ``transposed`` marks a transposed convolution.  ``scale`` is the factor of an upsampling whose
    every output looks at ``kernel_size`` neighbors (nearest 1, linear 2, cubic 4).  ``whole`` marks
    what sees its whole input: global and adaptive pooling, flatten, attention.
    """

    kernel_size: int = 1
    stride: int = 1
    padding: int | str = 0
    dilation: int = 1
    transposed: bool = False
    scale: Cells = 1
    whole: bool = False


class ReceptiveField(NamedTuple):
    """What the units of a layer see of the input, along one axis.

    ``jump`` is the distance between neighboring units (the total stride), ``size`` the number of
    cells that one unit sees, ``offset`` the center of what the first unit sees; negative where that
    lies in the padding.  After a layer that sees everything, ``whole`` is set and the numbers are
    those before it.
    """

    jump: Cells = 1
    size: Cells = 1
    offset: Cells = 0
    whole: bool = False

    @property
    def start(self) -> Cells:
        """The first cell that the first unit sees; in the padding where negative.

        >>> ReceptiveField(jump=2, size=3, offset=0).start
        -1
        """
        from fractions import Fraction  # which loads decimal: only where somebody asks

        return _plain(Fraction(self.offset) - Fraction(self.size - 1) / 2)


def _plain(cells: Fraction) -> Cells:
    return cells.numerator if cells.denominator == 1 else cells


def extend(field: ReceptiveField, layer: Layer) -> ReceptiveField:
    """The receptive field after one more layer.

    The window's reach less one, times the jump so far, is added to the size; the jump is multiplied
    by the stride.  A transposed convolution or upsampling divides the jump; there the units differ
    in what they see, and ``size`` is the most that any of them does.

    >>> extend(ReceptiveField(), Layer(kernel_size=3, stride=2, padding=1))
    ReceptiveField(jump=2, size=3, offset=0, whole=False)
    """
    from fractions import Fraction

    if layer.whole or field.whole:
        return field._replace(whole=True)
    jump, size, offset = Fraction(field.jump), Fraction(field.size), Fraction(field.offset)
    reach = layer.dilation * (layer.kernel_size - 1)
    # Of an odd number of cells, padding="same" puts the smaller half in front.
    named = {"same": reach // 2, "valid": 0}
    padding = named[layer.padding] if isinstance(layer.padding, str) else layer.padding
    if layer.transposed:
        # Units between two strides see fewer kernel taps; taps on multiples of the stride are the most.
        offset += jump * (padding - Fraction(reach, 2)) / layer.stride
        size += jump * _most_between(reach, layer)
        jump /= layer.stride
    elif layer.scale != 1:
        # The first unit's center lies (1/scale − 1)/2 cells from that of the first cell.
        offset += jump * (1 / Fraction(layer.scale) - 1) / 2
        size += jump * (layer.kernel_size - 1)
        jump /= Fraction(layer.scale)
    else:
        offset += jump * (Fraction(reach, 2) - padding)
        size += jump * reach
        jump *= layer.stride
    return ReceptiveField(_plain(jump), _plain(size), _plain(offset))


def _most_between(reach: int, layer: Layer) -> int:
    """Cells between the first and last input that one output of a transposed convolution sees, at most."""
    most = 0
    for phase in range(layer.stride):
        taps = [tap for tap in range(0, reach + 1, layer.dilation) if tap % layer.stride == phase]
        if taps:
            most = max(most, (taps[-1] - taps[0]) // layer.stride)
    return most


def join(first: ReceptiveField, second: ReceptiveField) -> ReceptiveField:
    """The receptive field where two paths meet (added or concatenated).

    It spans what both see.  Raises ``ValueError`` where their jumps differ: then the paths do not
    stay aligned, and the units have no receptive field of one size.

    >>> join(ReceptiveField(jump=2, size=7, offset=0), ReceptiveField(jump=2, size=1, offset=0)).size
    7
    """
    if first.whole or second.whole:
        return (first if first.whole else second)._replace(whole=True)
    if first.jump != second.jump:
        raise ValueError(f"paths with jumps {first.jump} and {second.jump} are not aligned")
    start = min(first.start, second.start)
    stop = max(first.start + first.size, second.start + second.size)
    from fractions import Fraction

    size = Fraction(stop - start)
    return ReceptiveField(first.jump, _plain(size), _plain(start + (size - 1) / 2))


def receptive_field(layers: Iterable[Layer]) -> ReceptiveField:
    """The receptive field after a chain of layers, from the input on.

    Source: https://distill.pub/2019/computing-receptive-fields

    >>> receptive_field([Layer(kernel_size=3, padding=1), Layer(kernel_size=2, stride=2), Layer(kernel_size=3)])
    ReceptiveField(jump=2, size=8, offset=Fraction(5, 2), whole=False)
    """
    field = ReceptiveField()
    for layer in layers:
        field = extend(field, layer)
    return field
