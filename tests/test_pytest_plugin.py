"""The pytest plugin, tested as a user runs it: real test files, the real pytest, exit codes and texts."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import ShapeError, summarize
from convlin.at_error.answer import answer
from tests import processes
from tests.processes import PATIENCE

UPDATE = "--shape-lock-update"

ONE = """
    from torch import nn

    def test_net(shape_lock):
        s = shape_lock(nn.Sequential(nn.Linear(4, 3)), (4,))
        assert s.output_shape == (1, 3)
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


@pytest.fixture(scope="module", autouse=True)
def _loaded_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """pytester forgets what a run inside this process has imported, and the next one would import it again."""
    lock = tmp_path_factory.mktemp("locks") / "net.shapes"
    summarize(nn.Linear(3, 4), (3,)).lock(lock)
    with pytest.raises(ShapeError):
        summarize(nn.Linear(3, 5), (3,)).check(lock)
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.Linear(3, 4))(torch.zeros(2, 5))
    assert answer(caught.value)


def locks(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.shapes"))


@pytest.fixture
def written(pytester: pytest.Pytester) -> pytest.Pytester:
    """A test file with its lock."""
    pytester.makepyfile(test_it=ONE)
    assert run(pytester, UPDATE).ret == 0
    return pytester


# Missing, written, compared


@pytest.mark.parametrize("ci", ["", "true"])
def test_missing_lock_fails_and_writes_nothing(
    pytester: pytest.Pytester, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(test_it=ONE)
    result = run(pytester)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            ">       s = shape_lock(nn.Sequential(nn.Linear(4, 3)), (4,))",
            "E       *ShapeError: there is no lock for this test yet: __shapes__/test_it/test_net.shapes",
            f"E       write it with   pytest test_it.py::test_net {UPDATE}",
            "E       then look at the file and commit it",
        ]
    )
    assert locks(pytester.path) == []
    assert not (pytester.path / "__shapes__").exists()


def test_update_writes_and_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    result = run(pytester, UPDATE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*= shape locks =*", "1 written: look at them and commit them", "  __shapes__/test_it/test_net.shapes"]
    )
    assert (pytester.path / "__shapes__/test_it/test_net.shapes").read_text() == textwrap.dedent(
        """\
        # convlin lock, format 1
        # model Sequential, eval
        # input 1x4 float32
        0  Linear  1x4 -> 1x3  params 15
        .  Sequential  1x4 -> 1x3
        # total params 15
        """
    )


def test_lock_that_fits_passes_in_silence(written: pytest.Pytester) -> None:
    result = run(written)
    assert result.ret == 0
    assert "shape locks" not in result.stdout.str()


def test_difference_fails_at_the_users_line(written: pytest.Pytester) -> None:
    lock = written.path / "__shapes__/test_it/test_net.shapes"
    before = lock.read_bytes()
    written.makepyfile(test_it=ONE.replace("nn.Linear(4, 3)", "nn.Linear(4, 5)"))
    result = run(written)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            ">       s = shape_lock(nn.Sequential(nn.Linear(4, 5)), (4,))",
            "E       *ShapeError: Sequential does not match __shapes__/test_it/test_net.shapes: "
            "2 reshaped, 1 with other params",
            "E       Change    Layer  Lock    Now",
            "E       reshaped  0      -> 1x3  -> 1x5",
            "E       params    0      15      25",
            f"E       If this is intended, write the lock again: pytest test_it.py::test_net {UPDATE}",
            "test_it.py:4: ShapeError",
        ]
    )
    assert "convlin/pytest_plugin" not in result.stdout.str().replace("\\", "/")
    assert lock.read_bytes() == before


