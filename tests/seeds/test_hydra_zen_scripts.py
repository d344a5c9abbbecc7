"""The scripts of the document on hydra-zen, started by the lines that it starts them with.

======================================  ==========================================================
heading of the document                 test
======================================  ==========================================================
Overview                                test_the_command_runs_the_same_groups
Working Directory Configuration         test_the_defaults_train_and_upload
Complete Execution Configuration        test_the_combined_configuration_takes_each_line
Using with Hydra CLI                    test_the_combined_configuration_takes_each_line
Example: Complete ML Script             test_the_script_in_one_file
Model Protocol                          test_the_model_follows_the_protocol
Model Implementation                    test_the_defaults_train_and_upload
Model Configuration with zen_partial    test_each_line_trains_with_its_settings
Model Runner                            test_the_defaults_train_and_upload
Model Runner                            test_a_dry_run_leaves_no_trace
Main Script                             test_the_defaults_train_and_upload
Running the Model                       test_each_line_trains_with_its_settings
Running the Model                       test_a_sweep_trains_each
======================================  ==========================================================

The document's script in one file decorates its function with ``@zen(Config)``, forgets an import,
and declares ``datasets=list``, into which Hydra merges no list. What it means is shown: the
function gets the whole configuration, as ``zen_cfg``.
The line with ``+datasets=`` goes with a configuration that has the key and no default for it.
"""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deriva_ml import DerivaML
from warm_python import WarmPython, warm_python

LIBRARIES = (
    "hydra._internal.hydra",
    "rich.console",
    "deriva_catalog.bag.export",
    "deriva_catalog.bag.index",
    "deriva_catalog.catalog.local",
    "deriva_catalog.catalog.remote",
    "deriva_catalog.engine.sqlite.storage",
    "deriva_ml.core.base",
    "deriva_ml.dataset.bag",
    "deriva_ml.dataset.dataset",
    "deriva_ml.dataset.download",
    "deriva_ml.execution.commit",
    "deriva_ml.execution.execution",
    "deriva_ml.execution.runner",
    "deriva_ml.execution.sweep",
)


@pytest.fixture(scope="module")
def shell(lab: Any) -> Iterator[WarmPython]:
    """The project's directory, where lines are typed."""
    place = lab.project("hydra_project")
    with warm_python(place, lab.environment, LIBRARIES) as warm:
        yield warm


@pytest.fixture(scope="module")
def ml(lab: Any) -> Iterator[DerivaML]:
    connection = DerivaML("localhost", 1)
    yield connection
    connection.catalog.close()


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def runs(told: list[str]) -> list[str]:
    """The RIDs of the runs that a line made; all of them were uploaded."""
    found = [line.split()[1:3] for line in told if line.startswith("run ")]
    assert {status for _, status in found} == {"Uploaded"}
    return [rid for rid, _ in found]


def weights(ml: DerivaML, rid: str) -> str:
    """What a run wrote into the file of its weights."""
    made = [a for a in ml.lookup_execution(rid).list_assets("Output")]
    (file,) = (a for a in made if a.filename == "trained_model.pt")
    assert set(file.asset_types) == {"Output_File"}
    return Path(file.download(Path())).read_text()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_train_and_upload(shell: WarmPython, lab: Any, ml: DerivaML) -> None:
    user = shell.directory / "work" / getpass.getuser() / "deriva-ml"
    before = set(user.glob("hydra/*"))
    # Once as it is typed: nothing has been imported before.
    told = lab.shell(shell.directory, "python train.py").splitlines()
    (where,) = set(user.glob("hydra/*")) - before
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", where.name)
    own = yaml.safe_load((where / "hydra-config" / "config.yaml").read_text())
    assert (own["model_config"]["epochs"], own["dry_run"]) == (10, False)
    assert told[:2] == ["from Execution_Asset old", "on 1 pictures"]
    (rid,) = runs(told)
    assert weights(ml, rid) == "0.001 10 32"
    run = ml.lookup_execution(rid)
    assert run.description == "Nightly training"
    assert [d.dataset_rid for d in run.list_input_datasets()] == [lab.rids["PIXA"]]
    assert lab.rids["WTSA"] in {a.asset_rid for a in run.list_assets("Input")}
    kept = " ".join(sorted(a.filename for a in run.list_assets("Output")))
    assert re.search(r"config\.yaml .*hydra\.yaml .*overrides\.yaml", kept)
    workflow = ml.lookup_workflow(str(run.workflow_rid))
    assert (workflow.name, workflow.workflow_types) == ("Recognise pictures", ["Training"])
    assert workflow.url.startswith("https://example.org/lab/blob/")


