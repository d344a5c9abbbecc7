"""Events of OpenLineage: built with the classes of its client, sent to a file and a service."""

from __future__ import annotations

import importlib
import json
import pkgutil
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import attr
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLUnavailableError,
)
from interchange_lab import SECRET, Lab, workflow

generated = importlib.import_module("openlineage.client.generated")
base = importlib.import_module("openlineage.client.generated.base")

ROOT = Path(__file__).parents[3]
OURS = json.loads((ROOT / "docs" / "ml" / "DerivaMLExecutionRunFacet.json").read_text())


def _facet_classes() -> dict[str, type]:
    """The facets of the specification, by the URL of their schema."""
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, base.BaseFacet):
                found[value._get_schema()] = value
    return found


CLASSES = _facet_classes()


def built(kind: Any, value: Any) -> Any:
    """A value of the client's own classes; what they do not know, or lack, is an error."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return (
            None
            if value is None
            else built(next(a for a in arguments if a is not type(None)), value)
        )
    if origin is list:
        assert isinstance(value, list)
        return [built(arguments[0], item) for item in value]
    if origin is dict:
        return {key: _facet(arguments[1], item) for key, item in value.items()}
    if not attr.has(kind):
        assert not isinstance(value, dict | list), f"{value!r} is no {kind}"
        return kind(value) if kind is base.EventType else value
    hints = typing.get_type_hints(kind)
    plain = {k: v for k, v in value.items() if not k.startswith("_") and k != "schemaURL"}
    return kind(**{name: built(hints[name], item) for name, item in plain.items()})


def _facet(kind: Any, value: dict[str, Any]) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, base.BaseFacet)):
        return built(kind, value)
    if value["_schemaURL"].startswith(OURS["$id"]):
        schema = {**OURS, "$ref": "#/$defs/DerivaMLExecutionRunFacet"}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)
        return base.RunFacet()
    facet = built(CLASSES[value["_schemaURL"]], value)
    assert isinstance(facet, kind)
    return facet


def checked(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for event in events:
        made = built(base.RunEvent, event)
        assert made.schemaURL == event["schemaURL"]
        assert made.eventType.value == event["eventType"]
    return events


@contextmanager
def service(status: int) -> Iterator[tuple[str, list[tuple[str, str | None, Any]]]]:
    """A service that takes events; gives its address, and what it got."""
    got: list[tuple[str, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_run_starts_and_completes(lab: Lab, tmp_path: Path) -> None:
    events = checked(lab.ml.export_openlineage(lab.script, tmp_path / "events.jsonl"))
    assert [e["eventType"] for e in events] == ["START", "COMPLETE"]
    start, complete = events
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["eventTime"] <= complete["eventTime"]
    assert (start["outputs"], start["job"]["name"]) == ([], "train.py")
    source = start["job"]["facets"]["sourceCodeLocation"]
    assert source["repoUrl"] == "https://git.example.org/lab/zoo"
    assert source["version"] == "0123456789abcdef0123456789abcdef01234567"
    source["branches"] = ["main"]  # the classes of the client do refuse what they do not know
    with pytest.raises(KeyError, match="branches"):
        checked([start])


def test_inputs_and_outputs_have_versions_and_statistics(lab: Lab, tmp_path: Path) -> None:
    assert lab.dataset is not None
    complete = lab.ml.export_openlineage(lab.script, tmp_path / "events.jsonl")[-1]
    inputs = {d["name"]: d["facets"] for d in complete["inputs"]}
    version = str(lab.dataset.dataset_history()[1].dataset_version)
    facets = inputs[f"Dataset/{lab.dataset.dataset_rid}"]
    assert facets["version"]["datasetVersion"] == version
    assert any(name.endswith("/picture 0.png") for name in inputs)
    outputs = {d["name"]: d for d in complete["outputs"]}
    feature = outputs["zoo/Execution_Image_Label"]
    assert feature["outputFacets"]["outputStatistics"]["rowCount"] == 3
    fields = {f["name"]: f["type"] for f in feature["facets"]["schema"]["fields"]}
    assert fields["Image_Class"] == "text"
    model = next(d for name, d in outputs.items() if name.endswith("/model.txt"))
    assert model["outputFacets"]["outputStatistics"]["size"] == len("weights")
    assert model["facets"]["version"]["datasetVersion"].startswith("sha256:")


def test_parameters_metrics_and_environment_are_told_without_secrets(
    lab: Lab, tmp_path: Path
) -> None:
    start = lab.ml.export_openlineage(lab.script, tmp_path / "events.jsonl")[0]
    facets = start["run"]["facets"]
    parameters = {p["key"]: p["value"] for p in facets["executionParameters"]["parameters"]}
    assert parameters["model.rate"] == "0.1"
    assert parameters["password"].startswith("***")
    assert facets["derivaml_execution"]["metrics"][0] == {
        "name": "loss",
        "value": "0.25",
        "step": 2,
    }
    assert facets["processing_engine"]["name"] == "Python"
    assert SECRET not in (tmp_path / "events.jsonl").read_text()


def test_a_failure_is_told_with_its_error(lab: Lab, tmp_path: Path) -> None:
    events = checked(lab.ml.export_openlineage(lab.failed, tmp_path / "events.jsonl"))
    assert [e["eventType"] for e in events] == ["START", "FAIL"]
    error = events[-1]["run"]["facets"]["errorMessage"]
    assert error["message"] == "ValueError: A rate is positive."


def test_an_execution_under_way_only_starts_and_one_given_up_aborts(
    lab: Lab, tmp_path: Path
) -> None:
    exe = lab.ml.create_execution(workflow=workflow(), description="Waits.")
    file = tmp_path / "events.jsonl"
    assert exe.to_openlineage(file) == []
    exe.execution_start()
    assert [e["eventType"] for e in checked(exe.to_openlineage(file))] == ["START"]
    exe.abort()
    assert [e["eventType"] for e in checked(exe.to_openlineage(file))] == ["START", "ABORT"]
    runs = {json.loads(line)["run"]["runId"] for line in file.read_text().splitlines()}
    assert len(runs) == 1


def test_nested_executions_tell_parent_and_root(lab: Lab, tmp_path: Path) -> None:
    root = lab.ml.create_execution(workflow=workflow("sweep.py"))
    middle = lab.ml.create_execution(workflow=workflow("job.py"), parent=root.execution_rid)
    inner = lab.ml.create_execution(workflow=workflow(), parent=middle.execution_rid)
    for exe in (root, middle, inner):
        exe.execution_start()
    file = tmp_path / "events.jsonl"
    ids = {e.execution_rid: e.to_openlineage(file)[0]["run"]["runId"] for e in (root, middle)}
    (event,) = checked(inner.to_openlineage(file))
    parent = event["run"]["facets"]["parent"]
    assert parent["run"]["runId"] == ids[middle.execution_rid]
    assert parent["job"]["name"] == "job.py"
    assert parent["root"]["run"]["runId"] == ids[root.execution_rid]


def test_functions_are_runs_of_their_own_when_asked_for(lab: Lab, tmp_path: Path) -> None:
    whole, *inside, end = checked(
        lab.ml.export_openlineage(lab.flow, tmp_path / "events.jsonl", children=True)
    )
    assert end["eventType"] == "COMPLETE"
    kinds = [(e["job"]["name"].rpartition(".")[2], e["eventType"]) for e in inside]
    assert kinds.count(("model", "FAIL")) == 1
    assert kinds.count(("model", "COMPLETE")) == 1
    parents = {e["run"]["facets"]["parent"]["run"]["runId"] for e in inside}
    assert parents == {whole["run"]["runId"]}


def test_events_are_posted_to_a_service(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(201) as (url, got):
        sent = lab.ml.export_openlineage(lab.script, url=url, api_key="key")
        assert got == [("/api/v1/lineage", "Bearer key", event) for event in sent]
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "events")
        lab.ml.lookup_execution(lab.failed).to_openlineage()
        assert [path for path, _, _ in got[2:]] == ["/events", "/events"]
        lab.ml.export_openlineage(lab.script, tmp_path / "file.jsonl")  # a file is a file
        assert len(got) == 4


def test_without_a_choice_events_are_kept_in_the_working_directory(lab: Lab) -> None:
    lab.ml.export_openlineage(lab.script)
    lines = (lab.ml.working_dir / "openlineage.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]


def test_what_cannot_be_sent_is_an_error(lab: Lab, tmp_path: Path) -> None:
    with service(503) as (url, _), pytest.raises(DerivaMLUnavailableError, match="answered 503"):
        lab.ml.export_openlineage(lab.script, url=url)
    with pytest.raises(DerivaMLUnavailableError, match="cannot be sent"):
        lab.ml.export_openlineage(lab.script, url=url)
    with service(403) as (url, got), pytest.raises(DerivaMLException, match="refused"):
        lab.ml.export_openlineage(lab.script, url=url)
    assert len(got) == 1
    with pytest.raises(DerivaMLConfigurationError, match="give one of them"):
        lab.ml.export_openlineage(lab.script, tmp_path / "x", url=url)
    (tmp_path / "file").touch()
    with pytest.raises(DerivaMLUnavailableError, match="appended"):
        lab.ml.export_openlineage(lab.script, tmp_path / "file" / "x")
    with pytest.raises(DerivaMLExecutionError, match="dry run"):
        lab.ml.create_execution(workflow=workflow(), dry_run=True).to_openlineage()