def test_a_failure_in_letters_shows_nothing_of_pytorchs_log(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from convlin import assert_shapes
        from torch import nn

        def test_net():
            assert_shapes(nn.Conv1d(3, 4, 3), (3, "L"), {"": ("N", 4, "L")})
        """
    )
    result = run(pytester)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E *(output)*dimension 2 is L - 2, not L"])
    assert "Captured log" not in result.stdout.str()


def test_update_changes_what_differs_and_nothing_else(written: pytest.Pytester) -> None:
    lock = written.path / "__shapes__/test_it/test_net.shapes"
    before = lock.read_bytes(), lock.stat().st_mtime_ns
    result = run(written, UPDATE)
    assert "shape locks" not in result.stdout.str()
    assert (lock.read_bytes(), lock.stat().st_mtime_ns) == before
    written.makepyfile(test_it=ONE.replace("nn.Linear(4, 3)), (4,)", "nn.Linear(5, 3)), (5,)"))
    result = run(written, UPDATE)
    result.stdout.fnmatch_lines(["1 changed: look at the difference and commit it"])
    assert b"1x5 -> 1x3" in lock.read_bytes()


def test_damaged_lock(written: pytest.Pytester) -> None:
    lock = written.path / "__shapes__/test_it/test_net.shapes"
    lock.write_bytes(lock.read_bytes()[:60])
    result = run(written)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E * __shapes__/test_it/test_net.shapes is damaged at line *"])
    result.stdout.fnmatch_lines([f"E * Write the lock again with pytest test_it.py::test_net {UPDATE}"])
    assert run(written, UPDATE).ret == 0
    assert run(written).ret == 0


def test_a_lock_that_cannot_be_written_fails_at_the_users_line(written: pytest.Pytester) -> None:
    lock = written.path / "__shapes__/test_it/test_net.shapes"
    lock.unlink()
    lock.mkdir()
    result = run(written, UPDATE)
    result.stdout.fnmatch_lines(["E *IsADirectoryError: *test_net.shapes*"])
    result.stdout.no_fnmatch_line("*atomic_write*")


def test_what_has_no_shapes_asks_for_no_lock(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE.replace("(4,)", "None", 1))
    run(pytester).stdout.fnmatch_lines(["E *InputError: a lock holds shapes: give summarize an input, *"])


def test_model_with_problems_is_never_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE.replace("(4,))", "(7,))"))
    result = run(pytester, UPDATE)
    assert result.ret == 1
    result.stdout.fnmatch_lines([">       s = shape_lock(*", "E *ShapeError*0: Linear(in_features=4*"])
    assert locks(pytester.path) == []


# Many tests


def test_parameters_classes_and_several_locks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from torch import nn

        @pytest.mark.parametrize("width", [1, 2, 3, 4], ids=["1", "a/b", "a b", "größe"])
        def test_net(shape_lock, width):
            shape_lock(nn.Linear(4, width), (4,))

        class TestNet:
            def test_net(self, shape_lock):
                shape_lock(nn.Linear(4, 7), (4,))
                shape_lock(nn.Linear(4, 8), (4,))
                shape_lock(nn.Linear(4, 9), (4,), name="decoder")
        """
    )
    assert run(pytester, UPDATE).ret == 0
    result = run(pytester)
    result.assert_outcomes(passed=5)
    assert "shape locks" not in result.stdout.str()
    names = locks(pytester.path / "__shapes__/test_it")
    assert names[:4] == [
        "TestNet.test_net.2.shapes",
        "TestNet.test_net.decoder.shapes",
        "TestNet.test_net.shapes",
        "test_net[1].shapes",
    ]
    assert [name[:14] for name in names[4:]] == ["test_net[a-b]-", "test_net[a-b]-", "test_net[gr-xf"]
    assert all(name.isascii() for name in names)


def test_long_names_stay_short_and_apart(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from torch import nn

        @pytest.mark.parametrize("width", [1, 2], ids=["x" * 300 + "1", "x" * 300 + "2"])
        def test_net(shape_lock, width):
            shape_lock(nn.Linear(4, width), (4,))
        """
    )
    run(pytester, UPDATE).assert_outcomes(passed=2)
    run(pytester).assert_outcomes(passed=2)
    names = locks(pytester.path / "__shapes__/test_it")
    assert len(names) == 2
    assert max(map(len, names)) < 130


def test_one_name_twice(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from torch import nn

        def test_net(shape_lock):
            shape_lock(nn.Linear(4, 3), (4,), name="a")
            shape_lock(nn.Linear(4, 3), (4,), name="a")
        """
    )
    result = run(pytester, UPDATE)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E *InputError: this test has two locks named 'a': give each a name of its own"])


