"""The manual's page on other people's clients, as a reader follows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from foreign import ROOT, Foreign
from serve_command import serve_process

PAGE = ROOT / "docs" / "catalog" / "clients.md"
FENCE = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_round_with_deriva_py_works(deriva: Foreign, tmp_path: Path) -> None:
    [block] = FENCE.findall(PAGE.read_text())
    home, catalogs = tmp_path / "home", tmp_path / "catalogs"
    home.mkdir()
    with serve_process(catalogs) as served:
        host = f"localhost:{served.port}"
        subprocess.run(
            [sys.executable, "-m", "deriva_catalog.cli", "login", host, "--own"],
            env={**os.environ, "HOME": str(home), "DERIVA_ML_HOME": str(catalogs)},
            check=True,
            capture_output=True,
        )
        kept = json.loads((home / ".deriva" / "credential.json").read_text())
        assert list(kept) == [host]
        script = home / "page.py"
        script.write_text(block.replace("localhost:8080", host))
        done = Foreign(deriva.name, deriva.python, home).started([str(script)])
        assert done.returncode == 0, done.stderr
