"""A new project on a fresh machine, exactly as its README says."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("papermill", reason="the notebook extra is not installed")
pytest.importorskip("uvicorn", reason="the server extra is not installed")

from deriva_ml import DerivaML
from fresh_machine import Machine, free_port, fresh_machine, unpacked

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "running" / "project.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STOP = "@@ block"
STEPS = ("Load", "Make the dataset of", "Split the dataset of")


def blocks_of(page: str, name: str) -> str:
    """The blocks of a page as one script, each named before it begins."""
    lines = []
    for number, (language, code) in enumerate(BLOCK.findall(page)):
        lines.append(f"echo '{STOP} {name} {number}'")
        lines.append(code if language == "sh" else f"python - <<'EOF'\n{code}EOF\n")
    return "\n".join(lines)


@dataclass(frozen=True)
class Followed:
    """What was done and what was printed, by the name and the number of each block."""

    machine: Machine
    project: Path
    variable: str
    printed: dict[str, str]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """A project whose README was followed to its end, and then the page of the manual."""
    place = tmp_path_factory.mktemp("fresh")
    machine = fresh_machine(place)
    before = {**machine.environment}
    machine.environment["PYTHONPATH"] += f":{unpacked(machine)}"
    made = machine.run("python -m deriva_ml.cli.init demo", place)
    assert made.returncode == 0, made.stdout
    machine.environment.clear()
    machine.environment.update(before)
    [variable] = re.findall(r"^  (export DERIVAML=.*)$", made.stdout, re.MULTILINE)
    project = place / "demo"
    # Other tests may use the port that the README names.
    port = str(free_port())
    change = f"sed -i 's/8080/{port}/' src/configs/deriva.py && git commit --quiet -am Port"
    readme = blocks_of((project / "README.md").read_text(), "readme").replace("8080", port)
    # The page makes a project of its own, and goes on in the one that has all there is.
    begin, stop, rest = blocks_of(PAGE.read_text(encoding="utf-8"), "page").partition(
        f"echo '{STOP} page 1'"
    )
    page = f"cd '{place}'\n{begin}\ncd '{project}'\n{stop}{rest}"
    done = machine.run("\n".join([variable, change, readme, page]), project)
    assert done.returncode == 0, done.stdout[-6000:]
    printed = dict(part.split("\n", 1) for part in done.stdout.split(f"{STOP} ")[1:])
    return Followed(machine, project, variable, printed)


def test_the_page_of_the_manual(followed: Followed) -> None:
    printed = followed.printed
    assert "Begin with the project template" in printed["page 0"]
    # What pip wrote down leads to the same wheel again.
    assert followed.variable in printed["page 0"]
    assert followed.machine.wheel.name in followed.variable
    assert "filter: nbstripout" in printed["page 4"]
    assert "-m nbstripout" in printed["page 4"]
    assert printed["page 5"].splitlines() == ["v0.1.1 (nothing was made)", "v0.2.0", "v0.2.0"]
    assert "src/summary.py" in printed["page 6"]


def test_the_work_is_committed_and_has_a_version(followed: Followed) -> None:
    project = followed.project
    words = ["git", "tag", "--list"]
    said = subprocess.run(words, cwd=project, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["v0.1.0", "v0.2.0"]
    words = ["git", "status", "--porcelain"]
    said = subprocess.run(words, cwd=project, capture_output=True, text=True, check=True).stdout
    assert said == ""


def test_no_committed_file_names_a_place_of_this_machine(followed: Followed) -> None:
    words = ["git", "grep", "-I", "--files-with-matches", str(followed.machine.place)]
    found = subprocess.run(words, cwd=followed.project, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "")


@pytest.fixture
def catalog(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> Iterator[DerivaML]:
    """The catalog of the project."""
    home = Path(followed.machine.environment["HOME"])
    [catalogs] = home.rglob("catalogs")
    monkeypatch.setenv("DERIVA_ML_HOME", str(catalogs.parent))
    ml = DerivaML("localhost", "demo")
    yield ml
    ml.catalog.close()


def test_each_run_is_in_the_catalog(followed: Followed, catalog: DerivaML) -> None:
    runs = [run for run in catalog.find_executions() if run.start_time]
    assert {str(run.status) for run in runs} == {"Uploaded"}
    told = sorted(run.description.partition(" [overrides")[0] for run in runs)
    assert told == sorted(
        [
            *(f"{step} {count} pictures, data version 1" for step in STEPS for count in (120, 60)),
            "Baseline classifier",
            *(f"[Job {number}] Three learning rates" for number in range(3)),
            "Three learning rates",
            "Compare the training runs",
            "Three epochs, to see that everything works",  # on the server
            "Shape classification",  # of the page
        ]
    )
    notebook = next(run for run in runs if run.description.startswith("Compare"))
    kept = {asset.filename for asset in notebook.list_assets(asset_role="Output")}
    assert {"results.ipynb", "results.md", "runs.csv"} <= kept


def test_a_run_takes_what_was_loaded_last(followed: Followed, catalog: DerivaML) -> None:
    record = "src/configs/datasets.json"
    for count, version, description in (
        (120, "v0.1.0", "Baseline classifier"),
        (60, "v0.2.0", "Shape classification"),
    ):
        words = ["git", "show", f"{version}:{record}"]
        said = subprocess.run(words, cwd=followed.project, capture_output=True, check=True).stdout
        recorded = json.loads(said)
        whole = catalog.lookup_dataset(recorded["complete"]["rid"])
        assert len(whole.list_members("Picture")) == count
        runs = catalog.find_executions(workflow_type="Training")
        [run] = [r for r in runs if r.description.partition(" [")[0] == description]
        [used] = run.list_input_datasets()
        assert used.dataset_rid == recorded["split"]["rid"]


def test_what_is_printed(followed: Followed) -> None:
    printed = followed.printed
    assert "learning_rates" in printed["readme 2"]  # the list of what there is
    assert "best" in printed["readme 4"]  # the notebook's parameters
    assert printed["readme 5"].count("Three learning rates [") == 3
    assert "Baseline classifier" in printed["readme 6"]
    assert "passed" in printed["readme 7"]
    assert "v0.1.0" in printed["readme 7"]
    assert not [text for text in printed.values() if "Traceback" in text]
