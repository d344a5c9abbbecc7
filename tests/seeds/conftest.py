"""The lab that the documents speak of: a catalog of this machine, and a project under git."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from deriva_ml import DerivaML
from deriva_ml.schema import create_ml_catalog
from warm_python import commands

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Lab:
    """A home with a catalog, a copy of it that stands for another host, and what is in them.

    Attributes:
        root: The directory of it all; also the user's home.
        rids: The RIDs of the rows, by the names that the projects give them.
    """

    root: Path
    rids: Mapping[str, str]

    @property
    def store(self) -> Path:
        """Where this machine keeps its catalogs."""
        return self.root / "store"

    @property
    def staging(self) -> Path:
        """The catalog that stands for another host."""
        return self.root / "staging"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the user's commands."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DERIVA_", "GIT_"))}
        return {
            **kept,
            "HOME": str(self.root),
            "DERIVA_ML_HOME": str(self.store),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # `uv run` takes this environment as it is, and finds its commands or those above.
            "PATH": os.pathsep.join(
                (str(self.root / "bin"), str(Path(sys.executable).parent), kept["PATH"])
            ),
            "UV_NO_SYNC": "1",
            "UV_OFFLINE": "1",
            "UV_PROJECT_ENVIRONMENT": sys.prefix,
        }

    def project(self, name: str) -> Path:
        """A copy of a project, under git, that speaks of the rows there are."""
        place = self.root / name
        shutil.copytree(HERE / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        names = {**self.rids, "STAGING": str(self.staging)}
        for file in place.rglob("*.*"):
            text = file.read_text()
            for word, meant in names.items():
                text = text.replace(word, meant)
            file.write_text(text)
        (place / ".gitignore").write_text("__pycache__\nwork\n")
        self.git(place, "init", "--quiet", "--initial-branch", "main")
        self.git(place, "config", "user.email", "lab@example.org")
        self.git(place, "config", "user.name", "Lab")
        self.git(place, "remote", "add", "origin", "https://example.org/lab.git")
        self.git(place, "add", "--all")
        self.git(place, "commit", "--quiet", "--message", "Begin")
        return place

    def shell(self, place: Path, lines: str, **more: str) -> str:
        """What lines of the shell say; each of them must end well."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=place,
            capture_output=True,
            text=True,
            env={**self.environment, **more},
            check=False,
        )
        assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
        return done.stdout

    def git(self, place: Path, *words: str) -> str:
        """What git says."""
        return self.shell(place, shlex.join(["git", *words])).strip()


@pytest.fixture(scope="session")
def made_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab with datasets in two versions, and with weights."""
    root = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root))
        patch.setenv("DERIVA_ML_HOME", str(root / "store"))
        rids = _fill()
    _offer(root / "bin")
    shutil.copytree(root / "store" / "catalogs" / "1", root / "staging")
    return Lab(root, rids)


@pytest.fixture(scope="module")
def lab(made_lab: Lab) -> Iterator[Lab]:
    """The lab, as the one where this process is at home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(made_lab.root))
        patch.setenv("DERIVA_ML_HOME", str(made_lab.store))
        yield made_lab


def _offer(place: Path) -> None:
    """Make the commands of this project and those that it needs; it may not be installed."""
    place.mkdir()
    called = {name: target.split(":") for name, target in commands().items()}
    called["nbstripout"] = ["nbstripout._nbstripout", "main"]
    for name, (module, function) in called.items():
        code = f"import sys; from {module} import {function} as f; sys.argv[0] = {name!r}"
        line = shlex.join([sys.executable, "-c", f"{code}; sys.exit(f())"])
        (place / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        (place / name).chmod(0o755)
    (place / "uv").symlink_to(uv.find_uv_bin())


def _fill() -> dict[str, str]:
    """Make the catalog and return the RIDs of what is in it."""
    create_ml_catalog("localhost", "lab", catalog_alias="lab").close()
    ml = DerivaML("localhost", 1)
    ml.create_asset("Image", comment="Pictures")
    ml.add_dataset_element_type("Image")
    with ml.create_execution(workflow=ml.create_workflow("Load", "Ingest")) as run:
        for number in range(4):
            run.asset_file_path("Image", f"{number}.png").write_text(str(number))
        for name in ("old", "new"):
            run.asset_file_path("Execution_Asset", f"{name}.pt", "Model_File").write_text(name)
    made = run.upload_execution_outputs()
    pictures = [file.asset_rid for file in made["lab/Image"]]
    weights = {f.file_name: f.asset_rid for f in made["deriva-ml/Execution_Asset"]}
    with ml.create_execution(workflow=ml.create_workflow("Sort", "Ingest")) as run:
        sets = [run.create_dataset("Training", description="Pictures") for _ in range(3)]
        for number, dataset in enumerate(sets):
            dataset.add_dataset_members({"Image": pictures[: number + 1]})
            ml.increment_dataset_version(dataset.dataset_rid, "major")
        sets[0].add_dataset_members({"Image": pictures[2:]})
        ml.increment_dataset_version(sets[0].dataset_rid, "major")
    run.upload_execution_outputs()
    ml.catalog.close()
    names = dict(zip(("PIXA", "PIXB", "PIXC"), (d.dataset_rid for d in sets), strict=True))
    return {**names, "WTSA": weights["old.pt"], "WTSB": weights["new.pt"]}
