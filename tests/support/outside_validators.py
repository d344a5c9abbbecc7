"""Other people's validators, each in an environment of its own, run on what we write.

``make validators`` makes the environments; a test that needs one that is not there is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "validators"
_LONGEST = 600


@dataclass(frozen=True)
class Validator:
    """An environment with a validator, and a script that asks it."""

    place: Path
    script: Path

    def ask(self, folder: Path, **question: Any) -> Any:
        """What the script answers; `folder` is for its files."""
        folder.mkdir(parents=True, exist_ok=True)
        told = folder / "told.json"
        asked = {**question, "told": str(told), "folder": str(folder)}
        done = subprocess.run(
            [str(self.place / "bin" / "python"), str(self.script), json.dumps(asked)],
            cwd=folder,
            env={
                "HOME": str(folder),
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "PYTHONWARNINGS": "ignore",
            },
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        assert done.returncode == 0, f"{self.script.name} ended:\n{done.stderr[-4000:]}"
        return json.loads(told.read_text())


def validator(name: str, script: str) -> Validator:
    """The environment of a validator, or a skipped test."""
    place = Path(sys.prefix) / "validators" / name
    if not (place / "ready").exists():
        pytest.skip(f"The validator is not installed in {place}: make validators")
    return Validator(place, SCRIPTS / script)


def crate_findings(folder: Path, crates: dict[str, tuple[Path, str]]) -> dict[str, dict[str, Any]]:
    """What RO-Crates lack, by name: each is given as its place and the profile that it keeps."""
    found = validator("rocrate", "crates.py")
    asked = [{"path": str(path), "profile": profile} for path, profile in crates.values()]
    answers = found.ask(folder, contexts=str(found.place / "contexts"), crates=asked)
    return dict(zip(crates, answers, strict=True))
