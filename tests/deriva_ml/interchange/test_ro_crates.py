"""RO-Crates of datasets and executions: read as JSON, and checked by the field's own tools."""

from __future__ import annotations

import json
import mimetypes
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bagit
import pytest
from bdbag import bdbag_api

from deriva_catalog.bag import open_bag, validate
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.core.schema_definitions import ColumnDef, TableDef
from deriva_ml.interchange import dataset_crate
from deriva_ml.interchange.entities import encoding_format
from deriva_ml.interchange.facts import Agent, agent_of
from flexlock_projects import make_project, record
from interchange_lab import SECRET, Lab, workflow
from outside_validators import crate_findings

METADATA = "ro-crate-metadata.json"


class Entities:
    """The entities of a crate, by identifier and by kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = (folder / METADATA).read_text()
        self.by_id = {e["@id"]: e for e in json.loads(self.text)["@graph"]}
        assert len(self.by_id) == len(json.loads(self.text)["@graph"])

    def __getitem__(self, identifier: str) -> dict[str, Any]:
        return self.by_id[identifier]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.by_id.values() if kind in _many(e["@type"])]

    def one(self, kind: str, **properties: Any) -> dict[str, Any]:
        (found,) = (e for e in self.of(kind) if properties.items() <= e.items())
        return found

    def get(self, entity: dict[str, Any], name: str) -> list[dict[str, Any]]:
        """The entities that one refers to."""
        return [self.by_id[r["@id"]] for r in _many(entity.get(name, []))]

    def references(self) -> Iterator[str]:
        for entity in self.by_id.values():
            for value in entity.values():
                for one in _many(value):
                    if isinstance(one, dict) and "@id" in one:
                        yield one["@id"]


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def exported(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The crates of the dataset and of the three executions."""
    root = tmp_path_factory.mktemp("crates")
    assert lab.dataset is not None
    return {
        "dataset": lab.dataset.to_ro_crate(root / "dataset", license="CC-BY-4.0"),
        "script": lab.ml.export_ro_crate(lab.script, root / "script"),
        "flow": lab.ml.lookup_execution(lab.flow).to_ro_crate(root / "flow", files="all"),
        "failed": lab.ml.export_ro_crate(lab.failed, root / "failed", license="MIT"),
    }


@pytest.fixture(scope="module")
def script(exported: dict[str, Path]) -> Entities:
    return Entities(exported["script"])


@pytest.fixture(scope="module")
def flow(exported: dict[str, Path]) -> Entities:
    return Entities(exported["flow"])


# --- validators ------------------------------------------------------------------------


@pytest.mark.slow
def test_crates_keep_their_profiles(exported: dict[str, Path], tmp_path: Path) -> None:
    broken = json.loads((exported["script"] / METADATA).read_text())
    for entity in broken["@graph"]:
        entity.pop("instrument", None)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / METADATA).write_text(json.dumps(broken))
    told = crate_findings(
        tmp_path / "validator",
        {
            "dataset": (exported["dataset"] / "data", "ro-crate-1.3"),
            "script": (exported["script"], "process-run-crate"),
            "flow": (exported["flow"], "provenance-run-crate"),
            "failed": (exported["failed"], "process-run-crate"),
            "broken": (tmp_path / "broken", "process-run-crate"),
        },
    )
    required = {
        name: [finding for finding in one["found"] if finding[0] == "REQUIRED"]
        for name, one in told.items()
    }
    assert any("instrument" in message for _, _, message in required.pop("broken"))
    assert required == {"dataset": [], "script": [], "flow": [], "failed": []}
    # The field's reading library sees every entity but the description itself.
    for name, place in {**exported, "dataset": exported["dataset"] / "data"}.items():
        assert told[name]["entities"] >= len(Entities(place).by_id) - 1


def test_references_lead_to_entities_and_files_are_there(exported: dict[str, Path]) -> None:
    for place in (exported["dataset"] / "data", *exported.values()):
        if not (place / METADATA).exists():
            continue
        entities = Entities(place)
        outside = {r for r in entities.references() if r not in entities.by_id}
        assert all(r.startswith("https://w3id.org/") for r in outside)
        on_disk = {
            str(p.relative_to(place))
            for p in place.rglob("*")
            if p.is_file() and p.name != METADATA
        }
        named = {e["@id"].replace("%20", " ") for e in entities.of("File")}
        assert on_disk <= named


