"""Inputs that are files: assets of the catalog and files of this machine."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hydra_zen import instantiate

from deriva_ml.asset.spec import (
    AssetRIDConfig,
    AssetSpec,
    AssetSpecConfig,
    LocalFile,
    LocalFileConfig,
    asset_input,
)


def test_spec_is_its_rid_wherever_a_string_is_wanted() -> None:
    spec = AssetSpec("2-277G", cache=True, description="weights")
    assert spec == "2-277G"
    assert {spec: 1}["2-277G"] == 1
    assert f"{spec}" == spec.rid == "2-277G"
    assert type(spec.rid) is str
    for twin in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert (twin, twin.cache, twin.description) == ("2-277G", True, "weights")


@pytest.mark.parametrize("rid", ["wxyz", "", "12345", 7])
def test_what_is_no_rid_is_refused(rid: Any) -> None:
    with pytest.raises(ValueError, match="not the RID"):
        AssetSpec(rid)


@pytest.mark.parametrize(
    "entry",
    [
        "WXYZ",
        {"rid": "WXYZ"},
        AssetSpec("WXYZ"),
        AssetRIDConfig("WXYZ"),
        AssetRIDConfig(rid="WXYZ", description=""),
        AssetSpecConfig("WXYZ", cache=False),
    ],
)
def test_an_asset_in_any_shape_is_one(entry: Any) -> None:
    assert repr(asset_input(entry)) == repr(AssetSpec("WXYZ"))


@pytest.mark.parametrize("entry", [{"path": "a.csv"}, LocalFileConfig("a.csv"), Path("a.csv")])
def test_something_with_a_path_is_a_local_file(entry: Any) -> None:
    assert asset_input(entry) == LocalFile("a.csv")


def test_configurations_become_what_they_describe() -> None:
    weights = instantiate(AssetRIDConfig(rid="WXYZ", description="Pretrained", cache=True))
    assert (weights, weights.description, weights.cache) == ("WXYZ", "Pretrained", True)
    assert instantiate(LocalFileConfig("a.csv")) == LocalFile(Path("a.csv"))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"rid": "WXYZ", "chache": True}, "'chache'"),
        ({"path": "a", "description": "x"}, "'description'"),
        ({"rid": "WXYZ", "path": "a"}, "'path'"),
        ({}, "neither"),
        (12, "quote a RID"),
    ],
)
def test_a_slip_is_an_error(entry: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asset_input(entry)
