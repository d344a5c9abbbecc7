"""What the jobs of a sweep share through the sweep's directory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from deriva_ml.core.exceptions import DerivaMLUnavailableError
from deriva_ml.execution.sweep import Sweep, finish_sweep
from deriva_ml.execution.sweep_keeper import _in_a_row

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
    assert [p.rid for p in sweep.known_parents()] == ["1ABC", "2DEF"]


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
    sweep.queue((number, [f"a={number}"]) for number in range(4))
    for number in (2, 0, 1):
        sweep.note_job(number, "running", catalog=CATALOG)
    sweep.note_job(1, "completed", metrics={"loss": 0.5}, value=2)
    ((parent, missing),) = Sweep(tmp_path).unfinished()
    assert (parent.rid, parent.connection, parent.session_class) == ("1ABC", *HOW)
    assert missing == [0, 2, 3]
    sweep.note_finished("1ABC")
    assert sweep.unfinished() == []
    assert finish_sweep(tmp_path) == []
    sweep.note_open("1ABC")
    assert [missing for _, missing in sweep.unfinished()] == [[0, 2, 3]]


def test_a_job_is_known_by_all_that_was_noted_of_it(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.queue([(3, ["rate=0.1"])])
    assert sweep.job(3).status == "queued"  # type: ignore[union-attr]
    sweep.note_job(3, "running", catalog=CATALOG)
    sweep.note_job(3, "running", rid="1AB", directory=tmp_path)
    sweep.note_job(3, "completed", metrics={"loss": 0.25}, value=[1, 2.5])
    job = sweep.job(3)
    assert job is not None
    assert (job.status, job.overrides, job.rid) == ("completed", ("rate=0.1",), "1AB")
    assert (job.catalog, job.directory) == (CATALOG, tmp_path)
    assert (job.metrics, job.value, job.error) == ({"loss": 0.25}, [1, 2.5], None)
    assert job.begin is not None
    assert job.end is not None
    assert job.begin <= job.end
    assert sweep.job(4) is None
    with pytest.raises(ValueError, match="no state of a job"):
        sweep.note_job(3, "done")  # type: ignore[arg-type]


def test_launcher_is_noted_with_the_line_that_resumes(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    assert not sweep.has_launcher()
    sweep.note_launcher("deriva-ml-run --resume -m a=1,2")
    assert Sweep(tmp_path).has_launcher()
    assert Sweep(tmp_path).resume_line() == "deriva-ml-run --resume -m a=1,2"
    sweep.forget()
    assert not sweep.has_launcher()


def test_directory_without_a_sweep_needs_no_finish(tmp_path: Path) -> None:
    assert finish_sweep(tmp_path / "none") == []


def test_record_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "deriva-ml-sweep.sqlite").write_text("not a database, whatever its name says\n" * 9)
    with pytest.raises(DerivaMLUnavailableError, match="cannot be used"):
        Sweep(tmp_path)


def test_numbers_are_split_where_one_is_missing() -> None:
    assert list(_in_a_row([1, 2, 4, 7, 8, 9])) == [[1, 2], [4], [7, 8, 9]]
    assert list(_in_a_row([])) == []
