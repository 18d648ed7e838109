"""Per layer type: which size it declares, which one it requires, and how to stand in.

One entry (`LayerRule`) holds all that is known of a family of layers.
"""

from convlin.derivations.declared import AXIS_GIVEN, AXIS_OF, EVERY_AXIS_OF, GIVEN, GIVEN_OR_HIDDEN, noun_of
from convlin.layers.common import one_size, to_be_given
from convlin.layers.registry import (
    RULES,
    Registration,
    examined,
    register,
    rule_for,
    runs_as_documented,
    takes_any_size,
)
from convlin.layers.remaking import CannotRemakeError, places_of, remade, settings_of
from convlin.layers.rule import PLAIN, Arrival, Derive, Examine, LayerRule, Verdict
from convlin.ops.misfit import Misfit

__all__ = [
    "AXIS_GIVEN", "AXIS_OF", "EVERY_AXIS_OF", "GIVEN", "GIVEN_OR_HIDDEN", "PLAIN", "RULES", "Arrival",
    "CannotRemakeError", "Derive", "Examine", "LayerRule", "Misfit", "Registration", "Verdict", "examined", "noun_of",
    "one_size", "places_of", "register", "remade", "rule_for", "runs_as_documented", "settings_of", "takes_any_size",
    "to_be_given",
]  # fmt: skip
