"""The tree of errors and the translation of the catalog's."""

import inspect
import pickle

import pytest

import deriva_catalog.errors as catalog_errors
from deriva_ml.core import exceptions
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLDirtyWorkflowError,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLValidationError,
    from_catalog_error,
    translated,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(catalog_errors, inspect.isclass)
    if issubclass(kind, catalog_errors.CatalogError)
]


@pytest.mark.parametrize("kind", ALL)
def test_every_catalog_error_has_a_translation(kind: type[catalog_errors.CatalogError]) -> None:
    ours = from_catalog_error(kind("Row 1ABC is gone.", hint="Look elsewhere.", rid="1ABC"))
    assert isinstance(ours, DerivaMLException)
    assert str(ours) == "Row 1ABC is gone. Look elsewhere."
    assert ours.facts == {"rid": "1ABC"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (catalog_errors.NotFound, DerivaMLNotFoundError),
        (catalog_errors.ReadOnly, DerivaMLReadOnlyError),
        (catalog_errors.BadRequest, DerivaMLValidationError),
    ],
)
def test_translation_keeps_the_kind(
    theirs: type[catalog_errors.CatalogError], ours: type[DerivaMLException]
) -> None:
    assert type(from_catalog_error(theirs("x"))) is ours


def test_translated_keeps_the_cause_and_lets_others_pass() -> None:
    cause = catalog_errors.NotFound("gone")
    with pytest.raises(DerivaMLNotFoundError) as caught, translated():
        raise cause
    assert caught.value.__cause__ is cause
    with pytest.raises(KeyError), translated():
        raise KeyError("x")


def test_translated_decorates() -> None:
    @translated()
    def ask() -> None:
        raise catalog_errors.Unavailable("locked")

    with pytest.raises(DerivaMLException, match="locked"):
        ask()


def test_errors_cross_processes_with_their_facts() -> None:
    error = pickle.loads(pickle.dumps(DerivaMLDirtyWorkflowError("/r/a.py", ["a.py", "b.py"])))
    assert error.dirty_paths == ["a.py", "b.py"]
    assert "'a.py', 'b.py'" in str(error)


def test_leaves_are_what_a_caller_would_catch() -> None:
    assert isinstance(DerivaMLDatasetNotFound("1ABC"), LookupError)
    assert isinstance(DerivaMLValidationError("x"), ValueError)


def test_documented_tree_names_every_error() -> None:
    names = [n for n in exceptions.__all__ if inspect.isclass(getattr(exceptions, n))]
    drawn = exceptions.__doc__ or ""
    assert [n for n in names if n not in drawn and n != "translated"] == []