def test_options_and_summaries(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        import torch
        from convlin import InputError, summarize
        from torch import nn

        def test_options(shape_lock):
            layer = nn.Embedding(9, 5)
            options = dict(dtypes=torch.long, batch_size=3, device="meta", mode="same")
            s = shape_lock(layer, {"input": (7,)}, **options)
            assert s.output_shape == (3, 7, 5)

        def test_typing_error(shape_lock):
            with pytest.raises(TypeError, match="batchsize"):
                shape_lock(nn.Linear(4, 3), (4,), batchsize=3)
            with pytest.raises(InputError, match="0 in the shape"):
                shape_lock(nn.Linear(4, 3), (0,))

        def test_summary(shape_lock):
            shape_lock.check(summarize(nn.Linear(4, 3), (4,)))
        """
    )
    run(pytester, UPDATE).assert_outcomes(passed=3)
    run(pytester).assert_outcomes(passed=3)


# Stale locks

SEVERAL = """
    import pytest
    from torch import nn

    def test_one(shape_lock):
        shape_lock(nn.Linear(4, 1), (4,))
        {second}

    def test_two(shape_lock):
        {skip}
        shape_lock(nn.Linear(4, 2), (4,))
        {fail}

    @pytest.mark.parametrize("width", {widths})
    def test_three(shape_lock, width):
        shape_lock(nn.Linear(4, width), (4,))
"""


def several(second: str = "pass", skip: str = "pass", fail: str = "pass", widths: str = "[3, 4]") -> str:
    return SEVERAL.format(second=second, skip=skip, fail=fail, widths=widths)


STALE = "3 stale, no test uses them any more: delete them"


@pytest.fixture
def stale(pytester: pytest.Pytester) -> pytest.Pytester:
    """Three stale locks: of a second call, of a parameter, of a test file that is gone."""
    pytester.makepyfile(test_it=several(second="shape_lock(nn.Linear(4, 9), (4,))", widths="[3, 4, 5]"), test_gone=ONE)
    assert run(pytester, UPDATE).ret == 0
    (pytester.path / "test_gone.py").unlink()
    pytester.makepyfile(test_it=several())
    return pytester


def test_stale_locks_are_reported(stale: pytest.Pytester) -> None:
    before = locks(stale.path)
    result = run(stale)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "*= shape locks =*",
            STALE,
            "  __shapes__/test_gone/test_net.shapes",
            "  __shapes__/test_it/test_one.2.shapes",
            "  __shapes__/test_it/test_three[[]5].shapes",
        ]
    )
    run(stale, UPDATE)
    assert locks(stale.path) == before  # a lock that another machine may need is a person's to delete


@pytest.mark.parametrize(
    "selection", [["-k", "one"], ["-m", "not slow"], ["test_it.py::test_one"], ["--deselect", "test_it.py::test_two"]]
)
def test_part_of_a_file_says_nothing_of_stale_locks(stale: pytest.Pytester, selection: list[str]) -> None:
    result = run(stale, *selection)
    assert result.ret == 0
    assert "no test uses" not in result.stdout.str()


@pytest.mark.parametrize("reason", ["skip", "fail"])
def test_lock_of_a_test_that_did_not_pass_is_not_stale(pytester: pytest.Pytester, reason: str) -> None:
    pytester.makepyfile(test_it=several())
    assert run(pytester, UPDATE).ret == 0
    pytester.makepyfile(test_it=several(**{reason: f"pytest.{reason}('not now')"}))
    assert "no test uses" not in run(pytester).stdout.str()


def test_run_that_stopped_early_says_nothing_of_stale_locks(stale: pytest.Pytester) -> None:
    stale.makepyfile(test_it=several(fail="assert False"))
    result = run(stale, "-x")
    assert result.ret == 1
    assert "no test uses" not in result.stdout.str()


def test_other_directories_are_left_alone(written: pytest.Pytester) -> None:
    """A file of another name in the directory, a test file without tests of shapes."""
    (written.path / "__shapes__" / "notes.txt").write_text("mine")
    (written.path / "__shapes__" / "test_it" / "notes.txt").write_text("mine")
    written.makepyfile(test_other="def test_other(): pass")
    result = run(written)
    result.assert_outcomes(passed=2)
    assert "shape locks" not in result.stdout.str()


# Surroundings


def test_any_rootdir(written: pytest.Pytester) -> None:
    """Locks stand beside the test file wherever pytest is started and whatever it takes for its root."""
    below = written.mkdir("below")
    (written.path / "test_it.py").rename(below / "test_it.py")
    (written.path / "__shapes__").rename(below / "__shapes__")
    assert run(written, "below").ret == 0
    elsewhere = written.mkdir("elsewhere")
    (elsewhere / "pytest.ini").write_text("[pytest]\n")
    assert run(written, f"--rootdir={elsewhere}", "-c", str(elsewhere / "pytest.ini"), str(below)).ret == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        (below / "test_it.py").write_text(textwrap.dedent(ONE.replace("4, 3", "4, 6")))
        result = run(written, str(below / "test_it.py"))
    result.stdout.fnmatch_lines([f"E * pytest ../below/test_it.py::test_net {UPDATE}"])


def test_two_workers(stale: pytest.Pytester) -> None:
    """Each worker runs some of the tests; what is stale is known only from both."""
    stale.makepyfile(test_new=ONE)
    result = stale.runpytest_subprocess("-p", "no:cacheprovider", "-n", "2", UPDATE, timeout=PATIENCE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 written: *", "  __shapes__/test_new/test_net.shapes", STALE, "  *test_net.shapes"])
    assert result.stdout.str().count("= shape locks =") == 1


def test_loading_costs_nothing(pytester: pytest.Pytester) -> None:
    """A run without the fixture imports the plugin, which imports neither torch nor the rest of convlin."""
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            assert "torch" not in sys.modules
            assert {name for name in sys.modules if name.partition(".")[0] == "convlin"} == {
                "convlin", "convlin.errors", "convlin.pytest_plugin"
            }
            assert not {"numpy", "sympy", "tabulate"} & sys.modules.keys()
        """
    )
    # The plugin of jaxtyping, where that is installed, imports numpy.
    without = ("-p", "no:cacheprovider", "-p", "no:jaxtyping")
    processes.run(sys.executable, "-m", "pytest", "-q", *without, pytester.path)