# --- datasets --------------------------------------------------------------------------


def test_a_dataset_is_a_bag_and_a_crate(exported: dict[str, Path]) -> None:
    place = exported["dataset"]
    assert validate(place).findings == ()
    bdbag_api.validate_bag(str(place))
    assert bagit.Bag(str(place)).is_valid()
    assert open_bag(place).path["zoo"]["Image"].entities().fetch()


def test_a_dataset_tells_version_members_terms_and_origin(
    lab: Lab, exported: dict[str, Path]
) -> None:
    crate = Entities(exported["dataset"] / "data")
    assert lab.dataset is not None
    assert lab.inner is not None
    root = crate["./"]
    assert root["version"] == str(lab.dataset.current_version)
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert root["description"] == "Pictures of animals."
    picture = crate.one("File", name="picture 0.png")
    image = lab.ml.lookup_asset(lab.pictures[0])
    assert (picture["contentSize"], picture["md5"]) == (str(image.length), image.md5)
    assert len(picture["sha256"]) == 64
    inner = crate.one("Dataset", identifier=f"{lab.inner.dataset_rid}@{lab.inner.current_version}")
    assert crate.get(inner, "hasPart") == [picture]
    terms = crate.one("DefinedTermSet", name="Image_Class")
    assert {t["name"] for t in crate.get(terms, "hasDefinedTerm")} == {"cat", "dog"}
    (before,) = crate.get(root, "isBasedOn")
    assert before["version"] == str(lab.dataset.dataset_history()[-2].dataset_version)
    action = crate.one("CreateAction")
    assert crate.get(action, "instrument")[0]["name"] == "draw.py"


def test_equal_bags_give_equal_bytes_and_a_zip_file(lab: Lab, tmp_path: Path) -> None:
    assert lab.dataset is not None
    bag = lab.dataset.download_dataset_bag()
    one = bag.to_ro_crate(tmp_path / "one.zip")
    other = bag.to_ro_crate(tmp_path / "other.zip")
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        archive.extractall(tmp_path / "out")
    assert validate(tmp_path / "out").findings == ()
    root = Entities(tmp_path / "out" / "data")["./"]
    assert root["license"] == {"@id": "#no-license"}
    assert "isBasedOn" in root


def test_what_a_dataset_was_made_from_is_told(lab: Lab, tmp_path: Path) -> None:
    assert lab.dataset is not None
    source = f"{lab.dataset.dataset_rid}@{lab.dataset.dataset_history()[1].dataset_version}"
    with lab.ml.create_execution(datasets=[source], workflow=workflow("select.py")) as exe:
        made = exe.create_dataset("Testing", description="A selection.")
        made.add_dataset_members({"Image": lab.pictures[1:2]})
    crate = Entities(made.to_ro_crate(tmp_path / "made") / "data")
    names = {e["name"] for e in crate.get(crate["./"], "isBasedOn")}
    assert names == {f"Dataset {source.replace('@', ' ')}", f"Dataset {made.dataset_rid} 0.1.0"}


def test_files_that_are_only_listed_keep_their_sizes(lab: Lab, tmp_path: Path) -> None:
    assert lab.inner is not None
    lab.inner.download_dataset_bag()  # that the files are on this machine changes nothing
    place = lab.ml.export_ro_crate(lab.inner.dataset_rid, tmp_path / "rows", files="none")
    report = validate(place)
    assert (report.findings, len(report.to_fetch)) == ((), 1)
    picture = Entities(place / "data").one("File", name="picture 0.png")
    assert not (place / "data" / picture["@id"].replace("%20", " ")).exists()
    assert int(picture["contentSize"]) == lab.ml.lookup_asset(lab.pictures[0]).length


def test_the_description_needs_no_catalog(lab: Lab) -> None:
    assert lab.inner is not None
    bag = lab.inner.download_dataset_bag()
    assert dataset_crate(bag) == dataset_crate(bag)


# --- executions ------------------------------------------------------------------------


