"""Samples of a bag to train with, in PyTorch and TensorFlow."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLFeatureNotFound,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.dataset.bag import DatasetBag
from deriva_ml.feature import FeatureRecord

from ..conftest import Stage, make_execution

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
needs_tensorflow = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)


@pytest.fixture(scope="module")
def bag(stage: Stage) -> DatasetBag:
    """Four pictures of one subject: of a cat, a dog, a cat or dog (who knows), and of nothing.

    Three of them are members, and the subject is.
    """
    ml = stage.ml
    (subject,) = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])
    rows = []
    for number in range(4):
        stored = ml.catalog.objects.put(f"/hatrac/Image/{number}.png", bytes([number] * 3))
        rows.append(
            {
                "URL": stored.url,
                "Filename": f"{number}.png",
                "Length": stored.length,
                "MD5": stored.md5,
                "Subject": subject["RID"],
            }
        )
    images = [r["RID"] for r in ml.catalog.insert(TableName("Image", "zoo"), rows)]
    feature = ml.lookup_feature("Image", "Label")
    for terms in (["cat", "dog", "cat"], ["", "", "dog"]):
        execution = make_execution(ml)
        values = [
            {"Execution": execution, "Image": rid, "Image_Class": term}
            for rid, term in zip(images, terms, strict=False)
            if term
        ]
        ml.features.insert_values(feature, values)
    dataset = ml.datasets.create(members=[*images[:3], subject["RID"]])
    return dataset.download_dataset_bag()


def load(path: Path | None, row: dict[str, Any]) -> list[int]:
    """A picture as numbers; at the top of the module, so that workers find it."""
    assert path is not None
    return list(path.read_bytes())


def term(record: Any) -> str:
    return str(record.Image_Class)


NEWEST = {"Label": FeatureRecord.select_newest}


@needs_torch
def test_samples_are_files_of_rows_that_belong_to_the_dataset(bag: DatasetBag) -> None:
    dataset = bag.as_torch_dataset("Image", sample_loader=load)
    assert len(dataset) == 4
    assert [dataset[i] for i in range(4)] == [
        ([i] * 3, row["RID"]) for i, row in enumerate(bag.get_table_as_dict("Image"))
    ]
    members = bag.as_torch_dataset("Image", sample_loader=load, reachable=False)
    assert members.rids == sorted(bag.list_members("Image"))
    with pytest.raises(IndexError):
        dataset[4]


@needs_torch
def test_a_target_is_the_record_of_a_feature(bag: DatasetBag) -> None:
    dataset = bag.as_torch_dataset("Image", sample_loader=load, targets=NEWEST, missing="skip")
    sample, record, rid = dataset[2]
    assert (sample, record.Image_Class, record.Image) == ([2] * 3, "dog", rid)
    assert len(dataset) == 3


@needs_torch
def test_transforms_are_applied_last(bag: DatasetBag) -> None:
    dataset = bag.as_torch_dataset(
        "Image",
        sample_loader=load,
        transform=sum,
        targets=NEWEST,
        target_transform=term,
        missing="skip",
    )
    assert [dataset[i][:2] for i in range(3)] == [(0, "cat"), (3, "dog"), (6, "dog")]


@needs_torch
def test_several_values_of_a_row_need_a_selector(bag: DatasetBag) -> None:
    with pytest.raises(DerivaMLValidationError, match="1 rows of 'Image' have several values") as e:
        bag.as_torch_dataset("Image", sample_loader=load, targets=["Label"], missing="skip")
    assert "FeatureRecord.select_newest" in str(e.value)


@needs_torch
def test_rows_without_a_value_are_named_left_out_or_unknown(bag: DatasetBag) -> None:
    lacking = bag.get_table_as_dict("Image")[3]["RID"]
    with pytest.raises(DerivaMLValidationError, match=f"lack a value of 'Label': {lacking}"):
        bag.as_torch_dataset("Image", sample_loader=load, targets=NEWEST)
    unknown = bag.as_torch_dataset(
        "Image", sample_loader=load, targets=NEWEST, target_transform=term, missing="unknown"
    )
    assert [unknown[i][1] for i in range(4)] == ["cat", "dog", "dog", None]
    with pytest.raises(DerivaMLValidationError, match="'error', 'skip', 'unknown'"):
        bag.as_torch_dataset("Image", sample_loader=load, missing="no")  # type: ignore[arg-type]


@needs_torch
def test_rows_of_plain_tables_are_samples_themselves(bag: DatasetBag) -> None:
    plain = bag.as_torch_dataset("Subject")
    assert plain[0][0]["Name"] == "Tom"
    named = bag.as_torch_dataset("Subject", sample_loader=lambda path, row: (path, row["Name"]))
    assert named[0][0] == (None, "Tom")


@needs_torch
@pytest.mark.parametrize(
    ("element", "options", "kind", "text"),
    [
        ("Image", {}, DerivaMLValidationError, "PIL.Image.open"),
        ("Imag", {}, DerivaMLTableNotFound, "Image"),
        ("Image_Class", {}, DerivaMLTableTypeError, "element types are .*'Image', 'Subject'"),
        ("Subject", {"targets": ["Label"]}, DerivaMLFeatureNotFound, "Label"),
        ("Subject", {"targets": 3}, DerivaMLValidationError, "no names of features"),
    ],
)
def test_what_cannot_be_trained_with_is_refused(
    bag: DatasetBag, element: str, options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        bag.as_torch_dataset(element, **options)


@needs_torch
def test_a_file_that_was_not_fetched_is_missed_when_it_is_read(
    bag: DatasetBag, tmp_path: Path
) -> None:
    dataset = bag.as_torch_dataset("Image", sample_loader=load)
    path = dataset.samples.paths[0]
    assert path is not None
    path.rename(tmp_path / "away")
    try:
        with pytest.raises(DerivaMLException, match=r"materialize\(\)"):
            dataset[0]
        assert dataset[1][0] == [1] * 3
    finally:
        (tmp_path / "away").rename(path)


@needs_torch
def test_samples_can_be_sent_to_another_process(bag: DatasetBag) -> None:
    dataset = bag.as_torch_dataset(
        "Image", sample_loader=load, targets=NEWEST, target_transform=term, missing="skip"
    )
    assert dataset[0][1] == "cat"  # the class of the records was made
    again = pickle.loads(pickle.dumps(dataset))
    assert [again[i] for i in range(3)] == [dataset[i] for i in range(3)]


@needs_torch
def test_workers_of_a_loader_read_the_files(bag: DatasetBag) -> None:
    import torch

    dataset = bag.as_torch_dataset(
        "Image",
        sample_loader=load,
        transform=torch.tensor,
        targets=NEWEST,
        target_transform=term,
        missing="skip",
    )
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=1)
    ((samples, terms, rids),) = list(loader)
    assert samples.tolist() == [[0] * 3, [1] * 3, [2] * 3]
    assert (list(terms), list(rids)) == (["cat", "dog", "dog"], dataset.rids)


@pytest.mark.parametrize(
    ("module", "call"), [("torch", "as_torch_dataset"), ("tensorflow", "as_tf_dataset")]
)
def test_without_the_library_the_install_line_is_told(
    bag: DatasetBag, module: str, call: str
) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from deriva_ml.dataset.bag import DatasetBag
try:
    DatasetBag.{call}(None, "Image")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'derivaml[{module}]'" in done.stdout


@needs_tensorflow
def test_tensorflow_takes_the_same_samples(bag: DatasetBag) -> None:
    import tensorflow as tf

    dataset = bag.as_tf_dataset("Image", sample_loader=load, targets=NEWEST, missing="skip")
    assert len(dataset) == 3
    items = list(dataset.as_numpy_iterator())
    assert [list(sample) for sample, _, _ in items] == [[0] * 3, [1] * 3, [2] * 3]
    assert [target["Image_Class"] for _, target, _ in items] == [b"cat", b"dog", b"dog"]
    batch = next(iter(dataset.batch(3)))
    assert batch[0].shape == (3, 3)
    spec = (tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.string))
    given = bag.as_tf_dataset("Image", sample_loader=load, output_signature=spec)
    assert next(given.as_numpy_iterator())[0].dtype == "float32"


@needs_tensorflow
def test_tensorflow_is_told_what_is_no_tensor(bag: DatasetBag) -> None:
    with pytest.raises(DerivaMLValidationError, match="is no tensor"):
        bag.as_tf_dataset("Subject", sample_loader=lambda path, row: None)


@needs_tensorflow
def test_keras_fits_what_tensorflow_gets(bag: DatasetBag) -> None:
    import keras

    classes = {"cat": 0, "dog": 1}
    dataset = bag.as_tf_dataset(
        "Image",
        sample_loader=lambda path, row: [value / 2 for value in load(path, row)],
        targets=NEWEST,
        target_transform=lambda record: classes[term(record)],
        missing="skip",
    )
    pairs = dataset.map(lambda sample, target, rid: (sample, target)).batch(3)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.5), loss, metrics=["accuracy"])
    history = model.fit(pairs, epochs=40, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["accuracy"][-1] == 1.0
