"""The command and the documented scripts, in processes of their own."""

import getpass
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from warm_python import WarmPython, warm_python

BASE = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import AssetRIDConfig, Workflow, multirun_config, with_description
from deriva_ml.execution import base_defaults
from models.mine import run_model, train_classifier

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)
deriva_store = store(group="deriva_ml")
deriva_store(DerivaMLConf(hostname="localhost", working_dir="work"), name="default_deriva",
             zen_meta={"description": "This machine."})
deriva_store(DerivaMLConf, hostname="prod.org", catalog_id="100", working_dir="work", name="prod")

datasets_store = store(group="datasets")
datasets_store([DatasetSpecConfig(rid="TRNA", version="1.0.0")], name="default_dataset")
datasets_store(
    with_description([DatasetSpecConfig(rid="TRNA", version="2.0.0"),
                      DatasetSpecConfig(rid="TRNB", version="1.0.0")], "Both, corrected."),
    name="training_v2")

store(group="assets")([AssetRIDConfig(rid="RSN1", description="ResNet50")], name="default_asset")
store(builds(Workflow, name="Image Classification", workflow_type="Training",
             description="Train CNN classifier", populate_full_signature=True),
      group="workflow", name="default_workflow", zen_meta={"description": "The usual."})

ModelConfig = builds(train_classifier, learning_rate=1e-3, epochs=10, batch_size=32,
                     populate_full_signature=True, zen_partial=True)
model_store = store(group="model_config")
model_store(ModelConfig, name="default_model", zen_meta={"description": "Ten epochs."})
model_store(ModelConfig, name="fast_training", epochs=5, learning_rate=1e-2)

app = builds(run_model, description="Model training run", populate_full_signature=True,
             hydra_defaults=base_defaults)
store(app, name="deriva_model")
multirun_config("rates", ["model_config.learning_rate=0.1,0.2"], "Two rates")
"""

EXPERIMENTS = """
from hydra_zen import make_config, store
from .base import app
store(make_config(hydra_defaults=["_self_", {"override /model_config": "fast_training"},
                                  {"override /datasets": "training_v2"}],
                  description="Quick look", bases=(app,)),
      group="experiment", package="_global_", name="quick")
"""

# A runner that a project writes by hand. It prints what it was given: no catalog is needed.
MINE = """
from typing import Any
from deriva_ml import DerivaMLConfig, RID
from deriva_ml.dataset import DatasetSpec
from deriva_ml.execution import ExecutionConfiguration, Workflow

def train_classifier(learning_rate: float, epochs: int, batch_size: int,
                     ml_instance=None, execution=None) -> None:
    print("train", learning_rate, epochs, batch_size, execution)

def run_model(deriva_ml: DerivaMLConfig, datasets: list[DatasetSpec], assets: list[RID],
              description: str, workflow: Workflow, model_config: Any,
              dry_run: bool = False) -> None:
    given = ExecutionConfiguration(datasets=datasets, assets=assets, description=description)
    print("on", deriva_ml.hostname, repr(deriva_ml.catalog_id), *map(str, given.datasets))
    print("with", *given.assets, getattr(datasets, "description", "-"))
    print("about", given.description, "|", workflow.name, workflow.workflow_types)
    model_config(ml_instance=deriva_ml, execution="exe")
"""

SCRIPT = """
from hydra_zen import store, zen
from models.mine import run_model
import configs.base, configs.experiments

if __name__ == "__main__":
    store.add_to_hydra_store()
    zen(run_model).hydra_main(config_name="deriva_model", version_base="1.3", config_path=None)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    for name, text in {
        "configs/__init__.py": "",
        "configs/base.py": BASE,
        "configs/experiments.py": EXPERIMENTS,
        "models/__init__.py": "",
        "models/mine.py": MINE,
        "train.py": SCRIPT,
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    return tmp_path


Line = Callable[..., subprocess.CompletedProcess[str]]
LIBRARIES = ("hydra._internal.hydra", "deriva_ml.dataset", "deriva_ml.execution.runner")


def surroundings(home: Path) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
    return {**environment, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)}


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing imported."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=surroundings(project),
    )


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    place = tmp_path_factory.mktemp("warm") / "start"
    place.mkdir()
    with warm_python(place, surroundings(place), LIBRARIES) as ready:
        yield ready


@pytest.fixture
def script(project: Path, warm: WarmPython) -> Line:
    """Run the script in a process that has the libraries already."""

    def line(*words: str) -> subprocess.CompletedProcess[str]:
        said = shlex.join(["python", "src/train.py", *words])
        return warm.run(said, directory=project, environment=surroundings(project))

    return line


