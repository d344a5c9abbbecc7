"""The command for notebooks, with real kernels, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import DerivaML
from deriva_ml.cli.run_notebook import main
from deriva_ml.execution.record import ExecutionRecord
from sweep_projects import until

CONFIGS = """
from dataclasses import dataclass
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import BaseConfig, notebook_config

conf = builds(DerivaMLConfig, populate_full_signature=True)
store(conf(hostname="./catalog", working_dir="work"), group="deriva_ml", name="default_deriva")
store(conf(hostname="./nowhere", working_dir="work"), group="deriva_ml", name="lost")
store([], group="assets", name="different_weights")
store(["3-ZZZZ"], group="assets", name="unknown_weights")

@dataclass
class Analysis(BaseConfig):
    threshold: float = 0.5

notebook_config("analysis", config_class=Analysis, description="Looks at results.")
"""

IMPORTS = '''
import os, sys, time

class Table:
    """Shows itself as a data frame does, without its half second of imports."""

    def _repr_html_(self):
        rows = "".join(
            f"<tr><th>{number}</th><td>{name}</td><td>{number + 1}</td></tr>"
            for number, name in enumerate(["x|y", "z"])
        )
        return (
            "<table><thead><tr><th></th><th>name</th><th>count</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
'''
PARAMETERS = """# What a run may change.
folds: int = 3  # how many parts
label: str = "a"
fail: bool = False
sizes: list[int] = [1, 2]
host = ""
"""
BEGIN = "from deriva_ml.execution import run_notebook\nml, execution, config = run_notebook()"
MAKE = """
made = execution.asset_file_path("Execution_Asset", "made.txt")
_ = made.write_text(f"{folds} {label} {sizes} {config.threshold} {host}")
print("at", ml.session.hostname)
"""
SHOW = "Table()"
WAIT = """
open("waiting", "w").close()
while os.path.exists("hold"):
    time.sleep(0.02)
if fail:
    raise ValueError("told to fail")
