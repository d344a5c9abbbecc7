"""What the jobs of a sweep share through the sweep's directory."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from omegaconf import OmegaConf

from deriva_ml import DerivaMLConfig
from deriva_ml.core.exceptions import DerivaMLUnavailableError
from deriva_ml.execution.sweep import Sweep, _keep_credential, finish_sweep

CATALOG = ("localhost", "digits")
HOW = ('{"hostname": "localhost"}', "deriva_ml.core.base:DerivaML")


def test_jobs_at_once_share_one_parent(tmp_path: Path) -> None:
    made: list[str] = []
    start = Barrier(4)

    def job(number: int) -> str:
        start.wait()
        return Sweep(tmp_path).parent(CATALOG, lambda _: made.append("1ABC") or "1ABC", HOW)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(4))) == ["1ABC"] * 4
    assert made == ["1ABC"]


def test_sweep_over_catalogs_has_a_parent_in_each(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    assert sweep.parent(CATALOG, lambda _: "1ABC", HOW) == "1ABC"
    assert sweep.parent(("other", "1"), lambda _: "2DEF", HOW) == "2DEF"
    assert [p.rid for p in sweep.known_parents()] == ["1ABC", "2DEF"]


def test_parent_that_could_not_be_made_is_left_to_the_next_job(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    told: list[datetime | None] = []

    def fail(since: datetime | None) -> str:
        told.append(since)
        raise PermissionError("no")

    def make(since: datetime | None) -> str:
        told.append(since)
        return "1ABC"

    begin = datetime.now(UTC)
    with pytest.raises(PermissionError):
        sweep.parent(CATALOG, fail, HOW)
    assert sweep.parent(CATALOG, make, HOW) == "1ABC"
    sweep.note_finished("1ABC")
    assert sweep.parent(CATALOG, make, HOW) == "1ABC"
    # The second has to look whether the first has made one; there is nothing left to look for then.
    assert [since is None for since in told] == [True, False, True]
    assert told[1] is not None
    assert begin <= told[1] <= datetime.now(UTC)


def test_jobs_that_did_not_end_well_are_known(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.parent(CATALOG, lambda _: "1ABC", HOW)
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


def test_the_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    Sweep(tmp_path)
    assert (tmp_path / "deriva-ml-sweep.sqlite").stat().st_mode & 0o077 == 0


class Session:
    """Keeps what it is to connect with."""

    @classmethod
    def instantiate(cls, config: DerivaMLConfig) -> DerivaMLConfig:
        return config


def test_the_launching_process_connects_with_the_credential_that_it_was_given(
    tmp_path: Path,
) -> None:
    given = {"hostname": "example.org", "catalog_id": 7, "credential": {"cookie": "abc"}}
    _keep_credential(OmegaConf.create({"deriva_ml": given}))
    sweep = Sweep(tmp_path)
    for host in ("example.org", "example.com"):
        settings = DerivaMLConfig(**{**given, "hostname": host}).model_dump_json()
        assert "abc" not in settings
        sweep.parent((host, "7"), lambda _: "1ABC", (settings, f"{__name__}:Session"))
    found: dict[str, object] = {p.catalog[0]: p.connect() for p in sweep.known_parents()}
    assert {h: getattr(c, "credential", 0) for h, c in found.items()} == {
        "example.org": {"cookie": "abc"},
        "example.com": None,
    }
