"""Checking what a caller gave, before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from enum import Enum
from typing import TypeVar

from .enums import ConnectionMode, ExecutionStatus
from .exceptions import DerivaMLValidationError

__all__ = [
    "check_count",
    "check_text",
    "days",
    "mode_named",
    "moment",
    "status_named",
    "validated",
    "words",
]

_Name = TypeVar("_Name", bound=Enum)


def check_text(value: object, name: str) -> str:
    """`value`, which must be a text.

    Raises:
        DerivaMLValidationError: It is not.
    """
    if not isinstance(value, str):
        raise DerivaMLValidationError(f"{name} is a text, not {value!r}.")
    return value


def check_count(value: int | None, name: str) -> int | None:
    """`value`, which must be None or a whole number, 0 or more.

    Raises:
        DerivaMLValidationError: It is not.
    """
    if value is None or (isinstance(value, int) and value >= 0):
        return value
    raise DerivaMLValidationError(f"{name} is a number of rows (0 or more) or None, not {value!r}.")


def moment(value: datetime | date | str, name: str) -> datetime:
    """A time that a caller gave: one without a zone is local, and a day begins at midnight.

    Args:
        value: A time, a day, or one of these in ISO 8601.
        name: What the argument is called.

    Raises:
        DerivaMLValidationError: It is none.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise DerivaMLValidationError(
                f"{name} is a time, as in datetime(2026, 11, 20) or '2026-11-20T08:30', not "
                f"{value!r}."
            ) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time_of_day())
    if not isinstance(value, datetime):
        raise DerivaMLValidationError(f"{name} is a time, not {value!r}.")
    return value.astimezone()


def days(value: timedelta | int | float | None, name: str) -> timedelta | None:
    """A length of time that a caller gave, perhaps as a number of days; None stays None.

    Raises:
        DerivaMLValidationError: It is none, or negative.
    """
    if value is None:
        return None
    length = timedelta(days=value) if isinstance(value, int | float) else value
    if not isinstance(length, timedelta) or length < timedelta(0):
        raise DerivaMLValidationError(f"{name} is a number of days (0 or more), not {value!r}.")
    return length


def words(value: str | Iterable[str] | None, name: str) -> list[str]:
    """One word or several, as a list; None is none.

    Raises:
        DerivaMLValidationError: `value` is neither.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        raise DerivaMLValidationError(f"{name} is one word or several, not {value!r}.")
    return [str(word) for word in value]


def mode_named(value: ConnectionMode | str) -> ConnectionMode:
    """The mode of a connection with a name.

    Raises:
        DerivaMLValidationError: There is no such mode.
    """
    return _named(ConnectionMode, value, "mode of a connection")


def status_named(value: ExecutionStatus | str) -> ExecutionStatus:
    """The state of an execution with a name.

    Raises:
        DerivaMLValidationError: There is no such state.
    """
    return _named(ExecutionStatus, value, "state of an execution")


def _named(kind: type[_Name], value: _Name | str, what: str) -> _Name:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(one.value for one in kind)
        raise DerivaMLValidationError(
            f"{str(value)!r} is not a {what}; {what.split()[0]}s are {known}."
        ) from error


@contextmanager
def validated(what: str) -> Iterator[None]:
    """Turn what pydantic says of wrong values into an error of ours.

    Raises:
        DerivaMLValidationError: A value does not fit; the message says which, and why.
    """
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}"
            for each in error.errors(include_url=False)[:10]
        )
        raise DerivaMLValidationError(f"{what} cannot be made: {found}.") from error
