"""The style rules of the HTML form.

Colors are mixed from the text color of what is around, so the table fits a light or a dark page
or notebook without having to know which it is in.
"""

from __future__ import annotations

# The class is named twice so that notebooks' own rules for tables, which are more specific, give way.
STYLE = """
.convlin{--bad:#d32f2f;--dim:gray;--line:#8884;font-size:13px;line-height:1.45;margin:.5em 0}
@supports (color:color-mix(in srgb,red,blue)){.convlin{
--bad:color-mix(in srgb,#e5383b 70%,currentColor);
--dim:color-mix(in srgb,currentColor 60%,transparent);
--line:color-mix(in srgb,currentColor 14%,transparent)}}
.convlin.convlin .wide{overflow-x:auto;margin:0}
.convlin.convlin table{border-collapse:collapse;border:0;margin:.4em 0;font-size:inherit;width:auto;
font-variant-numeric:tabular-nums}
.convlin.convlin table tr{background:none;border:0}
.convlin.convlin table tbody tr:hover{background:color-mix(in srgb,currentColor 6%,transparent)}
.convlin.convlin table th,.convlin.convlin table td{border:0;padding:.16em 1.3em .16em 0;text-align:left;
vertical-align:baseline;font-weight:normal;white-space:nowrap;max-width:none}
.convlin.convlin table th:first-child,.convlin.convlin table td:first-child{
padding-left:calc(.5em + var(--level,0)*1.25em)}
.convlin.convlin table.tree th:first-child{padding-left:calc(1.6em + var(--level,0)*1.25em)}
.convlin.convlin table .n{text-align:right}
.convlin.convlin table thead th{font-weight:600;border-bottom:1px solid currentColor}
.convlin.convlin table tbody tr{border-bottom:1px solid var(--line)}
.convlin.convlin table tbody tr.goes-on{border-bottom:0}
.convlin.convlin table tbody tr.group th{font-weight:600}
.convlin.convlin table tbody tr.group td{color:var(--dim)}
.convlin.convlin table tbody tr.function td,.convlin.convlin table tbody tr.module td,
.convlin.convlin table tbody tr.rest th{font-style:italic}
.convlin.convlin table tbody tr.module td{white-space:normal}
.convlin.convlin table tbody tr.parameter td:nth-child(2){color:var(--dim)}
.convlin.convlin table tbody tr.bad{background:color-mix(in srgb,var(--bad) 13%,transparent)}
.convlin.convlin table tbody tr.bad th,.convlin.convlin table tbody tr.bad td{color:var(--bad);font-weight:600}
.convlin.convlin table label{cursor:pointer;display:inline;font:inherit;color:inherit;margin:0}
.convlin.convlin table input{appearance:none;-webkit-appearance:none;width:1em;height:1em;margin:0 .15em 0 -1.15em;
border:0;background:none;cursor:pointer;vertical-align:baseline;font:inherit;color:inherit;display:inline-block}
.convlin.convlin table input::before{content:"\\25B8";display:block;text-align:center;line-height:1.1}
.convlin.convlin table input:checked::before{content:"\\25BE"}
.convlin.convlin table input:focus-visible{outline:2px solid currentColor;border-radius:2px}
.convlin.convlin .dim{color:var(--dim);font-weight:normal}
.convlin.convlin .path{font-size:0}
.convlin.convlin p{margin:.25em 0}
.convlin.convlin .head{font-size:1.1em}
.convlin.convlin .problem{border-left:3px solid var(--bad);padding:.1em 0 .1em .8em;margin:.6em 0}
.convlin.convlin .problem>p:first-child{color:var(--bad)}
.convlin.convlin .problem .more{padding-left:1.2em}
.convlin.convlin code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.95em;
background:color-mix(in srgb,currentColor 8%,transparent);color:inherit;padding:.1em .35em;border-radius:3px}
.convlin.convlin .totals{color:var(--dim)}
.convlin.convlin .totals span{margin-right:1.4em;white-space:nowrap}
"""

#: For a page of its own: the colors of the reader's system, light or dark.
PAGE_STYLE = """
:root{color-scheme:light dark}
body{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;margin:1.5em;
color:CanvasText;background:Canvas}
"""
