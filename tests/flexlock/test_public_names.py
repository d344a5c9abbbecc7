"""What `import flexlock` gives, and what it leaves alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flexlock

SOURCES = Path(__file__).parents[2] / "src"
HEAVY = ("omegaconf", "yaml", "sqlite3", "pandas", "mlflow", "joblib", "rich", "blake3", "numpy")


def fresh(code: str, home: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCES),
            "HOME": str(home),
            **environment,
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", flexlock.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(flexlock, name)
    assert found.__doc__
    assert found.__module__.startswith("flexlock.")


def test_names_are_sorted_listed_and_unknown_ones_refused() -> None:
    assert flexlock.__all__ == sorted(set(flexlock.__all__))
    assert set(flexlock.__all__) == set(flexlock._HOMES)
    assert set(flexlock.__all__) <= set(dir(flexlock))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        flexlock.nothing  # noqa: B018


def test_importing_loads_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    code = "import sys, flexlock; from flexlock import clicfg, runlock, unsafe_debug, mlflow_lock;"
    loaded = fresh(f"{code} print(*sys.modules)", tmp_path, PYTHONDONTWRITEBYTECODE="1").split()
    assert [name for name in HEAVY if name in loaded] == []
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_home_is_no_obstacle(tmp_path: Path) -> None:
    home = tmp_path / "none"
    code = (
        "from pathlib import Path; from flexlock import runlock;"
        f"print(runlock({{'a': 1, 'save_dir': '{tmp_path}/out', 'token': 'abcdef'}}, []).path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HOME": "/proc/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not home.exists()
    assert re.search(r"token: '?\*\*\*", (tmp_path / "out/run.lock").read_text())
