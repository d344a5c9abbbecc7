"""What a sweep shows while it runs, and at its end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from deriva_ml.execution.sweep import BEST
from deriva_ml.execution.sweep_record import Sweep
from deriva_ml.execution.sweep_screen import differing, summary, watch

CATALOG = ("localhost", "1")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    made = Sweep(tmp_path)
    made.note_launcher("deriva-ml-run --resume -m rate=1,2,3 api_key=abc123")
    made.parent(CATALOG, lambda _: "1AA", ("{}", "a:b"))
    made.queue((n, ["name=net", f"rate={n}", "api_key=abc123"]) for n in (1, 2, 3))
    made.note_job(1, "running", catalog=CATALOG, rid="1AB")
    made.note_job(1, "completed", metrics={"loss": 0.25})
    made.note_job(2, "running", catalog=CATALOG, rid="1AC")
    made.note_job(2, "failed", error="ValueError: no\nmore [red]lines[/red]")
    return made


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, height=30)


def said(by: Console) -> str:
    file = by.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_summary_tells_what_became_of_the_jobs(sweep: Sweep) -> None:
    sweep.note(BEST, "loss 0.25 with rate=1")
    shown = console(terminal=False)
    summary(sweep.directory, shown)
    told = said(shown)
    assert "3 jobs: 1 queued, 1 completed, 1 failed" in told
    assert "loss=0.25" in told
    assert "Parent execution 1AA" in told
    assert "Best: loss 0.25 with rate=1" in told
    assert "Job 2 failed: ValueError: no\nmore [red]lines[/red]" in told
    assert "Run what is missing with: deriva-ml-run --resume -m rate=1,2,3 'api_key=***" in told
    assert "Where it says ***, write the secret again." in told
    assert "name=net" not in told  # all jobs have it
    assert "abc123" not in told


def test_summary_of_a_sweep_that_went_well_needs_no_resume(tmp_path: Path) -> None:
    made = Sweep(tmp_path)
    made.note_launcher("deriva-ml-run --resume")
    made.queue([(0, ["rate=1"])])
    made.note_job(0, "completed", value=2.5)
    shown = console(terminal=False)
    summary(tmp_path, shown)
    assert "1 job: 1 completed" in said(shown)
    assert "returned 2.5" in said(shown)
    assert "resume" not in said(shown)


def test_summary_of_very_many_jobs_leaves_some_out(tmp_path: Path) -> None:
    made = Sweep(tmp_path)
    made.queue((n, [f"rate={n}"]) for n in range(300))
    made.note_job(299, "failed", error="ValueError: no")
    shown = console(terminal=False)
    summary(tmp_path, shown)
    told = said(shown)
    assert "300 jobs: 299 queued, 1 failed" in told
    assert "Not shown: 100 jobs" in told
    assert "Job 299 failed: ValueError: no" in told
    assert len(told.splitlines()) < 210


def test_without_a_terminal_each_change_is_a_line(sweep: Sweep) -> None:
    shown = console(terminal=False)
    with watch(sweep.directory, shown):
        sweep.note_job(3, "running", catalog=CATALOG, rid="1AD")
        sweep.note_job(3, "completed", metrics={"loss": 0.5})
    lines = said(shown).splitlines()
    assert any(line.startswith("job 1 completed  name=net rate=1") for line in lines)
    assert any("job 3 completed" in line and "loss=0.5" in line for line in lines)
    assert "abc123" not in said(shown)


def test_on_a_terminal_there_is_a_table(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    shown = console(terminal=True)
    with watch(sweep.directory, shown):
        print("to where output was sent, such as a file")
    assert capsys.readouterr().out == "to where output was sent, such as a file\n"
    assert "configuration" in said(shown)
    assert "1AC" in said(shown)


def test_quiet_shows_nothing(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_ML_QUIET", "true")
    shown = console(terminal=False)
    with watch(sweep.directory, shown):
        pass
    summary(sweep.directory, shown)
    assert said(shown) == ""


def test_what_differs_leaves_out_what_all_have(sweep: Sweep) -> None:
    jobs = sweep.jobs()
    assert differing(jobs) == {1: ["rate=1"], 2: ["rate=2"], 3: ["rate=3"]}
    assert differing(jobs[:1]) == {1: ["name=net", "rate=1", "api_key=abc123"]}
    assert differing([]) == {}
