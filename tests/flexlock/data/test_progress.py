"""The progress line: there on a terminal, silent elsewhere."""

from __future__ import annotations

import io
import time

import pytest

from flexlock.data.progress import ProgressLine, size_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_where_nobody_looks() -> None:
    stream = io.StringIO()
    with ProgressLine("reading", stream=stream) as line:
        assert line.progress is None
    assert stream.getvalue() == ""


def test_short_work_shows_nothing() -> None:
    stream = Terminal()
    with ProgressLine("reading", 100, stream) as line:
        assert line.progress is not None
        line.progress(10)
    assert stream.getvalue() == ""


def test_long_work_shows_how_far_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    now = time.monotonic()
    with ProgressLine("reading a", 4_000_000, stream) as line:
        monkeypatch.setattr(time, "monotonic", lambda: now + 2)
        assert line.progress is not None
        line.progress(1_000_000)
        line.progress(1)
        assert stream.getvalue().startswith("\rreading a: 1.0 MB of 4.0 MB (25%), ")
        assert stream.getvalue().count("reading") == 1
    assert stream.getvalue().endswith(" \r")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e15, "2.0 PB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text
