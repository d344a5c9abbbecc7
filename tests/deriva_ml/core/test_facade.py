"""`DerivaML`: composed of collaborators, with its flat methods in modules of their own."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import FunctionType

import pytest

from deriva_ml.core import methods
from deriva_ml.core.base import DerivaML

MODULES = [m.name for m in pkgutil.iter_modules(methods.__path__)]


def test_it_inherits_from_nothing() -> None:
    assert DerivaML.__mro__ == (DerivaML, object)


@pytest.mark.parametrize("name", MODULES)
def test_every_flat_method_is_in_the_class_under_its_name(name: str) -> None:
    module = importlib.import_module(f"{methods.__name__}.{name}")
    public = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert public
    assert {n: _function(DerivaML.__dict__.get(n)) for n in public} == public


def _function(member: object) -> object:
    """The function that a member is, or that a property calls."""
    return member.fget if isinstance(member, property) else member


def test_every_method_says_what_it_takes_and_does() -> None:
    for name, value in inspect.getmembers(DerivaML, inspect.isfunction):
        if name.startswith("_"):
            continue
        first, *rest = inspect.signature(value).parameters.values()
        assert first.name == "self", name
        assert all(p.annotation is not inspect.Parameter.empty for p in rest), name
        assert inspect.signature(value).return_annotation is not inspect.Signature.empty, name
        assert inspect.getdoc(value), name
