"""A run that is killed anywhere, and resumed, leaves what an undisturbed run leaves."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLException

from ..conftest import Stage

SCRIPT = Path(__file__).with_name("run_and_die.py")
IN_THREADS = ("ContentStore.add", "ContentStore._add_moved")
"""Steps of the threads of an upload, which are not counted."""

TABLES = (
    "Dataset",
    "Dataset_Version",
    "Dataset_Dataset_Type",
    "Dataset_Subject",
    "Workflow",
    "Workflow_Workflow_Type",
    "Execution",
    "Execution_Asset",
    "Execution_Asset_Execution",
    "Execution_Asset_Asset_Type",
    "Execution_Metadata",
    "Execution_Metadata_Execution",
    "Mask",
    "Mask_Execution",
    "Mask_Asset_Type",
    "File_Execution",
    "Subject",
    "Execution_Subject_Outline",
)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_and_die", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepared(ml: DerivaML, place: Path) -> Path:
    prepare(ml)
    return place


def prepare(ml: DerivaML) -> None:
    """Make what the run needs, and close the catalog."""
    ml.create_asset("Mask")
    ml.create_feature("Subject", "Outline", assets=["Mask"])
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])
    ml.catalog.close()


class Scene:
    """A stage that runs die on, each in a forked process."""

    def __init__(self, template: Path, root: Path) -> None:
        self.stage = Stage(template, root)
        self.ml = self.stage.ml
        places = str(self.stage.place), str(self.stage.work)
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *places, "--serve"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.stage.clear()

    def run(self, point: int | str = "") -> tuple[int, str]:
        """Run and die in a fresh scene; returns how the process ended, and what it printed."""
        self.stage.clear()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{point}\n")
        self._process.stdin.flush()
        status, told = json.loads(self._process.stdout.readline())
        return status, told

    def close(self) -> None:
        self.ml.catalog.close()
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def scene(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    root = tmp_path_factory.mktemp("scene")
    shutil.copytree(_template, root / "prepared")
    prepare(DerivaML(str(root / "prepared"), working_dir=root / "work"))
    made = Scene(root / "prepared", root)
    yield made
    made.close()


def content(ml: DerivaML) -> dict[str, list[tuple[str, ...]]]:
    """All rows, with names in the place of RIDs, and without times."""
    tables = {name: ml.get_table_as_dict(name) for name in TABLES}
    names: dict[Any, str] = {}
    for table, rows in tables.items():
        for row in rows:
            label = row.get("Filename") or row.get("Name") or row.get("Description") or table
            names[row["RID"]] = str(label).partition("_2026")[0].partition("_20")[0]
    skipped = {"RID", "RCT", "RMT", "RCB", "RMB", "URL", "Start", "Stop", "Snapshot"}
    result = {}
    for table, rows in tables.items():
        lines = []
        for row in rows:
            describes = table == "Execution_Metadata" or table == "Execution"
            values = [
                str(names.get(v, v)).partition("_20")[0]
                for k, v in row.items()
                if k not in skipped
                and not k.endswith("_Duration")
                and not (describes and k in ("MD5", "Length"))
            ]
            lines.append(tuple(values))
        result[table] = sorted(lines)
    return result


def resume(ml: DerivaML, program: ModuleType) -> None:
    """What somebody does who finds a run that was killed."""
    waiting = ml.find_incomplete_executions()
    if not ml.list_executions():
        program.whole_run(ml)
        return
    for found in waiting:
        exe = ml.resume_execution(found.rid)
        assert exe.configuration.description == "a run"
        if exe.status in (ExecutionStatus.Created, ExecutionStatus.Running):
            exe.restart()
            with exe.execute():
                program.train(ml, exe)
        exe.upload_execution_outputs()


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_step_can_be_resumed(program: ModuleType, scene: Scene) -> None:
    """Kills at the first boundary of steps after each change of what is on the disk.

    From the creation of the execution over its place, run, upload and commit to the removal of
    its files: boundaries in between find the same files, so that nothing else can follow.
    """
    nothing = content(scene.stage.clear())
    status, told = scene.run()
    assert status == 0
    points = json.loads(told)
    assert len(points) > 40
    expected = content(scene.ml)
    untouched = 0
    for point in (*points, *IN_THREADS):
        assert scene.run(point)[0] == -signal.SIGKILL
        if not scene.ml.list_executions() and content(scene.ml) == nothing:
            untouched += 1  # as if it had not begun; that one run succeeds then is enough to see
            if untouched > 1:
                continue
        resume(scene.ml, program)
        assert content(scene.ml) == expected, f"killed at boundary {point}"
        assert scene.ml.find_incomplete_executions() == []
    assert 10 < untouched < len(points) / 2


@pytest.mark.slow
def test_outputs_added_after_an_upload_are_there_once(program: ModuleType, scene: Scene) -> None:
    """Kills at random boundaries of a second upload of one execution."""
    status, told = scene.run("additive:")
    assert status == 0
    steps = json.loads(told)
    assert steps > 500
    expected = content(scene.ml)
    rng = random.Random(20261126)
    points = [str(rng.randrange(1, steps * 9 // 10)) for _ in range(5)]
    outcomes = set()
    for point in (*points, "store_outputs", "Journal.committed"):
        assert scene.run(f"additive:{point}")[0] == -signal.SIGKILL
        outcomes.add(len(scene.ml.get_table_as_dict("Subject")))
        program.more(scene.ml)
        assert content(scene.ml) == expected, f"killed at boundary {point}"
        assert scene.ml.find_incomplete_executions() == []
    assert outcomes == {3, 4}  # some died before the commit, some after it


def test_an_execution_that_has_no_place_yet_is_found_and_not_made_twice(scene: Scene) -> None:
    assert scene.run("LocalRuns.settle")[0] == -signal.SIGKILL
    ml = scene.ml
    (found,) = ml.find_incomplete_executions()
    exe = ml.resume_execution(found.rid)
    assert exe.workflow_rid == ml.lookup_execution(found.rid).workflow_rid
    assert ml.lookup_workflow(str(exe.workflow_rid)).checksum == "c0ffee"
    assert [e.rid for e in ml.find_executions(status="Created")] == [found.rid]
    exe.upload_execution_outputs()
    described = {a.filename for a in ml.list_assets("Execution_Metadata")}
    assert {"configuration.json", "workflow.json"} < described
    assert ml.find_incomplete_executions() == []


def test_a_commit_whose_process_died_is_noted_and_not_repeated(scene: Scene) -> None:
    assert scene.run("Journal.committed")[0] == -signal.SIGKILL
    ml = scene.ml
    before = ml.catalog.latest_snapshot()
    again = ml.restore_execution()
    assert again.status is ExecutionStatus.Uploaded
    files = again.uploaded_assets["deriva-ml/Execution_Asset"]
    assert [f.name for f in files] == ["log.txt", "same.txt", "same.txt"]
    assert {f.asset_rid for f in files} == {a.asset_rid for a in ml.list_assets("Execution_Asset")}
    again.upload_execution_outputs()
    assert ml.catalog.latest_snapshot() == before
    assert len(ml.get_table_as_dict("Subject")) == 3


def test_a_resumed_execution_has_its_inputs_and_registered_outputs(
    ml: DerivaML, program: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("in")
    dataset = ml.create_dataset(description="d")
    first = ml.create_execution(
        datasets=[f"{dataset}@0.1.0"],
        assets=[{"path": str(tmp_path / "in.txt")}],
        workflow=program.WORKFLOW,
        description="first",
    )
    first.execution_start()
    first.asset_file_path("Execution_Asset", "a.txt", description="A").write_text("x")
    exe = ml.restore_execution()
    assert exe.execution_rid == first.execution_rid
    assert exe.status is ExecutionStatus.Running
    assert exe.configuration == first.configuration
    assert exe.dataset_rids == [dataset]
    assert exe.asset_paths["File"][0].read_text() == "in"
    exe.upload_execution_outputs()
    assert ml.list_assets("Execution_Asset")[0].description == "A"


def test_commit_pending_uploads_what_has_ended_and_only_that(
    ml: DerivaML, program: ModuleType
) -> None:
    ended, running = (ml.create_execution(workflow=program.WORKFLOW) for _ in range(2))
    for exe in (ended, running):
        exe.execution_start()
        exe.asset_file_path("Execution_Asset", f"{exe.rid}.txt").write_text("x")
    ended.execution_stop()
    assert ml.pending_summary().has_pending
    report = ml.commit_pending_executions()
    assert report.execution_rids == [ended.rid]
    assert report.errors == []
    assert ml.lookup_execution(ended.rid).status is ExecutionStatus.Uploaded
    assert [s.rid for s in ml.find_incomplete_executions()] == [running.rid]
    assert len(ml.list_executions(status="Uploaded")) == 1


def test_a_journal_that_contradicts_the_catalog_is_an_error(
    ml: DerivaML, program: ModuleType
) -> None:
    exe = ml.create_execution(workflow=program.WORKFLOW)
    table = TableName("Execution", "deriva-ml")
    ml.catalog.update(table, [{"RID": exe.rid, "Status": "Uploaded"}], targets=("Status",))
    with pytest.raises(DerivaMLException, match="Uploaded in catalog"):
        ml.resume_execution(exe.rid)
    ml.catalog.update(table, [{"RID": exe.rid, "Status": "Aborted"}], targets=("Status",))
    assert ml.resume_execution(exe.rid).status is ExecutionStatus.Aborted
    with pytest.raises(DerivaMLException, match="no journal"):
        ml.resume_execution("1ZZZ")


def test_gc_forgets_what_is_over_and_keeps_what_waits(ml: DerivaML, program: ModuleType) -> None:
    done, waiting = (ml.create_execution(workflow=program.WORKFLOW) for _ in range(2))
    done.upload_execution_outputs()
    waiting.execution_start()
    assert ml.gc_executions(older_than=1) == 0
    assert ml.gc_executions() == 1
    assert [s.rid for s in ml.list_executions()] == [waiting.rid]
    assert ml.clean_execution_dirs()["dirs_removed"] == 0
    waiting.abort()
    assert ml.gc_executions(delete_working_dir=True) == 1
    assert ml.list_execution_dirs() == []


def test_a_directory_that_cannot_be_written_is_one_clear_error(
    ml: DerivaML, program: ModuleType
) -> None:
    before = ml.catalog.latest_snapshot()
    ml.working_dir.mkdir(parents=True, exist_ok=True)
    (ml.working_dir / "execution").write_text("a file where a directory should be")
    with pytest.raises(DerivaMLException, match="working directory"):
        ml.create_execution(workflow=program.WORKFLOW)
    assert ml.catalog.latest_snapshot() == before


@pytest.mark.slow
def test_a_full_disk_fails_the_upload_and_a_second_try_succeeds(
    prepared: Path, tmp_path: Path
) -> None:
    program = f"""
import resource, signal, sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
import run_and_die
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLUploadError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ml = DerivaML({str(prepared)!r}, 1, working_dir={str(tmp_path / "w")!r})
exe = ml.create_execution(workflow=run_and_die.WORKFLOW)
with exe.execute():
    run_and_die.train(ml, exe)
before = len(ml.get_table_as_dict("Subject"))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
try:
    exe.upload_execution_outputs()
except DerivaMLUploadError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert len(ml.get_table_as_dict("Subject")) == before
assert exe.status == "Failed", exe.status
exe.upload_execution_outputs()
spare = {{"hydra", "hydra_zen", "httpx", "sqlalchemy.dialects.postgresql"}}
assert not spare & set(sys.modules), sys.modules
print(exe.status, len(ml.get_table_as_dict("Subject")) - before)
"""
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert done.stdout.splitlines()[-1] == "Uploaded 2"
