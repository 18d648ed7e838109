"""The colors of a picture and its style sheet, light and dark."""

from __future__ import annotations

from typing import NamedTuple

from convlin.render.picture.measure import STYLES

THEMES = ("auto", "light", "dark")
_FONTS = "Helvetica Neue,Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif"

#: The color of the front of each kind of block; red is kept for what is wrong.
_COLORS = {
    "input": "#9aa9bd",
    "conv": "#f2b455",
    "up": "#86c28b",
    "pool": "#68b4cf",
    "linear": "#a08fd8",
    "reshape": "#c3b6e6",
    "embed": "#74c3b2",
    "recurrent": "#b3c45c",
    "attention": "#e493b8",
    "product": "#e493b8",
    "cat": "#d9bd8e",
    "module": "#8fa8d8",
    "other": "#c2c5cb",
    "wrong": "#ea6560",
}


class _Ink(NamedTuple):
    """The colors of one theme that are no blocks."""

    paper: str
    text: str
    muted: str
    line: str
    skip: str
    wrong: str
    frame: str


_INKS = {
    "light": _Ink("#ffffff", "#1f2937", "#667085", "#7b8494", "#4f7cc4", "#c62828", "#aab2c0"),
    "dark": _Ink("#0d1117", "#e6edf3", "#9aa4b2", "#8b95a5", "#7aa7f0", "#ff7b72", "#4b5565"),
}


def style_sheet(theme: str, *, halo: bool = True) -> str:
    """The rules of one theme; of ``auto`` the light one, and the dark one for readers who prefer it.

    ``halo``: letters have an edge in the color of the paper.
    """
    scope = f".convlin-{theme}"
    rules = [
        f"{scope} text{{font-family:{_FONTS};text-anchor:middle;white-space:pre;"
        "stroke-width:3px;stroke-linejoin:round;paint-order:stroke}",
        f"{scope} text[text-anchor=start]{{text-anchor:start}}",
        *(
            f"{scope} .{name}{{font-size:{style.size:g}px{';font-weight:600' if style.bold else ''}}}"
            for name, style in STYLES.items()
        ),
        f"{scope} polygon,{scope} .band{{stroke-width:.8;stroke-linejoin:round}}",
        f"{scope} .flow,{scope} .skip{{fill:none;stroke-width:1.3}}",
        f"{scope} .skip{{stroke-width:1.5}}",
        f"{scope} .fan{{stroke:none;opacity:.28}}",
        f"{scope} .frame{{fill:none;stroke-width:1.3;stroke-dasharray:5 4}}",
        f"{scope} .ruled{{fill:none;stroke-width:.7}}",
        f"{scope} .arms,{scope} .cross{{fill:none;stroke-width:1.6;stroke-linecap:round}}",
        f"{scope} .cross{{stroke-width:3}}",
        f"{scope} .missing{{stroke-width:1.4;stroke-dasharray:4 3}}",
    ]
    first = "light" if theme == "auto" else theme
    rules += _theme_rules(scope, first)
    if theme == "auto":
        rules.append("@media (prefers-color-scheme:dark){" + "".join(_theme_rules(scope, "dark")) + "}")
    if not halo:
        rules.append(f"{scope} text,{scope} text.frame{{stroke:none}}")
    return "".join(rules)


def _theme_rules(scope: str, theme: str) -> list[str]:
    ink = _INKS[theme]
    dark = theme == "dark"
    rules = [
        f"{scope} .paper{{fill:{ink.paper}}}",
        f"{scope} text{{fill:{ink.text};stroke:{ink.paper}}}",
        f"{scope} .subtitle,{scope} .folded,{scope} .type{{fill:{ink.muted}}}",
        f"{scope} .problem,{scope} .footer,{scope} .wrong .name{{fill:{ink.wrong}}}",
        f"{scope} .flow{{stroke:{ink.line}}}{scope} .flow-head{{fill:{ink.line};stroke:none}}",
        f"{scope} .skip{{stroke:{ink.skip}}}{scope} .skip-head{{fill:{ink.skip};stroke:none}}",
        f"{scope} .fan{{fill:{_shade(_COLORS['reshape'], dark, 0)}}}",
        f"{scope} .frame{{stroke:{ink.frame}}}",
        f"{scope} text.frame{{fill:{ink.muted};stroke:{ink.paper};stroke-dasharray:none}}",
        f"{scope} .tag{{fill:{ink.paper};stroke:{ink.skip}}}",
        f"{scope} text.tag,{scope} text.sign{{fill:{ink.text};stroke:none}}",
        f"{scope} .output{{fill:{ink.skip}}}",
        f"{scope} .missing{{fill:{ink.paper};stroke:{ink.wrong}}}{scope} .cross{{stroke:{ink.wrong}}}",
    ]
    for role, color in _COLORS.items():
        edge = _mix(color, "#ffffff", 0.25) if dark else _mix(color, "#000000", 0.5)
        rules += [
            f"{scope} .{role} .{face}{{fill:{_shade(color, dark, light)};stroke:{edge}}}"
            for face, light in (("front", 0), ("top", 1), ("side", -1), ("band", -2))
        ]
        rules.append(f"{scope} .{role} .ruled{{stroke:{edge}}}")
    signs = ",".join(f"{scope} .{role} .front" for role in ("join", "gap", "end"))
    rules.append(f"{signs}{{fill:{ink.paper};stroke:{ink.skip}}}{scope} .arms{{stroke:{ink.skip}}}")
    rules.append(f"{scope} .end .front,{scope} .end .arms{{stroke:{ink.wrong};stroke-width:1.8}}")
    return rules


def _shade(color: str, dark: bool, light: int) -> str:
    """A face of a block: 1 towards the light, -1 and -2 away from it."""
    base = _mix(color, "#000000", 0.28) if dark else color
    if light > 0:
        return _mix(base, "#ffffff", 0.38 if not dark else 0.2)
    return _mix(base, "#000000", {0: 0.0, -1: 0.13, -2: 0.27}[light])


def _mix(color: str, other: str, share: float) -> str:
    """``share`` of the other color in the first."""
    ours, theirs = (tuple(int(text[at : at + 2], 16) for at in (1, 3, 5)) for text in (color, other))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(ours, theirs, strict=True))
