"""A catalog with pictures, a dataset in two versions, and runs of three kinds, made once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

import interchange_flow
from deriva_catalog.path.ast import TableName
from deriva_ml import ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.dataset import Dataset
from deriva_ml.interchange import DataflowRecorder
from hamilton import driver

SECRET = "hunter2-hunter2"


@dataclass
class Lab:
    """A catalog in which work was done.

    Attributes:
        ml: The connection.
        pictures: RIDs of the pictures.
        dataset: A dataset of them, which contains another one.
        inner: The dataset inside.
        script: RID of an execution of a script.
        flow: RID of an execution of a dataflow.
        failed: RID of an execution that failed.
    """

    ml: DerivaML
    pictures: list[str] = field(default_factory=list)
    dataset: Dataset | None = None
    inner: Dataset | None = None
    script: str = ""
    flow: str = ""
    failed: str = ""


def workflow(name: str = "train.py") -> Workflow:
    return Workflow(
        name=name,
        workflow_type="Training",
        url=f"https://git.example.org/lab/zoo/blob/0123456789abcdef0123456789abcdef01234567/{name}",
        checksum="89abcdef0123456789abcdef0123456789abcdef",
        version="1.2.0",
    )


def _pictures(lab: Lab) -> None:
    ml = lab.ml
    rows = [{"Name": 'Tom, "the" cat'}, {"Name": None}]
    subjects = ml.catalog.insert(TableName("Subject", "zoo"), rows)
    with ml.create_execution(workflow=workflow("draw.py"), description="Draw.") as exe:
        for i in range(3):
            subject = subjects[i % 2]["RID"]
            path = exe.asset_file_path("Image", f"picture {i}.png", Subject=subject)
            Image.new("RGB", (4, 4), (i * 50, 0, 0)).save(path)
    exe.upload_execution_outputs()
    lab.pictures = [str(a.asset_rid) for a in exe.uploaded_assets["zoo/Image"]]
    lab.dataset = exe.create_dataset("Training", description="Pictures of animals.")
    lab.dataset.add_dataset_members({"Image": lab.pictures})
    lab.inner = exe.create_dataset("Testing", description="One of them.")
    lab.inner.add_dataset_members({"Image": lab.pictures[:1]})


def _script(lab: Lab, hydra: Path) -> None:
    assert lab.dataset is not None
    ml, version = lab.ml, lab.dataset.current_version
    (hydra / "hydra-config").mkdir(parents=True)
    (hydra / "hydra-config" / "config.yaml").write_text(
        f"model:\n  rate: 0.1\n  layers: [4, 2]\npassword: {SECRET}\nnote: ''\n"
    )
    ml.hydra_runtime_output_dir = hydra
    config = ExecutionConfiguration(
        datasets=[f"{lab.dataset.dataset_rid}@{version}"],
        assets=[lab.pictures[0]],
        description="Train a model.",
        argv=["train.py", "--rate", "0.1", f"password={SECRET}"],
        config_choices={"model_config": "small"},
    )
    del ml.executions  # the directory of Hydra's files is read when it is first used
    with ml.create_execution(config, workflow=workflow()) as exe:
        exe.metrics_file().write_text(
            '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25, "worst": NaN}\n'
        )
        exe.asset_file_path("Execution_Asset", "model.txt", "Model_File").write_text("weights")
        record = ml.feature_record_class("Image", "Label")
        exe.add_features([record(Image=p, Image_Class="cat") for p in lab.pictures])
    exe.upload_execution_outputs()
    lab.script = exe.execution_rid
    ml.hydra_runtime_output_dir = None
    del ml.executions


def _flow(lab: Lab) -> None:
    with lab.ml.create_execution(workflow=workflow("flow.py"), description="Run a flow.") as exe:
        recorder = DataflowRecorder(exe)
        flow = driver.Builder().with_modules(interchange_flow).with_adapters(recorder).build()
        flow.execute(["model"], inputs={"rate": 0.1})
        flow.execute(["doubled"], inputs={"rate": 0.2})
        with suppress(ValueError):
            flow.execute(["model"], inputs={"rate": -1.0})
        exe.asset_file_path("Execution_Asset", "flow.txt", "Model_File").write_text("flow")
    exe.upload_execution_outputs()
    lab.flow = exe.execution_rid


def _failed(lab: Lab) -> None:
    with (
        suppress(ValueError),
        lab.ml.create_execution(workflow=workflow("flow.py"), description="Fails.") as exe,
    ):
        recorder = DataflowRecorder(exe)
        flow = driver.Builder().with_modules(interchange_flow).with_adapters(recorder).build()
        flow.execute(["model"], inputs={"rate": -1.0})
    lab.failed = exe.execution_rid


def make_lab(ml: DerivaML, root: Path) -> Lab:
    """Do the work in a catalog; `root` is for files of this machine."""
    lab = Lab(ml)
    _pictures(lab)
    _script(lab, root / "hydra")
    assert lab.dataset is not None
    assert lab.inner is not None
    lab.dataset.add_dataset_members({"Dataset": [lab.inner.dataset_rid]})
    _flow(lab)
    _failed(lab)
    return lab