def test_a_script_is_a_process_run(lab: Lab, script: Entities) -> None:
    root = script["./"]
    assert root["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    action = script.one("CreateAction")
    assert root["mentions"] == {"@id": action["@id"]}
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert action["startTime"] <= action["endTime"]
    (code,) = script.get(action, "instrument")
    assert code["codeRepository"] == "https://git.example.org/lab/zoo"
    assert code["version"] == "1.2.0"
    assert f"commit:{'0123456789abcdef' * 2}01234567" in code["identifier"]
    assert f"checksum:{workflow().checksum}" in code["identifier"]
    assert script.get(action, "agent")[0]["@type"] == "Person"


def test_a_run_tells_inputs_parameters_outputs_and_metrics(lab: Lab, script: Entities) -> None:
    assert lab.dataset is not None
    action = script.one("CreateAction")
    objects = script.get(action, "object")
    version = lab.dataset.dataset_history()[1].dataset_version
    assert f"{lab.dataset.dataset_rid}@{version}" in [o.get("identifier") for o in objects]
    assert "picture 0.png" in [o["name"] for o in objects]
    values = {o["name"]: o["value"] for o in objects if o["@type"] == "PropertyValue"}
    assert values["model.rate"] == 0.1
    assert values["model.layers"] == "[4, 2]"
    assert values["config_choices.model_config"] == "small"
    results = script.get(action, "result")
    assert {"model.txt", "Label.csv", "metrics.jsonl"} <= {r["name"] for r in results}
    metrics = {r["name"]: r["value"] for r in results if r["@type"] == "PropertyValue"}
    assert metrics == {"loss": 0.25, "worst": "NaN"}
    assert (script.folder / "features/zoo/Image/Label.csv").read_text().count(",cat\n") == 3
    assert len(script.get(action, "subjectOf")) == 2


def test_names_of_the_model_stay_inside_of_the_crate(ml: DerivaML, tmp_path: Path) -> None:
    odd = "../../../up"
    subjects = ml.catalog.insert(TableName("Subject", "zoo"), [{}])
    ml.create_table(TableDef(odd, [ColumnDef("Name", "text")]))
    rows = {"Subject": subjects, odd: ml.catalog.insert(TableName(odd, "zoo"), [{}])}
    with ml.create_execution(workflow=workflow()) as exe:
        for table, (row,) in rows.items():
            feature = ml.create_feature(table, "Size", metadata=[ColumnDef("Mark", "text")])
            exe.add_features([feature(**{table: row["RID"], "Mark": "m"})])
    exe.upload_execution_outputs()
    place = ml.export_ro_crate(exe.execution_rid, tmp_path / "a" / "b" / "crate")
    made = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("Size.csv")}
    inside = "a/b/crate/features/zoo"
    assert made == {f"{inside}/Subject/Size.csv", f"{inside}/..%2F..%2F..%2Fup/Size.csv"}
    files = {e["@id"] for e in Entities(place).of("File")}
    assert "features/zoo/..%252F..%252F..%252Fup/Size.csv" in files


def test_what_a_machine_knows_of_suffixes_changes_nothing(tmp_path: Path) -> None:
    types = tmp_path / "mime.types"
    types.write_text("x-here/text txt\nx-here/own own\n")
    mimetypes.init([str(types)])
    try:
        assert mimetypes.guess_type("a.txt")[0] == "x-here/text"
        assert (encoding_format("a.txt"), encoding_format("a.own")) == ("text/plain", None)
    finally:
        mimetypes.init()


def test_users_are_found_one_by_one(ml: DerivaML) -> None:
    odd = "https://id.example.org/kim?a=1&b=é 2"
    users = [
        {"ID": odd, "Full_Name": "Kim", "Client_Object": {}},
        {"ID": "lee", "Display_Name": "Lee", "Client_Object": {}},
    ]
    ml.catalog.insert(TableName("ERMrest_Client", "public"), users)
    session = ml.session
    assert [agent_of(session, user) for user in (odd, "lee", "nobody", None)] == [
        Agent(odd, "Kim"),
        Agent("lee", "Lee"),
        Agent("nobody"),
        None,
    ]


def test_secrets_are_not_written(script: Entities) -> None:
    assert SECRET not in script.text
    assert script.one("PropertyValue", name="password")["value"].startswith("***")


