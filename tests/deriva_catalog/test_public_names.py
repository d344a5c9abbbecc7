"""Names that are imported when they are first asked for."""

import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "deriva_catalog",
        "deriva_catalog.bag",
        "deriva_catalog.catalog",
        "deriva_catalog.catalog.remote",
    ],
)
def test_public_names_are_there_and_listed(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))
    for each in module.__all__:
        assert getattr(module, each) is not None
    with pytest.raises(AttributeError, match="no attribute 'Catalgo'"):
        module.Catalgo  # noqa: B018
