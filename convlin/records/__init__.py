"""What one pass found, as frozen records that hold sizes and names, never tensors or modules.

A record that kept a module alive would keep its gigabytes alive, so everything here is made of
integers, strings and tuples.  ``trace`` fills these records, ``render`` and ``checks`` read them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from convlin.records.calls import Call
from convlin.records.derivations import Derivation, Step
from convlin.records.modules import ModuleInfo, ParameterInfo, ParameterSums, sums
from convlin.records.places import CodePlace, ExpressionResult, Location
from convlin.records.report import Report
from convlin.records.sources import UNSEEN, Join, Source, SourceKind, past_joins, past_single_joins
from convlin.records.tensors import ELEMENT_BYTES, TensorInfo
from convlin.sizes.types import Shape, Size

if TYPE_CHECKING:
    from convlin.records.accepted import Accepts, SizeRange
    from convlin.records.problems import Claim, ClaimKind, Edit, Evidence, Problem, problem_text
else:
    #: Loaded when one of them is asked for: a model that is right has no problems, and one in numbers no letters.
    _LATER = {
        "convlin.records.accepted": ("Accepts", "SizeRange"),
        "convlin.records.problems": ("Claim", "ClaimKind", "Edit", "Evidence", "Problem", "problem_text"),
    }

    def __getattr__(name):
        for home, names in _LATER.items():
            if name in names:
                found = import_module(home)
                globals().update({each: getattr(found, each) for each in names})
                return globals()[name]
        raise AttributeError(f"module 'convlin.records' has no attribute {name!r}")


__all__ = [
    "ELEMENT_BYTES",
    "UNSEEN",
    "Accepts",
    "Call",
    "Claim",
    "ClaimKind",
    "CodePlace",
    "Derivation",
    "Edit",
    "Evidence",
    "ExpressionResult",
    "Join",
    "Location",
    "ModuleInfo",
    "ParameterInfo",
    "ParameterSums",
    "Problem",
    "Report",
    "Shape",
    "Size",
    "SizeRange",
    "Source",
    "SourceKind",
    "Step",
    "TensorInfo",
    "past_joins",
    "past_single_joins",
    "problem_text",
    "sums",
]
