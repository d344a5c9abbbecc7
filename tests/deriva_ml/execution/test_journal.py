"""The journal of an execution: what was written is there again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLStateInconsistency,
    DerivaMLUnavailableError,
    DerivaMLValidationError,
    InvalidTransitionError,
)
from deriva_ml.execution.durations import duration_text
from deriva_ml.execution.journal import FILE_NAME, Journal, OutputFile
from deriva_ml.execution.state_machine import TRANSITIONS, check_transition

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def output(name: str = "a.txt", **settings: object) -> OutputFile:
    return OutputFile("s", "T", name, Path("assets") / name, ("X",), f"t-{name}", **settings)  # type: ignore[arg-type]


@settings(max_examples=5, deadline=None)
@given(facts=st.dictionaries(st.text(min_size=1), JSON, max_size=4))
def test_facts_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, object]
) -> None:
    directory = tmp_path_factory.mktemp("run")
    Journal.create(directory, facts).close()
    journal = Journal.open(directory)
    assert journal.facts() == {k: v for k, v in facts.items() if v is not None}
    journal.close()


def test_outputs_keep_order_and_take_changes_until_they_are_uploaded(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    for name in ("b", "a"):
        journal.add_output(output(name, metadata={"k": 1}))
    journal.update_output("t-a", {"types": ["Y"], "description": "d"})
    assert [(o.file_name, o.types) for o in journal.outputs()] == [("b", ("X",)), ("a", ("Y",))]
    journal.committed({"t-a": "1ABC"})
    journal.update_output("t-a", {"description": "later"})
    journal.forget_output("t-a")
    (done,) = journal.outputs("uploaded")
    assert (done.rid, done.description) == ("1ABC", "d")
    journal.failed({"t-b": "gone"})
    assert journal.outputs("failed")[0].error == "gone"
    journal.close()


def test_values_about_the_same_row_are_refused_all_together(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    with pytest.raises(DerivaMLValidationError, match="already"):
        journal.stage_features([("s", "F", ["1"], {"v": 1}), ("s", "F", ["1"], {"v": 2})])
    assert journal.staged_features() == []
    assert journal.stage_features([("s", "F", ["1"], {"v": 1}), ("s", "G", ["1"], {"v": 2})]) == 2
    journal.committed({})
    assert journal.staged_features() == []
    assert journal.committed_features() == [("s", "F", 1), ("s", "G", 1)]
    journal.close()


def test_a_missing_damaged_or_newer_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(DerivaMLStateInconsistency, match="no journal"):
        Journal.open(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(DerivaMLStateInconsistency, match="cannot be read"):
        Journal.open(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    journal = Journal.create(tmp_path, {})
    journal._connection.execute("PRAGMA user_version = 99")
    journal.close()
    with pytest.raises(DerivaMLStateInconsistency, match="format 99"):
        Journal.open(tmp_path)


def test_a_journal_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DerivaMLUnavailableError, match="cannot be used"):
        Journal.create(tmp_path / "file" / "below", {})


@pytest.mark.parametrize("current", list(ExecutionStatus))
def test_every_state_may_stay_and_only_named_ones_may_follow(current: ExecutionStatus) -> None:
    check_transition(current, current, "1")
    for target in set(ExecutionStatus) - TRANSITIONS[current] - {current}:
        with pytest.raises(InvalidTransitionError, match=target):
            check_transition(current, target, "1")


def test_an_error_of_a_transition_is_one_of_the_library() -> None:
    assert issubclass(InvalidTransitionError, DerivaMLException)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0H 0min 0.0sec"), (59.96, "0H 1min 0.0sec"), (12.5, "0H 0min 12.5sec")],
)
def test_durations_are_rounded_as_a_whole(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