@pytest.fixture
def command(project: Path, warm: WarmPython) -> Line:
    """Run the command in a process that has the libraries already."""

    def line(*words: str) -> subprocess.CompletedProcess[str]:
        said = shlex.join(["deriva-ml-run", *words])
        return warm.run(said, directory=project, environment=surroundings(project))

    return line


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_script_of_the_documented_form_runs_where_documented(project: Path) -> None:
    done = run(project, "src/train.py")
    assert lines(done)[:4] == [
        "on localhost 1 TRNA@1.0.0",
        "with RSN1 -",
        "about Model training run | Image Classification ['Training']",
        "train 0.001 10 32 exe",
    ]
    (where,) = (project / "work" / getpass.getuser() / "deriva-ml" / "hydra").iterdir()
    kept = {p.name for p in (where / "hydra-config").iterdir()}
    assert kept == {"config.yaml", "hydra.yaml", "overrides.yaml"}


def test_script_takes_the_documented_overrides(script: Line) -> None:
    words = ("deriva_ml.hostname=x.org", "datasets=training_v2", "model_config=fast_training")
    done = script(*words, "model_config.epochs=25")
    assert lines(done) == [
        "on x.org 1 TRNA@2.0.0 TRNB@1.0.0",
        "with RSN1 Both, corrected.",
        "about Model training run | Image Classification ['Training']",
        "train 0.01 25 32 exe",
    ]


@pytest.mark.slow
def test_script_sweeps_into_numbered_directories(project: Path, script: Line) -> None:
    done = script("--multirun", "model_config=default_model,fast_training")
    assert [line for line in lines(done) if line.startswith("train")] == [
        "train 0.001 10 32 exe",
        "train 0.01 5 32 exe",
    ]
    (sweep,) = (project / "work" / getpass.getuser() / "deriva-ml" / "hydra-sweep").iterdir()
    assert {p.name for p in sweep.iterdir() if p.is_dir()} == {"0", "1"}


def test_command_runs_the_main_configuration(project: Path) -> None:
    words = ("+experiment=quick", "--host", "file:///data/a b", "--catalog", "digits")
    told = lines(run(project, "-m", "deriva_ml.cli.run", *words))
    assert told[0].startswith("on file:///data/a b 'digits'")
    assert told[2].startswith("about Quick look")
    assert told[3] == "train 0.01 5 32 exe"


@pytest.mark.slow
def test_command_expands_a_named_sweep(command: Line) -> None:
    told = lines(command("+multirun=rates", "deriva_ml=prod"))
    assert [line for line in told if line.startswith(("train", "about"))] == [
        "about Two rates | Image Classification ['Training']",
        "train 0.1 10 32 exe",
        "about Two rates | Image Classification ['Training']",
        "train 0.2 10 32 exe",
    ]


def test_command_lists_what_there_is(project: Path) -> None:
    # The second time for a reader that has gone, as `head` has.
    program = (
        "import os\n"
        "from deriva_ml.cli.run import main\n"
        "assert main(['--info']) == 0\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "assert main(['--list-configs']) == 0\n"
    )
    done = run(project, "-c", program)
    assert done.stderr == ""
    told = "\n".join(lines(done))
    for text in ("model_config=NAME", "fast_training", "Ten epochs.", "This machine.", "rates"):
        assert text in told
    assert "* default_model" in told  # what is used unless another is chosen
    for text in ("Both, corrected.", "The usual.", "+experiment=NAME", "Quick look"):
        assert text in told


