"""A user's MLflow: the connection to it, and what its limits make of names and values.

Source: MLflow REST API 2.0, limits of requests; names and values of its tracking stores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLPermissionError,
    DerivaMLUnavailableError,
)

__all__ = [
    "BATCH_METRICS",
    "BATCH_PARAMS",
    "BATCH_TAGS",
    "EXECUTION_TAG",
    "batches",
    "connect",
    "cut",
    "mlflow_errors",
    "safe_names",
]

BATCH_METRICS = 1000
BATCH_PARAMS = 100
BATCH_TAGS = 100
"""How many of each kind go into one request."""

LONGEST_NAME = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 5000

EXECUTION_TAG = "deriva_ml.execution"
"""The tag of a run that names the execution that it stands for."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_\-. :/]")
T = TypeVar("T")


def connect(tracking_uri: str | None) -> Any:
    """A client of MLflow's tracking store.

    Args:
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLException: There is no such store, or it cannot be opened.
    """
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ImportError(
            "This needs MLflow, which is not installed. Install it: "
            "pip install 'derivaml[tracking]'"
        ) from error
    with mlflow_errors("connecting to MLflow"):
        return MlflowClient(tracking_uri=tracking_uri)


@contextmanager
def mlflow_errors(purpose: str) -> Iterator[None]:
    """Turn errors of MLflow into those of DerivaML; `purpose` says what was being done."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        kind = {
            "RESOURCE_DOES_NOT_EXIST": DerivaMLNotFoundError,
            "PERMISSION_DENIED": DerivaMLPermissionError,
            "UNAUTHENTICATED": DerivaMLPermissionError,
            "TEMPORARILY_UNAVAILABLE": DerivaMLUnavailableError,
            "INTERNAL_ERROR": DerivaMLUnavailableError,
        }.get(error.error_code, DerivaMLException)
        raise kind(f"MLflow failed while {purpose}: {error.message}") from error
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"MLflow cannot be reached while {purpose}: {error}. Check the tracking URI."
        ) from error


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in batches of at most that size."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def cut(text: str, longest: int) -> str:
    """A text, with dots at its end where it was too long."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """The names that MLflow takes for some, all of them different."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = _NOT_IN_NAMES.sub("_", name).strip()[:LONGEST_NAME] or "_"
        # A name is part of a path there.
        plain = "/".join(part.strip(".") or "_" for part in plain.split("/"))
        safe, number = plain, 1
        while safe in taken:
            number += 1
            ending = f"_{number}"
            safe = plain[: LONGEST_NAME - len(ending)] + ending
        taken.add(safe)
        found[name] = safe
    return found
