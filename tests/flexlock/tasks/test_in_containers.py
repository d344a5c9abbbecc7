"""Local workers in a container, whose runtime is played by a small recorded program.

It takes the command line of ``docker run`` apart, as docker does, and runs the command here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flexlock.lock.document import read_lock
from sweeps import Sweep

DIGEST = "sha256:" + "cd" * 32

DOCKER = f"""
import os, sys
words = sys.argv[1:]
with open(os.path.join(os.environ["FAKE_DOCKER"], "calls"), "a") as file:
    print(*words, file=file)
if words[:2] == ["image", "inspect"]:
    print('[{{"Id": "sha256:0", "RepoDigests": ["img@{DIGEST}"]}}]')
    sys.exit(0)
assert words[0] == "run"
position, passed, workdir = 1, [], None
while words[position].startswith("-"):
    option = words[position]
    if option in ("--rm", "--init"):
        position += 1
        continue
    value = words[position + 1]
    if option == "--env":
        passed.append(value)
    if option == "--workdir":
        workdir = value
    position += 2
image, command = words[position], words[position + 1:]
os.chdir(workdir)
keep = {{name: os.environ[name] for name in passed}}
keep |= {{name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}}
os.execvpe(sys.executable, [sys.executable, *command[1:]], keep)
"""

SCRIPT = """
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    return cfg.param

if __name__ == "__main__":
    main()
"""


def test_workers_run_in_the_image_and_its_digest_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(f"#!{sys.executable}\n{DOCKER}")
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("FAKE_DOCKER", str(tmp_path))
    sweep = Sweep(tmp_path)
    sweep.write(SCRIPT, 3)
    done = sweep.run("--n_jobs=2", "--container", "img")
    assert done.returncode == 0, done.stderr
    assert [row.outcome.result for row in sweep.rows()] == [1, 2, 3]
    image = f"docker:img@{DIGEST}"
    assert read_lock(sweep.root).env.container == image
    assert read_lock(sweep.root / "param=1").env.container == image
    runs = [line for line in (tmp_path / "calls").read_text().splitlines() if "run" in line]
    assert f"--volume {tmp_path}:{tmp_path}" in runs[0]
    assert "img python3 -P -m flexlock.tasks.worker" in runs[0]
