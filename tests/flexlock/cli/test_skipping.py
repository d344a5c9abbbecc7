"""``--skip_if_done`` on the command line of a script."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock import read_lock

Shell = Callable[..., subprocess.CompletedProcess[str]]

SCRIPT = """
from pathlib import Path
from flexlock import clicfg, runlock

class Config:
    param = 1
    input_path = "data/input.csv"
    save_dir = "results/process"

@clicfg(config_class=Config)
def main(cfg):
    out = Path(cfg.save_dir, "out.txt")
    runlock(config=cfg, repos=["."], data=[cfg.input_path], outputs=[out])
    out.write_text(Path(cfg.input_path).read_text() * cfg.param)
    with open("calls.txt", "a") as calls:
        calls.write(f"{cfg.param}\\n")
    return {"param": cfg.param}

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def script(folder: Path, shell: Shell) -> Path:
    (folder / "process.py").write_text(SCRIPT)
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("calls.txt\nresults/\n__pycache__/\n")
    return folder


def calls(script: Path) -> list[str]:
    return (script / "calls.txt").read_text().split()


def test_done_run_is_skipped_and_another_is_not(script: Path, shell: Shell) -> None:
    line = "python process.py --skip_if_done"
    first = shell(line)
    assert first.returncode == 0, first.stderr
    assert "no finished run to reuse" in first.stderr
    again = shell(line)
    assert again.returncode == 0, again.stderr
    assert "skipped: run" in again.stderr
    assert "its 1 recorded output is still there" in again.stderr
    assert calls(script) == ["1"]
    other = shell(f"{line} -o param 2 -o save_dir results/other")
    assert "config param: 2 != 1" in other.stderr
    assert calls(script) == ["1", "2"]
    shell("python process.py")
    assert calls(script) == ["1", "2", "1"], "nothing is reused unless it is asked for"


def test_reuse_in_another_directory_is_recorded(script: Path, shell: Shell) -> None:
    shell("python process.py")
    line = "python process.py --skip-if-done -o save_dir=results/copy"
    preview = shell(f"{line} --dry_run")
    assert "would skip" in preview.stdout
    assert not (script / "results/copy").exists()
    done = shell(line)
    assert done.returncode == 0, done.stderr
    lock = read_lock(script / "results/copy")
    assert lock.extra["reused"] == read_lock(script / "results/process").id
    assert lock.result == {"param": 1}
    assert calls(script) == ["1"]
    shown = shell("python -m flexlock.cli show results/copy").stdout
    assert f"reused    {lock.extra['reused']} in " in shown


def test_edits_of_input_and_output_are_seen(script: Path, shell: Shell) -> None:
    line = "python process.py --skip_if_done"
    shell(line)
    (script / "data/input.csv").write_text("other\n")
    assert "data input" in shell(line).stderr
    (script / "results/process/out.txt").unlink()
    assert "is missing" in shell(line).stderr
    assert calls(script) == ["1", "1", "1"]


def test_search_elsewhere(script: Path, shell: Shell) -> None:
    shell("python process.py -o save_dir archive/one")
    line = "python process.py --skip_if_done"
    assert "skipped" in shell(f"{line} --search_dir archive").stderr
    assert calls(script) == ["1"]
    assert read_lock(script / "results/process").extra["reused_from"].endswith("archive/one")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--skip_if_done -o save_dir null", "It needs a save_dir"),
        ("--skip_if_done --search_dir nowhere", "no folder 'nowhere'"),
        ("--search_dir results", "Add --skip_if_done"),
        ("--skip_if_done --tasks t.txt --task_to param", "done tasks are skipped anyway"),
    ],
)
def test_wrong_use(script: Path, shell: Shell, words: str, told: str) -> None:
    (script / "t.txt").write_text("1\n")
    done = shell(f"python process.py {words}")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (script / "calls.txt").exists()