def test_inputs_are_copied_when_asked_for(exported: dict[str, Path], script: Entities) -> None:
    assert not list((exported["script"] / "outputs").rglob("picture*"))
    assert (next((exported["script"] / "outputs").rglob("model.txt"))).read_text() == "weights"
    assert script.one("File", name="picture 0.png")["@id"].startswith("tag:")


def test_a_dataflow_is_a_provenance_run(flow: Entities) -> None:
    root = flow["./"]
    profiles = {p["name"] for p in flow.get(root, "conformsTo")}
    assert profiles == {
        "Process Run Crate",
        "Workflow Run Crate",
        "Provenance Run Crate",
        "Workflow RO-Crate",
    }
    (main,) = flow.get(root, "mainEntity")
    assert {t["name"] for t in flow.get(main, "hasPart")} == {"doubled", "model"}
    assert [p["name"] for p in flow.get(main, "input")] == ["rate", "seed"]
    runs = [a for a in flow.of("CreateAction") if a["name"] == "Run of model"]
    runs.sort(key=lambda a: str(a["startTime"]))
    assert [a.get("error") for a in runs] == [None, "ValueError: A rate is positive."]
    given = [v["value"] for v in flow.of("PropertyValue") if v["name"] == "rate"]
    assert sorted(given) == [-1.0, 0.1, 0.2]
    connections = {c["name"] for c in flow.of("ParameterConnection")}
    assert {"doubled of model", "rate of doubled", "seed of model"} == connections


def test_a_failure_is_told_with_its_error(lab: Lab, exported: dict[str, Path]) -> None:
    crate = Entities(exported["failed"])
    action = crate.one("CreateAction", name=f"Execution {lab.failed}")
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "ValueError: A rate is positive."


def test_a_filed_run_brings_its_run_lock(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project(tmp_path / "project", {"train.py": "print('train')\n"})
    monkeypatch.chdir(root)
    config = {"rate": 0.3, "token": SECRET}
    run = record(root, "train", {"model.txt": "weights"}, config=config, outputs={})
    filed = lab.ml.file_run(run)
    crate = Entities(filed.to_ro_crate(tmp_path / "filed"))
    (lock,) = (e for e in crate.of("File") if e["name"].endswith(".lock"))
    assert (crate.folder / lock["@id"]).read_text() == (run / "run.lock").read_text()
    assert crate.one("PropertyValue", name="rate")["value"] == 0.3
    assert SECRET not in crate.text


def test_what_cannot_be_exported_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(DerivaMLValidationError, match="exists"):
        lab.ml.export_ro_crate(lab.script, tmp_path / "there")
    with pytest.raises(DerivaMLValidationError, match="'all', 'outputs' or 'none'"):
        lab.ml.lookup_execution(lab.script).to_ro_crate(tmp_path / "x", files="some")  # type: ignore[arg-type]
    with pytest.raises(DerivaMLValidationError, match="'Image'"):
        lab.ml.export_ro_crate(lab.pictures[0], tmp_path / "x")
    with pytest.raises(DerivaMLNotFoundError):
        lab.ml.export_ro_crate("9-ZZZZ", tmp_path / "x")
    dry = lab.ml.create_execution(workflow=workflow(), dry_run=True)
    with pytest.raises(DerivaMLExecutionError, match="dry run"):
        dry.to_ro_crate(tmp_path / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_a_lost_file_leaves_no_crate_behind(ml: DerivaML, tmp_path: Path) -> None:
    with ml.create_execution(workflow=workflow()) as exe:
        exe.asset_file_path("Execution_Asset", "model.txt").write_text("weights")
    exe.upload_execution_outputs()
    (asset,) = (a for a in ml.list_execution_assets(exe.execution_rid) if a.filename == "model.txt")
    stored = ml.catalog.objects.content.path(ml.catalog.objects.stat(asset.url).sha256)
    assert stored is not None
    stored.unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(DerivaMLException):
        ml.export_ro_crate(exe.execution_rid, tmp_path / "out" / "crate")
    assert list((tmp_path / "out").iterdir()) == []
    place = ml.export_ro_crate(exe.execution_rid, tmp_path / "out" / "crate", files="none")
    assert Entities(place).one("File", name="model.txt")["md5"] == asset.md5
