"""A sheet that is put together from parts is the sheet that is written at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flexlock.lock.document import SectionTexts, read_lock, to_document, write_lock
from flexlock.lock.record import Caller, RepoState, RunLock
from flexlock.lock.yamlfile import dump

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    config=st.dictionaries(st.text(), VALUES),
    result=VALUES,
    extra=st.dictionaries(st.text(), VALUES),
    warnings=st.lists(st.text()),
)
def test_parts_make_the_same_bytes(
    tmp_path_factory: Any, config: Any, result: Any, extra: Any, warnings: list[str]
) -> None:
    lock = RunLock(
        *("id", "2026-01-01T00:00:00+00:00", "running", Caller(argv=("a", "- b", "c:")), config),
        repos={"main": RepoState("x")},
        result=result,
        extra=extra,
        warnings=tuple(warnings),
    )
    path = tmp_path_factory.getbasetemp() / "sheet.yaml"
    texts: SectionTexts = {}
    for one in (lock, lock, replace(lock, status="complete", result=[1])):
        write_lock(path, one, sync=False, texts=texts)
        assert path.read_text() == dump(to_document(one))


def test_a_field_is_no_further_key(tmp_path: Path) -> None:
    lock = RunLock("id", "2026", extra={"outputs": None, "colour": "red"})
    write_lock(tmp_path / "run.lock", lock)
    assert (tmp_path / "run.lock").read_text() == dump(to_document(lock))
    assert read_lock(tmp_path).extra == {"colour": "red"}


def test_what_yaml_cannot_say_is_told_each_time(tmp_path: Path) -> None:
    texts: SectionTexts = {}
    lock = RunLock("id", "2026", config={"a": object()})
    for one in (lock, replace(lock, status="complete")):
        write_lock(tmp_path / "run.lock", one, texts=texts)
        assert read_lock(tmp_path).warnings == (
            "config.a cannot be written in YAML; its text stands there.",
        )
