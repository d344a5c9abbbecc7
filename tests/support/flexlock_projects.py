"""A small project under git, for tests that need real runs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flexlock import runlock

__all__ = ["git", "make_project", "record", "shell"]


def shell(folder: Path, *words: str) -> str:
    """Run a command, which must succeed, and return what it printed."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def git(folder: Path, *words: str) -> str:
    """Run git with an identity of its own."""
    return shell(folder, "git", "-c", "user.name=T", "-c", "user.email=t@localhost", *words)


def make_project(root: Path, files: Mapping[str, str]) -> Path:
    """Make a repository with one commit; `data` and `results` are ignored."""
    root.mkdir(parents=True)
    git(root, "init", "--quiet", "-b", "main")
    for name, text in {".gitignore": "data/\nresults/\n__pycache__/\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "First")
    return root


def record(root: Path, name: str, files: Mapping[str, str] | None = None, **asked: Any) -> Path:
    """Record a complete run of the project in ``results/<name>``, with the given outputs."""
    directory = root / "results" / name
    config = {"save_dir": str(directory), **asked.pop("config", {})}
    asked.setdefault("repos", {"main": root})
    with runlock(config=config, **asked) as run:
        for file, text in (files or {}).items():
            (directory / file).write_text(text)
        run.result = asked.get("note")
    return directory