SLIPS = [
    (["--config-dir", "nowhere"], "no configuration package in 'nowhere'"),
    (["fast_training"], "Did you mean 'model_config=fast_training'"),
    (["--alow-dirty"], "Did you mean '--allow-dirty'"),
    (["+multirun=rate"], "Did you mean 'rates'"),
    (["--config-name", "deriva_modl"], "Did you mean 'deriva_model'"),
    (["+multirun=rates", "--cfg", "job"], "leave out the sweep"),
    (["model_config=fast_trainin"], "Did you mean 'model_config=fast_training'?"),
    (["model_config.epoch=3"], "Did you mean 'model_config.epochs'? There are: batch_size,"),
    (["modl_config.epochs=3"], "Did you mean 'model_config'?"),
    (["modl_config=fast_training"], "Did you mean 'model_config'?"),
    (["~model_confg"], "Did you mean 'model_config'?"),
    (["+experiment=quik"], "Did you mean '+experiment=quick'?"),
    (["experiment=quick"], "Did you mean '+experiment=quick'? Nothing of 'experiment'"),
    (["deriva_ml.working_dir=/dev/null/w"], "cannot be made: [Errno 20] Not a directory:"),
    (["model_config.epochs=many"], "'many' of type 'str' could not be converted to Integer"),
    (["model_config.epochs=[1"], "'model_config.epochs=[1' is not understood"),
    (["description=it's"], "a text with commas, brackets or quotes is quoted twice"),
    (["model_config.epochs=1,2"], "For a run with each of the values, add -m."),
    (["--n_jobs", "2"], "--n_jobs and --slurm_config are for many runs"),
    (["-m", "model_config.epochs=1,2", "--n_jobs", "0"], "must be at least 1"),
    (["--task_to", "model_config.epochs"], "Add --tasks FILE"),
    (["--tasks", "none.txt", "--task_to", "a"], "The task list 'none.txt' does not exist"),
    (["--tasks", "epochs.txt"], "Give the key with --task_to KEY"),
    (
        ["--tasks", "epochs.txt", "--task_to", "model_config.epoch"],
        "Did you mean 'model_config.epo",
    ),
    (["--tasks", "tokens.txt", "--task_to", "api_token"], "In job 0: api_token=***"),
    (["--tasks", "empty.txt", "--task_to", "model_config.epochs"], "no tasks in 'empty.txt'"),
    (["-m", "--slurm_config", "none.yaml"], "none.yaml"),
    (["--token", "hunter2"], "add --host H"),
    (["--tsks", "epochs.txt"], "'--tsks' is not understood. Did you mean '--tasks'?"),
]


def test_what_is_refused_is_named_with_what_was_meant(project: Path) -> None:
    # One process for all: to start one takes longer than the rest.
    (project / "epochs.txt").write_text("1\n2\n")
    (project / "tokens.txt").write_text("hunter2\n")
    (project / "empty.txt").write_text("# none yet\n")
    program = (
        "import json, sys\n"
        "from deriva_ml.cli.run import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    print(f'{main(words)}', file=sys.stderr)\n"
        "from hydra.errors import HydraException\n"
        "from deriva_ml.execution.begun import note_begun\n"
        "note_begun('1-AAAA')\n"
        "try:\n"
        "    main(['model_config.epochs=many'])\n"
        "except HydraException:\n"  # what has written something was not refused
        "    print('raised', file=sys.stderr)\n"
    )
    done = run(project, "-c", program, json.dumps([words for words, _ in SLIPS]))
    assert "Traceback" not in done.stderr
    assert "train" not in done.stdout
    messages = re.split(r"^2$\n?", done.stderr, flags=re.MULTILINE)
    assert len(messages) == len(SLIPS) + 1, done.stderr
    assert messages[-1] == "raised\n"
    for (words, said), message in zip(SLIPS, messages, strict=False):
        assert said in message, words
        assert message.startswith("deriva-ml-run: "), words


def test_experiment_of_a_project_without_any_is_refused(project: Path, command: Line) -> None:
    (project / "src" / "configs" / "experiments.py").unlink()
    done = command("+experiment=quick")
    assert done.returncode == 2
    assert "the project has none" in done.stderr


def test_command_says_in_one_line_what_our_own_errors_say(project: Path, command: Line) -> None:
    model = project / "src" / "models" / "mine.py"
    text = model.read_text()
    failing = "from deriva_ml import DerivaMLException\n" + text.replace(
        'print("train"', 'raise DerivaMLException("no such catalog"'
    ).replace("learning_rate, epochs, batch_size, execution)", ")")
    model.write_text(failing.replace('"no such catalog", )', '"no such catalog")'))
    done = command()
    assert done.returncode == 2  # nothing was begun
    assert done.stderr.splitlines() == ["deriva-ml-run: no such catalog"]
    done = command("--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == "deriva-ml-run: no such catalog"


def test_command_shows_the_configuration_without_running(command: Line) -> None:
    told = lines(command("--cfg", "job", "-p", "model_config"))
    assert "epochs: 10" in told
    assert not any(line.startswith("train") for line in told)


def test_failing_model_fails_the_command(project: Path, command: Line) -> None:
    model = project / "src" / "models" / "mine.py"
    failing = model.read_text().replace('print("train"', 'raise ZeroDivisionError("train"')
    begun = "from deriva_ml.execution.begun import note_begun\nnote_begun('1-AAAA')\n"
    model.write_text(begun + failing)  # as a run does that is recorded
    done = command()
    assert done.returncode != 0
    last = "deriva-ml-run: Execution 1-AAAA is kept. To go on: deriva-ml-run --resume"
    assert done.stderr.splitlines()[-1] == last
    assert "ZeroDivisionError" in done.stderr