@pytest.mark.parametrize(
    ("test", "loads"),
    [
        ("def test_it(shape_comments): pass", {"comments"}),
        ("def test_it(shape_lock): pass", {"locks", "lock_book", "lock_files"}),
        ("import torch\ndef test_it(): raise ValueError('of my own')", {"shape_errors"}),
    ],
)
def test_what_is_needed_is_what_is_loaded(
    test: str, loads: set[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("convlin.pytest_plugin.")]:
        monkeypatch.delitem(sys.modules, name)
    pytester.makepyfile(test_it=test)
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            print("loaded", *(name for name in sys.modules if name.startswith("convlin.pytest_plugin.")))
        """
    )
    (line,) = [line for line in run(pytester).outlines if line.startswith("loaded")]
    assert set(line.split()[1:]) == {f"convlin.pytest_plugin.{name}" for name in loads}


def test_options_are_in_the_help(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--help")
    result.stdout.fnmatch_lines(["shapes of PyTorch models:", f"  {UPDATE}*"])
    result = run(pytester, "--fixtures")
    result.stdout.fnmatch_lines(
        ["shape_lock -- *", "    Compare the shapes of a model with a lock beside the test file: *"]
    )


# Shape errors


WRONG = """
    import pytest
    import torch
    from torch import nn

    def make():
        return nn.Sequential(nn.Flatten(), nn.Linear(999, 20), nn.Linear(77, 10))

    def test_step():
        net = make()
        net(torch.zeros(4, 3, 8, 8))

    @pytest.fixture
    def output():
        return make()(torch.zeros(4, 3, 8, 8))

    def test_output(output):
        pass

    def test_right():
        nn.Linear(3, 4)(torch.zeros(2, 3))

    def test_of_my_own():
        raise ValueError("of my own")

    def test_raises():
        with pytest.raises(RuntimeError):
            make()(torch.zeros(4, 3, 8, 8))

    @pytest.mark.xfail
    def test_expected_to_fail():
        make()(torch.zeros(4, 3, 8, 8))
"""


def test_a_shape_error_gets_a_section(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=WRONG)
    result = run(pytester)
    result.assert_outcomes(failed=2, errors=1, passed=2, xfailed=1)
    text = result.stdout.str()
    assert text.count(" convlin -") == 2
    assert text.count("needs in_features=192, has 999") == 2
    assert text.count("needs in_features=20, has 77") == 2
    assert "fix  test_it.py:6" in text


def test_no_section_where_it_is_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=WRONG)
    result = run(pytester, "--no-convlin")
    result.assert_outcomes(failed=2, errors=1, passed=2, xfailed=1)
    assert " convlin -" not in result.stdout.str()


def test_a_failure_loads_no_torch(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import sys

        def test_fails():
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x400 and 256x120)")

        def test_after():
            assert "torch" not in sys.modules
            assert "convlin.at_error.answer" not in sys.modules
        """
    )
    done = processes.run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_it.py", cwd=pytester.path, check=False
    )
    assert "1 failed, 1 passed" in done.stdout
    assert " convlin -" not in done.stdout
