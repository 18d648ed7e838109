"""The picture as PNG or PDF, by cairosvg where it is installed."""

from __future__ import annotations

from convlin.errors import InputError
from convlin.records import Report
from convlin.render.picture import svg

#: Pixels of the PNG for each of the picture: sharp on today's screens, and in print.
_SCALE = 2.0


def converted(report: Report, suffix: str, *, batch: bool = True) -> bytes:
    """The light picture in the format of ``suffix``.

    Raises:
        InputError: cairosvg is not installed.
    """
    try:
        import cairosvg
    except ImportError as error:
        said = f"{suffix} needs cairosvg: pip install 'convlin[picture]', or save the picture as .svg"
        raise InputError(said) from error
    except OSError as error:  # cairosvg is there, and the library of the system that it calls is not
        said = f"{suffix} needs the cairo library beside cairosvg: install libcairo2, or save the picture as .svg"
        raise InputError(said) from error
    # cairosvg paints the edge of letters over them, so they have none here.
    drawn = svg(report, theme="light", batch=batch, halo=False).encode()
    if suffix == ".pdf":
        return bytes(cairosvg.svg2pdf(bytestring=drawn))
    return bytes(cairosvg.svg2png(bytestring=drawn, scale=_SCALE))
