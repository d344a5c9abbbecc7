"""What a job leaves behind in the process of a worker."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from deriva_ml.execution.sweep_isolation import is_installed, isolated


def test_the_standard_library_is_known_through_links(tmp_path: Path) -> None:
    library = Path(json.__file__).parents[1]
    (tmp_path / "lib").symlink_to(library)
    assert is_installed(json.__file__)
    assert is_installed(str(tmp_path / "lib" / "json" / "__init__.py"))
    assert not is_installed(f"{library}-of-mine/json/__init__.py")
    assert is_installed("/usr/lib/python3/dist-packages/yaml/__init__.py")
    assert not is_installed(str(tmp_path / "my-site-packages" / "mine.py"))


def _project(place: Path) -> None:
    for name in ("plain_one", "with_extension"):
        (place / name).mkdir()
        (place / name / "__init__.py").write_text("seen = []\n")
    built = importlib.util.find_spec("markupsafe._speedups")
    assert built is not None
    assert built.origin is not None
    shutil.copy(built.origin, place / "with_extension")


def test_a_package_with_an_extension_module_is_not_imported_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _project(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(os.environ)
    try:
        with isolated():
            os.environ["LEAK"] = "1"
            importlib.import_module("plain_one")
            made = importlib.import_module("with_extension._speedups")
        assert dict(os.environ) == before
        assert "plain_one" not in sys.modules
        assert sys.modules["with_extension._speedups"] is made
        assert "with_extension" in sys.modules
        with isolated():
            sys.modules["with_extension"].seen.append(1)
        assert sys.modules["with_extension"].seen == []
    finally:
        for name in [n for n in sys.modules if n.startswith("with_extension")]:
            del sys.modules[name]