@pytest.mark.parametrize(
    ("words", "read", "written"),
    [
        ("model_config=long_training", "on 1 pictures", "0.0001 100 32"),
        ("model_config=fast_training datasets=validation", "on 2 pictures", "0.01 5 32"),
        ("model_config.epochs=25 model_config.learning_rate=0.003", "on 1 pictures", "0.003 25 32"),
    ],
)
def test_each_line_trains_with_its_settings(
    shell: WarmPython, ml: DerivaML, words: str, read: str, written: str
) -> None:
    told = said(shell.run(f"python train.py {words}"))
    assert told[1] == read
    (rid,) = runs(told)
    assert weights(ml, rid) == written


def test_a_sweep_trains_each(shell: WarmPython, ml: DerivaML) -> None:
    line = "python train.py --multirun model_config=default,fast_training,long_training"
    made = runs(said(shell.run(line)))
    assert [weights(ml, rid) for rid in made] == ["0.001 10 32", "0.01 5 32", "0.0001 100 32"]
    user = shell.directory / "work" / getpass.getuser() / "deriva-ml"
    (sweep,) = (user / "hydra-sweep").iterdir()
    assert {p.name for p in sweep.iterdir() if p.is_dir()} == {"0", "1", "2"}


def test_a_dry_run_leaves_no_trace(shell: WarmPython, ml: DerivaML) -> None:
    before = ml.catalog.latest_snapshot()
    told = said(shell.run("python train.py dry_run=true model_config=large_batch"))
    assert told[2] == "with 0.001 50 128"
    assert told[-1].startswith("run 0000 ")
    (told,) = said(shell.run("deriva-ml-run --config-dir configs dry_run=true"))
    assert told.startswith("Dry run: ")
    assert ml.catalog.latest_snapshot() == before


def test_the_command_runs_the_same_groups(shell: WarmPython, ml: DerivaML) -> None:
    words = "+datasets=validation model_config=fast_training"
    told = said(shell.run(f"deriva-ml-run --config-dir configs {words}"))
    *said_by_model, uploaded, ran, where = told
    assert said_by_model == [
        "from Execution_Asset old",
        "on 2 pictures",
        "with 0.01 5 32",
    ]
    assert uploaded == "Uploaded to Execution_Asset: 'trained_model.pt'"
    rid = ran.removeprefix("Execution ").removesuffix(": Uploaded")
    assert where == f"Catalog 1: {ml.catalog.url}"
    assert weights(ml, rid) == "0.01 5 32"


def test_the_model_follows_the_protocol(shell: WarmPython) -> None:
    checked = shell.directory.parent / "protocol.py"
    checked.write_text(
        f"import sys; sys.path.insert(0, {str(shell.directory)!r})\n"
        "from models.model_protocol import DerivaMLModel\n"
        "from models.network import train_network\n"
        "import deriva_ml.execution as ours\n"
        "print([isinstance(x, p) for x in (train_network, 3)\n"
        "       for p in (DerivaMLModel, ours.DerivaMLModel)])\n"
    )
    assert said(shell.run(f"python {checked}")) == ["[True, True, False, False]"]


def test_the_combined_configuration_takes_each_line(shell: WarmPython, lab: Any) -> None:
    first, second = (f"{lab.rids[name]}@" for name in ("PIXA", "PIXB"))
    told = said(shell.run("python application.py"))
    assert told[0] == f"on {first}1.0.0"
    assert told[1].endswith("/store/catalogs/1")
    told = said(shell.run(f"python application.py deriva_ml.hostname={lab.staging}"))
    assert told[0] == f"on {first}1.0.0"
    assert told[1].endswith("/staging")
    told = said(shell.run("python application.py +datasets=training_v2"))
    assert told[0] == f"on {first}2.0.0 {second}1.0.0"
    assert told[1].endswith("/store/catalogs/1")
    line = "python application.py --multirun +datasets=training_v1,training_v2"
    told = [t for t in said(shell.run(line)) if t.startswith("on ")]
    assert told == [f"on {first}1.0.0", f"on {first}2.0.0 {second}1.0.0"]


def test_the_script_in_one_file(shell: WarmPython, ml: DerivaML) -> None:
    told = said(shell.run("python script.py"))
    assert told[0] == "on 1 pictures"
    (rid,) = runs(told)
    run = ml.lookup_execution(rid)
    assert run.description == "One file"
    assert ml.lookup_workflow(str(run.workflow_rid)).url.endswith("/script.py")
    told = said(shell.run("python script.py deriva_ml=prod datasets=corrected"))
    assert told[0] == "on 3 pictures"
