"""``deriva-ml-upload``: what executions left is uploaded, and the exit status says how it went."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml import Workflow
from deriva_ml.cli.upload import main
from deriva_ml.core.base import DerivaML
from deriva_ml.core.enums import ExecutionStatus

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


@pytest.fixture
def ended(ml: DerivaML) -> str:
    """An execution that ended and was not uploaded."""
    with ml.create_execution(workflow=CODE) as exe:
        exe.asset_file_path("Image", "a.png").write_text("a")
    return exe.execution_rid


def run(ml: DerivaML, *words: str) -> int:
    ml.catalog.close()
    base = ml.working_dir
    while base.name != "work":
        base = base.parent
    return main(["--host", ml.host_name, "--working-dir", str(base), *words])


def test_what_waits_is_uploaded(
    ml: DerivaML, ended: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ml) == 0
    told = capsys.readouterr().out
    assert told.startswith("1 executions: 4 uploaded, 0 failed.")
    assert "zoo/Image: 1 uploaded, 0 failed" in told
    assert ml.lookup_execution(ended).status is ExecutionStatus.Uploaded
    assert ml.resume_execution(ended).working_dir.joinpath("assets").is_dir()
    assert run(ml) == 0
    assert "0 executions" in capsys.readouterr().out


def test_named_executions_are_uploaded_and_cleaned(ml: DerivaML, ended: str) -> None:
    other = ml.create_execution(workflow=CODE)
    with other:
        other.asset_file_path("Image", "b.png").write_text("b")
    assert run(ml, "--execution", ended, "--clean") == 0
    assert not ml.resume_execution(ended).working_dir.joinpath("assets").exists()
    assert ml.lookup_execution(other.execution_rid).status is ExecutionStatus.Stopped


def test_a_failure_is_told_and_stops_no_other(
    ml: DerivaML, ended: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ml.create_execution(workflow=CODE)
    with broken:
        broken.asset_file_path("Image", "missing.png")
    assert run(ml) == 1
    assert "missing.png" in capsys.readouterr().err
    assert ml.lookup_execution(ended).status is ExecutionStatus.Uploaded


def test_offline_says_what_waits(
    ml: DerivaML, ended: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ml, "--mode", "offline") == 1
    assert f"Execution {ended}: 4 files and 0 rows are pending." in capsys.readouterr().out
    with ml.create_execution(workflow=CODE) as other:
        other.asset_file_path("Image", "b.png").write_text("b")
    assert run(ml, "--mode", "offline", "--execution", other.execution_rid) == 1
    told = capsys.readouterr().out
    assert other.execution_rid in told
    assert ended not in told
    assert run(ml, "--mode", "offline", "--execution", "ZZZZ") == 2
    assert ended in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(ml, "--mode", "offline", "--clean")
    assert "--clean" in capsys.readouterr().err
    assert run(ml) == 0
    assert run(ml, "--mode", "offline") == 0
    assert "Nothing is pending." in capsys.readouterr().out


def test_what_cannot_be_done_is_status_2(
    ml: DerivaML,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--host", str(tmp_path / "nowhere"), "--catalog", "1"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert run(ml, "--execution", "ZZZZ") == 2
    assert "ZZZZ" in capsys.readouterr().err
    assert run(ml, "--working-dir", str(tmp_path / "wrok")) == 2
    assert "There is no directory" in capsys.readouterr().err
    assert not (tmp_path / "wrok").exists()
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "give --host" in capsys.readouterr().err
    ml.write_context(tmp_path)
    ml.catalog.close()
    assert main([]) == 0
