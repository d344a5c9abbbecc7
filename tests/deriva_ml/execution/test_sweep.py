"""What the jobs of a sweep share through the sweep's directory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from deriva_ml.core.exceptions import DerivaMLUnavailableError
from deriva_ml.execution.sweep import Sweep, finish_sweep

CATALOG = ("localhost", "digits")
HOW = ('{"hostname": "localhost"}', "deriva_ml.core.base:DerivaML")


def test_jobs_at_once_share_one_parent(tmp_path: Path) -> None:
    made: list[str] = []
    start = Barrier(4)

    def job(number: int) -> str:
        start.wait()
        return Sweep(tmp_path).parent(CATALOG, lambda: made.append("1ABC") or "1ABC", HOW)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(4))) == ["1ABC"] * 4
    assert made == ["1ABC"]


def test_sweep_over_catalogs_has_a_parent_in_each(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    assert sweep.parent(CATALOG, lambda: "1ABC", HOW) == "1ABC"
    assert sweep.parent(("other", "1"), lambda: "2DEF", HOW) == "2DEF"


def test_parent_that_could_not_be_made_is_left_to_the_next_job(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)

    def fail() -> str:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        sweep.parent(CATALOG, fail, HOW)
    assert sweep.parent(CATALOG, lambda: "1ABC", HOW) == "1ABC"


def test_jobs_that_did_not_end_well_are_known(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.parent(CATALOG, lambda: "1ABC", HOW)
    for number in (2, 0, 1):
        sweep.note_job(number, CATALOG, "running")
    sweep.note_job(1, CATALOG, "completed")
    assert Sweep(tmp_path).unfinished() == [("1ABC", *HOW, [0, 2])]
    sweep.note_finished("1ABC")
    assert sweep.unfinished() == []
    assert finish_sweep(tmp_path) == []


def test_launcher_is_noted(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    assert not sweep.has_launcher()
    sweep.note_launcher()
    assert Sweep(tmp_path).has_launcher()


def test_directory_without_a_sweep_needs_no_finish(tmp_path: Path) -> None:
    assert finish_sweep(tmp_path / "none") == []


def test_record_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "deriva-ml-sweep.sqlite").write_text("not a database, whatever its name says\n" * 9)
    with pytest.raises(DerivaMLUnavailableError, match="cannot be used"):
        Sweep(tmp_path)
