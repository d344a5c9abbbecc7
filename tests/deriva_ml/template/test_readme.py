"""A new project on a fresh machine, exactly as its README says."""

from __future__ import annotations

import json
import re
import subprocess
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


def script_of(readme: str) -> str:
    """All blocks of a README as one script, which names each block before it begins."""
    lines = []
    for number, (language, code) in enumerate(BLOCK.findall(readme)):
        lines.append(f"echo '{STOP} {number}'")
        lines.append(code if language == "sh" else f"python - <<'EOF'\n{code}EOF\n")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Path, str]:
    """The machine, the project and what was printed when the README was followed to its end."""
    place = tmp_path_factory.mktemp("fresh")
    machine = fresh_machine(place)
    before = {**machine.environment}
    machine.environment["PYTHONPATH"] += f":{unpacked(machine)}"
    made = machine.run("python -m deriva_ml.cli.init demo", place)
    assert made.returncode == 0, made.stdout
    machine.environment.clear()
    machine.environment.update(before)
    project = place / "demo"
    # Other tests may use the port that the README names.
    port = str(free_port())
    server = "src/configs/deriva.py"
    change = f"sed -i 's/8080/{port}/' {server} && git commit --quiet --all --message Port"
    assert machine.run(change, project).returncode == 0
    script = script_of((project / "README.md").read_text()).replace("8080", port)
    done = machine.run(script, project)
    assert done.returncode == 0, done.stdout[-6000:]
    return machine, project, done.stdout


Followed = tuple[Machine, Path, str]


def test_the_page_of_the_manual(followed: Followed) -> None:
    machine, project, _ = followed
    script = script_of(PAGE.read_text(encoding="utf-8"))
    commands = (
        f". {project}/.venv/bin/activate; mkdir {machine.place}/page; cd {machine.place}/page\n"
    )
    done = machine.run(commands + script, machine.place)
    assert done.returncode == 0, done.stdout[-6000:]
    printed = done.stdout.split(STOP)[1:]
    assert "Begin with the project template" in printed[0]
    assert "filter: nbstripout" in printed[4]
    assert "-m nbstripout" in printed[4]
    assert printed[5].count("v0.1.0") == 3
    assert "src/summary.py" in printed[6]


def test_the_work_is_committed_and_has_a_version(followed: Followed) -> None:
    project = followed[1]
    words = ["git", "describe", "--tags"]
    said = subprocess.run(words, cwd=project, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "v0.1.0"
    words = ["git", "status", "--porcelain"]
    said = subprocess.run(words, cwd=project, capture_output=True, text=True, check=True).stdout
    assert said == ""


def test_each_run_is_in_the_catalog(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, project, _ = followed
    home = Path(machine.environment["HOME"])
    [catalogs] = home.rglob("catalogs")
    monkeypatch.setenv("DERIVA_ML_HOME", str(catalogs.parent))
    ml = DerivaML("localhost", "demo")
    runs = [run for run in ml.find_executions() if run.start_time]
    assert {str(run.status) for run in runs} == {"Uploaded"}
    told = sorted(run.description.partition(" [overrides")[0] for run in runs)
    assert told == sorted(
        [
            "Load the pictures",
            "Make the dataset",
            "Split the dataset",
            "Baseline classifier",
            *(f"[Job {number}] Three learning rates" for number in range(3)),
            "Three learning rates",
            "Compare the training runs",
            "Three epochs, to see that everything works",  # on the server
        ]
    )
    recorded = json.loads((project / "src" / "configs" / "datasets.json").read_text())
    trained = [run for run in runs if run.description.startswith("Baseline")]
    [used] = trained[0].list_input_datasets()
    assert used.dataset_rid == recorded["split"]["rid"]
    notebook = next(run for run in runs if run.description.startswith("Compare"))
    kept = {asset.filename for asset in notebook.list_assets(asset_role="Output")}
    assert {"results.ipynb", "results.md", "runs.csv"} <= kept
    ml.catalog.close()


def test_what_is_printed(followed: Followed) -> None:
    printed = followed[2].split(STOP)[1:]
    assert "learning_rates" in printed[2]  # the list of what there is
    assert "best" in printed[4]  # the notebook's parameters
    assert printed[5].count("Three learning rates [") == 3
    assert "Baseline classifier" in printed[6]
    assert "passed" in printed[7]
    assert "v0.1.0" in printed[7]
    assert not [line for line in printed if "Traceback" in line]