"""
UPLOAD = "_ = execution.upload_execution_outputs()"
AFTER = 'while os.path.exists("hold at the end"):\n    time.sleep(0.02)'
CELLS = [IMPORTS, PARAMETERS, BEGIN, MAKE, SHOW, WAIT, UPLOAD, AFTER]


def notebook(cells: list[str], tagged: str | None = PARAMETERS) -> str:
    """A notebook as a file holds it; the cell with this text is the one with parameters."""
    found: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {"tags": ["parameters"]} if source == tagged else {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@dataclass
class Project:
    """A project with a catalog of its own, and the command in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "deriva_ml.cli.run_notebook"]

    def surroundings(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
        paths = os.pathsep.join(filter(None, sys.path))
        return {**kept, "PYTHONPATH": paths, "HOME": str(self.root), **self.environment}

    def write(self, name: str, cells: list[str], tagged: str | None = PARAMETERS) -> str:
        path = f"notebooks/{name}.ipynb"
        (self.root / path).write_text(notebook(cells, tagged))
        return path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *words],
            cwd=self.root,
            env=self.surroundings(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def connect(self) -> DerivaML:
        return DerivaML(str(self.root / "catalog"), working_dir=self.root / "other")

    def executions(self) -> list[str]:
        ml = self.connect()
        try:
            return sorted(e.execution_rid for e in ml.find_executions())
        finally:
            ml.catalog.close()


@pytest.fixture(scope="module")
def project(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(_template, root / "catalog")
    for directory in ("notebooks/other", "src/configs"):
        (root / directory).mkdir(parents=True)
    (root / "src/configs/__init__.py").write_text("")
    (root / "src/configs/base.py").write_text(CONFIGS)
    kernels = {
        "stale": ["/an/environment/that/was/removed/bin/python"],
        "empty": [],
        "ending": [sys.executable, "-c", "raise SystemExit"],
    }
    for name, words in kernels.items():
        (root / "jupyter/kernels" / name).mkdir(parents=True)
        about = {"argv": words, "display_name": name, "language": "python"}
        (root / "jupyter/kernels" / name / "kernel.json").write_text(json.dumps(about))
    made = Project(root, {"JUPYTER_PATH": str(root / "jupyter")})
    made.write("analysis", CELLS)
    return made


@pytest.fixture
def ml(project: Project) -> Iterator[DerivaML]:
    connection = project.connect()
    yield connection
    connection.catalog.close()


def made_by(ml: DerivaML, text: str) -> ExecutionRecord:
    """The execution that the output of a command names."""
    found = re.search(r"^Execution (\S+): ", text, re.MULTILINE)
    assert found is not None, text
    return ml.lookup_execution(found[1])


def files_of(record: ExecutionRecord, directory: Path) -> dict[str, str]:
    """The texts of the executed notebook, its Markdown, and what the cells made, by name."""
    texts = {}
    for asset in record.list_assets("Output"):
        if asset.asset_table == "Execution_Asset":
            texts[asset.filename] = asset.download(directory).read_text()
    return texts


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> list[tuple[int, str, str]]:
    """A run with everything that a run may be given, from its first cell to its last.

    Then what is told to the same request with ``--resume``, and to that for another notebook of
    the same name, which gets no further than to its kernel.
    """
    (project.root / "values.yml").write_text("label: from the file\nsizes: [4, 5]\n")
    words = [
        *("-p", "folds", "5", "-p", "label", "from the command", "--file", "values.yml"),
        *("--host", str(project.root / "catalog"), "--log-output"),
        *("threshold=0.25", "assets=different_weights"),
    ]
    project.write("other/analysis", [*CELLS, "# edited"])
    resumed = [*words, "--resume"]
    requests = [
        ["notebooks/analysis.ipynb", *words],
        ["notebooks/analysis.ipynb", *resumed],
        ["notebooks/other/analysis.ipynb", *resumed, "--kernel", "ending"],
    ]
    return many(project, requests)


@pytest.mark.slow
def test_a_run_with_everything(
    project: Project,
    ml: DerivaML,
    undisturbed: list[tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    (status, out, err), again, other = undisturbed
    assert status == 0, err
    record = made_by(ml, out)
    assert record.status == "Uploaded"
    assert f"Execution {record.execution_rid}: Uploaded" in out.splitlines()
    assert (again[0], "nothing is left to do" in again[2]) == (0, True), again
    assert f"is not the one of execution {record.execution_rid}" in other[2]
    assert (other[0], "No execution had begun." in other[2]) == (1, True), other
    kept = re.findall(r"as far as it came is (\S+) \(kept for 7 days\)\.$", other[2], re.MULTILINE)
    assert Path(kept[0]).exists()
    left = (project.root / "work").glob("**/notebook-runs/*/execution.json")
    assert record.execution_rid not in "".join(path.read_text() for path in left)
    workflow = ml.lookup_workflow(str(record.workflow_rid))
    assert (workflow.name, workflow.is_notebook) == ("Analysis", True)
    files = files_of(record, tmp_path)
    assert set(files) == {"made.txt", "analysis.ipynb", "analysis.md"}
    host = project.root / "catalog"
    assert files["made.txt"] == f"5 from the file [4, 5] 0.25 {host}"
    assert f"at {host}" in out
    assert "cell 9 of 9" in err
    assert "| 0 | x\\|y | 1 |" in files["analysis.md"]
    executed = json.loads(files["analysis.ipynb"])
    assert [c["metadata"]["papermill"]["status"] for c in executed["cells"]] == ["completed"] * 9
    noted = executed["metadata"]["papermill"]
    assert not {"input_path", "output_path"} & set(noted)
    assert noted["parameters"]["folds"] == 5
    kinds = {a.filename: a.asset_types for a in record.list_assets("Output")}
    assert "Notebook_Output" in kinds["analysis.ipynb"]
    assert "Notebook_Output" in kinds["analysis.md"]


SHOWN = [
    ["notebooks/analysis.ipynb", "--inspect"],
    ["notebooks/analysis.ipynb", "--list-configs"],
    ["notebooks/analysis.ipynb", "--cfg", "job", "threshold=0.125", "--catalog", "7"],
    ["notebooks/analysis.ipynb", "--info", "defaults"],
    ["notebooks/analysis.ipynb", "--info", "threshold=0.125"],
    ["--help"],
    ["notebooks/own.ipynb", "--cfg", "job", "threshold=0.125"],
    ["notebooks/own.ipynb", "--list-configs"],
]
"""What shows something and runs nothing."""

MANY = """
import contextlib, io, json, sys
from deriva_ml.cli.run_notebook import main

found = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    found.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(found))
"""


def many(project: Project, requests: list[list[str]]) -> list[tuple[int, str, str]]:
    """What the command answers to requests that start no kernel, all in one process."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(requests)],
        cwd=project.root,
        env=project.surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


@pytest.mark.slow
def test_requests_that_run_nothing(project: Project) -> None:
    analysis = "notebooks/analysis.ipynb"
    project.write("bare", ["x = 1"])
    project.write("crooked", ["folds = 3\nprint(folds)"], "folds = 3\nprint(folds)")
    project.write("nameless", [BEGIN])
    own = "run_notebook('analysis', ['threshold=0.375', 'assets=different_weights'])"
    project.write("own", [own])
    (project.root / "wrong.toml").write_text("folds = 3")
    expected = [
        ([analysis, "-p", "fold", "3"], "no parameter 'fold'. Did you mean 'folds'?"),
        ([analysis, "-p", "folds", "many"], "'folds' is declared as int, and 'many' is none."),
        ([analysis, "--file", "wrong.toml"], "ends in none of .yaml, .yml and .json"),
        ([analysis, "--kernel", "pyton3"], "no kernel 'pyton3'. Did you mean 'python3'?"),
        ([analysis, "--kernel", "stale"], "was/removed/bin/python' is not there."),
        ([analysis, "--kernel", "empty"], "its program '' is not there."),
        ([analysis, "assets=different_wieghts"], "Did you mean 'different_weights'?"),
        ([analysis, "assets=unknown_weights"], "3-ZZZZ"),
        ([analysis, "asset=different_weights"], "Did you mean 'assets'?"),
        ([analysis, "treshold=1"], "Did you mean 'threshold'?"),
        ([analysis, "threshold=high"], "'threshold' as float, and 'high' is none."),
        ([analysis, "threshold"], "'threshold' is not understood."),
        ([analysis, "+multirun=rates"], "a notebook runs once"),
        ([analysis, "threshold=1,2"], "Ambiguous value"),
        ([analysis, "--inspct"], "Did you mean '--inspect'?"),
        ([analysis, "deriva_ml=lost"], "no catalog in"),
        ([analysis, "--timeout", "-1"], "no positive number of seconds"),
        ([analysis, "--timeout", "inf"], "for no limit, leave the option out"),
        ([analysis, "--cell-timeout", "soon"], "'soon' is no positive number of seconds"),
        ([analysis, "--token", "hunter2"], "add --host H"),
        (["notebooks/absent.ipynb"], "Beside it there are: analysis.ipynb"),
        (["notebooks/bare.ipynb", "-p", "x", "2"], "takes no parameters"),
        (["notebooks/bare.ipynb", "--inspect"], "has no cell with the tag 'parameters'"),
        (["notebooks/bare.ipynb", "assets=other"], "takes no overrides"),
        (["notebooks/bare.ipynb", "--host", "h"], "--host would not reach"),
        (["notebooks/bare.ipynb", "--resume"], "cannot be resumed"),
        (["notebooks/bare.ipynb", "--cfg", "job"], "has no configuration"),
        (["notebooks/crooked.ipynb"], "holds 'print(folds)' in line 2"),
        (["notebooks/nameless.ipynb"], "no configuration 'nameless'"),
    ]
    before = project.executions()
    answers = many(project, [*(words for words, _ in expected), *SHOWN])
    for (words, text), (status, out, err) in zip(expected, answers, strict=False):
        assert (status, out) == (2, ""), (words, out, err)
        assert text in err, words
        assert "Traceback" not in err
    shown = answers[len(expected) :]
    assert [status for status, _, _ in shown] == [0] * len(SHOWN)
    inspected, listed, composed, defaults, _, text, own, chosen = [out for _, out, _ in shown]
    assert inspected.splitlines()[0] == "folds:int  (default 3)  how many parts"
    assert "threshold" in listed
    assert "* default_deriva" in listed
    assert "different_weights" in listed
    assert "threshold: 0.125" in composed
    assert "catalog_id: 7" in composed
    assert "default_deriva" in defaults
    assert "threshold: 0.375" in own
    assert "* different_weights" in chosen
    assert "--resume" in text
    assert project.executions() == before


@pytest.mark.slow
def test_the_context_file_gives_a_project_its_connection(tmp_path: Path) -> None:
    (tmp_path / "src/configs").mkdir(parents=True)
    (tmp_path / "src/configs/__init__.py").write_text("")
    text = "from deriva_ml.execution import notebook_config\nnotebook_config('analysis')\n"
    (tmp_path / "src/configs/look.py").write_text(text)
    (tmp_path / "analysis.ipynb").write_text(notebook([BEGIN]))
    context = {"hostname": "data.example.org", "catalog_id": "7"}
    (tmp_path / ".deriva-context.json").write_text(json.dumps(context))
    ((status, out, err),) = many(Project(tmp_path), [["analysis.ipynb", "--cfg", "job"]])
    assert (status, "hostname: data.example.org" in out) == (0, True), err


DIRECT = """
from deriva_ml import DerivaML
from deriva_ml.execution import ExecutionConfiguration
ml = DerivaML(host, working_dir="work")
execution = ml.create_execution(ExecutionConfiguration(description="By hand"))
execution.execution_start()
"""
HOST = 'host: str = ""\nhow: str = "well"\napi_key: str = ""'
END = """
if how == "dead":
    import os, signal
    print("last words", file=sys.__stderr__, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
_ = execution.upload_execution_outputs()
if how == "late":
    raise ValueError("too late")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "words", "details"),
    [
        ("dead", [], ["Kernel died", "last words"]),
        (
            "late",
            ["--timeout", "200", "--cell-timeout", "100"],
            ["Cell 5 of 5: ValueError: too late", 'raise ValueError("'],
        ),
    ],
)
def test_what_is_left_of_a_notebook_that_fails(
    project: Project,
    ml: DerivaML,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    how: str,
    words: list[str],
    details: list[str],
) -> None:
    """Its notebook makes its execution itself; so the command need not load a configuration."""
    path = project.write("direct", ["import sys", HOST, DIRECT, END], HOST)
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    given = ["--host", str(project.root / "catalog"), "-p", "how", how, "-p", "api_key", "hunter2"]
    status = main([path, *given, *words])
    out, err = capfd.readouterr()
    assert status == 1, err
    assert details[0] in err
    assert "-p api_key '***" in err
    record = made_by(ml, out)
    assert record.status == "Failed"
    assert ml.lookup_workflow(str(record.workflow_rid)).url.endswith("/direct.ipynb")
    detail = ml.retrieve_rid(record.execution_rid)["Status_Detail"]
    assert [text for text in details if text not in detail] == []
    assert "\x1b" not in detail
    files = files_of(record, tmp_path)
    assert set(files) == {"direct.failed.ipynb", "direct.failed.md"}
    assert "hunter2" not in err + detail + "".join(files.values())
    assert 'api_key = \\"***' in files["direct.failed.ipynb"]
    if how != "dead":
        assert details[-1] in files["direct.failed.md"]


@pytest.mark.slow
def test_a_limit_of_time_stops_a_cell_where_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = project.write("slow", ["import time\ntime.sleep(60)"])
    monkeypatch.chdir(project.root)
    status = main([path, "--timeout", "100", "--cell-timeout", "2"])
    _, err = capfd.readouterr()
    told = "Cell 1 of 1: It ran longer than the limit of 2 s for a cell."
    assert (status, told in err) == (1, True), err
    assert "----> 2 time.sleep(60)" in err
    kept = Path(re.findall(r"as far as it came is (\S+)\.$", err, re.MULTILINE)[0])
    assert "KeyboardInterrupt" in kept.read_text()
    shutil.rmtree(kept.parent)


# --- stopped and killed ------------------------------------------------------------------


class Watched:
    """The command under way, in a process group of its own."""

    def __init__(self, project: Project, *words: str) -> None:
        self.process = subprocess.Popen(
            [*project.command, *words],
            cwd=project.root,
            env=project.surroundings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.seen = ""

    def wait_for(self, text: str) -> None:
        """Read on until the command says something."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen += line
            if text in line:
                return
        raise AssertionError(self.seen)

    def send(self, number: int) -> tuple[int, str, str]:
        """Send all of the group a signal; returns status and output."""
        os.killpg(self.process.pid, number)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, self.seen + err


def content(ml: DerivaML, rid: str, directory: Path) -> list[tuple[str, ...]]:
    """What the catalog has of an execution, without what tells one run from another.

    Of the executed notebook, what became of its cells.
    """
    record = ml.lookup_execution(rid)
    found = [("status", str(record.status)), ("description", str(record.description))]
    for asset in record.list_assets("Output"):
        name = re.sub(rf"{rid}|\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d\d", "", asset.filename)
        found.append((asset.asset_table, name, *sorted(asset.asset_types)))
        if name.endswith(".ipynb"):
            cells = json.loads(asset.download(directory / rid).read_text())["cells"]
            found.append((name, *(cell["metadata"]["papermill"]["status"] for cell in cells)))
    return sorted(found)


@pytest.mark.slow
def test_stopped_and_killed_runs_are_taken_up(
    project: Project, ml: DerivaML, undisturbed: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    expected = content(ml, made_by(ml, undisturbed[0][1]).execution_rid, tmp_path)
    before = project.executions()
    # The description tells the overrides, so they are the same.
    given = ["threshold=0.25", "assets=different_weights"]
    given += ["--host", str(project.root / "catalog")]
    words = ["notebooks/analysis.ipynb", "-p", "folds", "4", *given]
    (project.root / "waiting").unlink(missing_ok=True)
    (project.root / "hold").touch()
    stopped = Watched(project, *words)
    until(lambda: (project.root / "waiting").exists(), stopped.process)
    status, _, err = stopped.send(signal.SIGINT)
    assert status == 130, err
    assert "Resume with: deriva-ml-run-notebook notebooks/analysis.ipynb -p folds 4" in err
    (rid,) = set(project.executions()) - set(before)
    row = ml.retrieve_rid(rid)
    assert row["Status"] == "Failed"
    assert row["Status_Detail"].startswith("Cell 7 of 9: It was interrupted.")
    assert "KeyboardInterrupt" in row["Status_Detail"]

    killed = Watched(project, *words, "--resume")
    killed.wait_for("cell 4 of 9")
    with contextlib.suppress(subprocess.TimeoutExpired):
        killed.process.wait(random.Random(8).uniform(0, 0.8))
    killed.send(signal.SIGKILL)
    (project.root / "hold").rename(project.root / "hold at the end")
    killed = Watched(project, *words, "--resume")
    killed.wait_for("cell 9 of 9")  # the one behind the upload
    killed.send(signal.SIGKILL)
    (project.root / "hold at the end").unlink()
    assert set(project.executions()) - set(before) == {rid}
    assert ml.retrieve_rid(rid)["Status"] == "Uploaded"

    resumed = project.run(*words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"Execution {rid} ended before its last cell did" in resumed.stderr
    made = made_by(ml, resumed.stdout).execution_rid
    assert set(project.executions()) - set(before) == {rid, made}
    assert content(ml, made, tmp_path) == expected
    first = content(ml, rid, tmp_path)
    assert ("status", "Failed") in first
    states = [line for line in first if line[0] == "analysis.failed.ipynb"]
    assert [cells[1:] for cells in states] == [(*["completed"] * 8, "running")]
