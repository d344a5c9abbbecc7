"""The list of executions that this machine knows of."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.execution.configuration import ExecutionConfiguration
from deriva_ml.execution.journal import FILE_NAME, FORMAT


def test_an_execution_of_another_version_does_not_hide_the_others(
    ml: DerivaML, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (ml.create_execution(ExecutionConfiguration(description=d)) for d in ("a", "b"))
    journal = Path(old.working_dir) / FILE_NAME
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    monkeypatch.setattr(logging.getLogger("deriva_ml"), "propagate", True)
    assert [each.rid for each in ml.list_executions()] == [new.execution_rid]
    assert f"Execution {old.execution_rid} is left out" in caplog.text
