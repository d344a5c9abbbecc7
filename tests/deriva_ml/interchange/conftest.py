"""One catalog in which work was done, for the tests of every format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_ml.core.base import DerivaML
from interchange_lab import Lab, make_lab


@pytest.fixture(scope="session")
def lab(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The catalog, which tests may read, and write what others do not look at."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(_template, root / "catalog")
    lab = make_lab(DerivaML(str(root / "catalog"), working_dir=root / "work"), root)
    yield lab
    lab.ml.catalog.close()
