"""The tool behind ``make mutation``: a change takes effect, wherever it is, and nothing else counts as noticed."""

from __future__ import annotations

import argparse
import gc
import time
from types import FunctionType

import pytest
import torch
from torch import nn

from convlin.layers import Arrival, rule_for
from tests.mutation.mutants import Mutant, mutants, mutated
from tests.mutation.run import PACKAGE, Run, TookTooLong, in_child

FILE = "layers/embedding.py"
SOURCE = (PACKAGE / FILE).read_text(encoding="utf-8")
EACH = list(mutants(SOURCE, FILE))


def mutant(change: str) -> Mutant:
    (found,) = [each for each in EACH if each.change == change]
    return found


def test_every_mutant_is_other_code() -> None:
    usual = compile(SOURCE, FILE, "exec")
    assert len({each.name for each in EACH}) > len(EACH) // 2
    for each in EACH:
        assert compile(mutated(SOURCE, each), FILE, "exec") != usual, each.name


def test_a_change_is_put_into_the_functions_that_are_there() -> None:
    run = Run(argparse.Namespace(rooms=[FILE]))
    run._functions = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename == str(PACKAGE / FILE):
            run._functions.setdefault(each.__code__, []).append(each)

    def said() -> str:
        """The largest index of an embedding of four."""
        examine = rule_for(nn.Embedding).examine
        assert examine is not None
        return ", ".join(
            str(index)
            for index in range(3, 6)
            if examine(nn.Embedding(4, 2), Arrival((torch.tensor([index]),), {}, False, False, False)) is None
        )

    def changed(change: str) -> str:
        usual, other = (compile(tree, "", "exec") for tree in (SOURCE, mutated(SOURCE, mutant(change))))
        assert run._put_in_place(usual, other)
        return said()

    larger = "largest >= module.num_embeddings"
    assert said() == "3"
    assert in_child(lambda: changed(f"{larger} → largest > module.num_embeddings")) == "3, 4"
    assert in_child(lambda: changed(f"{larger} → largest < module.num_embeddings")) == "4, 5"
    assert said() == "3"


def test_what_the_import_runs_is_imported_anew() -> None:
    run = Run(argparse.Namespace(rooms=[FILE]))
    run._at_import = frozenset({f"{FILE}:14"})
    first, *_, last = EACH
    assert (first.function, last.function) == ("_examine_embedding", "")
    assert not run._anew(first._replace(line=15))
    assert run._anew(first._replace(line=14))
    assert run._anew(last)


def test_what_does_not_end_is_told_from_what_ends_otherwise() -> None:
    def sleeps() -> str:
        time.sleep(60)
        return ""

    with pytest.raises(TookTooLong):
        in_child(sleeps, patience=1)
    assert in_child(lambda: str(1 // 0)) is None
    assert in_child(lambda: "") == ""
