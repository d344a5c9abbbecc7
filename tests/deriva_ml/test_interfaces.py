"""The protocols and the classes that have them are kept in step."""

from __future__ import annotations

import inspect

import pytest

from deriva_ml import interfaces
from deriva_ml.asset import Asset
from deriva_ml.core.base import DerivaML
from deriva_ml.dataset import Dataset, DatasetBag

HAVE = [
    (interfaces.DatasetLike, Dataset),
    (interfaces.DatasetLike, DatasetBag),
    (interfaces.WritableDataset, Dataset),
    (interfaces.AssetLike, Asset),
    (interfaces.WritableAsset, Asset),
    (interfaces.DerivaMLCatalogReader, DerivaML),
    (interfaces.DerivaMLCatalog, DerivaML),
]

# Properties that both kinds of dataset have and that reading code needs not.
OURS = {"datasets", "rid"}
VERBS = ("find_", "list_", "lookup_", "get_", "describe_", "feature_", "dataset_")


def _public(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


@pytest.mark.parametrize(("protocol", "owner"), HAVE)
def test_a_class_takes_what_its_protocol_says(protocol: type, owner: type) -> None:
    for name in _public(protocol):
        said = inspect.getattr_static(protocol, name)
        if not inspect.isfunction(said):
            continue
        wanted = inspect.signature(said).parameters
        have = inspect.signature(getattr(owner, name)).parameters
        positional = [p for p in have.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        for place, parameter in enumerate(wanted.values()):
            mine = have[parameter.name]
            assert mine.kind is parameter.kind, name
            assert parameter.default in (parameter.empty, mine.default), name
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                assert positional[place].name == parameter.name, name


def test_what_both_kinds_of_dataset_tell_is_in_the_protocol() -> None:
    both = _public(Dataset) & _public(DatasetBag)
    told = {
        name
        for name in both
        if name.startswith(VERBS) or isinstance(inspect.getattr_static(Dataset, name), property)
    }
    assert told - _public(interfaces.DatasetLike) == OURS
