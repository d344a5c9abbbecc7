"""Errors are one tree, say what to do, and survive the way to another process."""

from __future__ import annotations

import pickle

import pytest

from flexlock import errors

CLASSES = sorted(
    {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)},
    key=lambda c: c.__name__,
)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_belongs_to_the_tree_and_prints_its_hint(error: type) -> None:
    raised = error("cannot read 'a'.", hint="Look at 'b'.", path="a")
    assert isinstance(raised, errors.FlexLockError)
    assert str(raised) == "cannot read 'a'. Look at 'b'."
    assert raised.facts == {"path": "a"}


@pytest.mark.parametrize("error", CLASSES)
def test_errors_can_be_pickled(error: type) -> None:
    copy = pickle.loads(pickle.dumps(error("x", hint="y", key="k")))
    assert type(copy) is error
    assert (copy.message, copy.hint, copy.facts) == ("x", "y", {"key": "k"})


@pytest.mark.parametrize(
    ("error", "built_in"),
    [
        (errors.ConfigError, ValueError),
        (errors.LockNotFoundError, FileNotFoundError),
        (errors.MissingDataError, FileNotFoundError),
        (errors.UnreadableDataError, PermissionError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_leaves_are_also_the_built_in_that_callers_catch(error: type, built_in: type) -> None:
    with pytest.raises(built_in):
        raise error("x")


def test_all_names_are_listed() -> None:
    assert {c.__name__ for c in CLASSES} <= set(errors.__all__)
    assert errors.FlexLockConfigError is errors.ConfigError
