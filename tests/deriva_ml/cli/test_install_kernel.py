"""``deriva-ml-install-kernel`` in real virtual environments, with a kernel that really starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel


def make_environment(tmp_path: Path, prompt: str) -> Path:
    """A virtual environment that sees the packages of this one; returns its interpreter."""
    venv.EnvBuilder(prompt=prompt, symlinks=True).create(tmp_path / ".venv")
    return tmp_path / ".venv" / "bin" / "python"


def command(python: str | Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG", "VIRTUAL"))}
    return subprocess.run(
        [str(python), "-m", "deriva_ml.cli.install_kernel", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_the_kernel_is_installed_for_the_user_and_named_after_the_prompt(tmp_path: Path) -> None:
    python = make_environment(tmp_path, "My Lab 2!")
    done = command(python, tmp_path / "home")
    assert (done.returncode, done.stderr) == (0, "")
    assert "'my-lab-2'" in done.stdout
    found = list((tmp_path / "home").rglob("my-lab-2/kernel.json"))
    spec = json.loads(found[0].read_text())
    assert spec["display_name"] == "Python (my-lab-2)"
    assert spec["argv"][0] == str(python)


def test_a_local_kernel_lies_in_the_environment_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(tmp_path, "lab")
    done = command(python, tmp_path / "home", "--install-local", "--name", "mine")
    assert done.returncode == 0, done.stderr
    share = tmp_path / ".venv" / "share" / "jupyter"
    assert (share / "kernels" / "mine" / "kernel.json").is_file()
    assert not list(tmp_path.glob("home/**/kernel.json"))
    monkeypatch.setenv("JUPYTER_PATH", str(share))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    manager, client = start_new_kernel(kernel_name="mine")
    try:
        told: list[str] = []
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=180,
            output_hook=lambda m: told.append(m["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
    assert "".join(told).strip() == str(tmp_path / ".venv")


def test_outside_an_environment_and_without_a_name_nothing_is_written(tmp_path: Path) -> None:
    outside = command(Path(sys.base_prefix) / "bin" / "python3", tmp_path)
    assert outside.returncode == 2
    assert "in no virtual environment" in outside.stderr
    nameless = command(make_environment(tmp_path, "lab"), tmp_path, "--name", "!!")
    assert nameless.returncode == 2
    assert "--name" in nameless.stderr
    assert not list(tmp_path.rglob("kernel.json"))
