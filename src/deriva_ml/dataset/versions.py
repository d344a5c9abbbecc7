"""Version numbers of datasets: ``major.minor.patch``, and labels of work in progress.

A released version is ``1.2.0``. What has changed since then and is not released bears a
development label such as ``1.2.0.post1.dev3``, which sorts after ``1.2.0`` and before ``1.2.1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import total_ordering
from typing import Any

from packaging.version import InvalidVersion, Version
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..core.enums import VersionPart
from ..core.exceptions import DerivaMLValidationError

__all__ = ["DatasetVersion", "VersionPart"]

_FORMS = "'1.2.0', (1, 2, 0) or {'major': 1, 'minor': 2, 'patch': 0}"


@total_ordering
class DatasetVersion:
    """The version of a dataset; immutable, ordered, hashable, and a field type for pydantic.

    Args:
        major: Raised by a change of structure that breaks readers.
        minor: Raised by new data.
        patch: Raised by corrections.

    Example:
        >>> DatasetVersion.parse("1.2.0").next_release(VersionPart.minor)
        DatasetVersion('1.3.0')
    """

    __slots__ = ("_version",)
    _version: Version

    def __init__(self, major: int, minor: int = 0, patch: int = 0) -> None:
        for part in (major, minor, patch):
            if isinstance(part, bool) or not isinstance(part, int) or part < 0:
                msg = f"({major!r}, {minor!r}, {patch!r}) is not a dataset version: use {_FORMS}."
                raise DerivaMLValidationError(msg)
        self._version = Version(f"{major}.{minor}.{patch}")

    @classmethod
    def parse(cls, version: str) -> DatasetVersion:
        """Read ``1.2.0``, ``1.2`` (patch 0) or a development label.

        Raises:
            DerivaMLValidationError: The text is none of these (also a `ValueError`).
        """
        try:
            read = Version(version)
        except (InvalidVersion, TypeError):
            read = None
        if read is None or len(read.release) > 3 or read.epoch or read.pre or read.local:
            msg = f"{version!r} is not a dataset version: write 'major.minor.patch', as in '1.2.0'."
            raise DerivaMLValidationError(msg)
        made = cls(read.major, read.minor, read.micro)
        label = "" if read.post is None else f".post{read.post}"
        label += "" if read.dev is None else f".dev{read.dev}"
        made._version = Version(f"{made._version}{label}")
        return made

    @classmethod
    def of(cls, value: object) -> DatasetVersion:
        """Return the version that `value` says: a version, a text, three numbers or a mapping.

        Raises:
            DerivaMLValidationError: `value` is none of these (also a `ValueError`).
        """
        if isinstance(value, DatasetVersion):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        if isinstance(value, Mapping) and value and set(value) <= {"major", "minor", "patch"}:
            return cls(value.get("major", 0), value.get("minor", 0), value.get("patch", 0))
        if isinstance(value, Sequence) and 1 <= len(value) <= 3:
            return cls(*value)
        msg = f"{value!r} is not a dataset version: use {_FORMS}."
        raise DerivaMLValidationError(msg)

    @property
    def major(self) -> int:
        """The first number."""
        return self._version.major

    @property
    def minor(self) -> int:
        """The second number."""
        return self._version.minor

    @property
    def micro(self) -> int:
        """The third number, under the name that Python packages use."""
        return self._version.micro

    @property
    def patch(self) -> int:
        """The third number."""
        return self._version.micro

    @property
    def post(self) -> int | None:
        """The number after ``.post``, if any."""
        return self._version.post

    @property
    def dev(self) -> int | None:
        """The number after ``.dev``, if any."""
        return self._version.dev

    @property
    def is_devrelease(self) -> bool:
        """Whether this labels work that is not released."""
        return self._version.is_devrelease

    @property
    def released(self) -> DatasetVersion:
        """The version without its development label."""
        return DatasetVersion(self.major, self.minor, self.patch)

    def next_release(self, bump: VersionPart | str) -> DatasetVersion:
        """Return the released version that follows when `bump` is raised."""
        try:
            part = VersionPart(bump)
        except ValueError:
            msg = f"{bump!r} is no part of a version: use 'major', 'minor' or 'patch'."
            raise DerivaMLValidationError(msg) from None
        if part is VersionPart.major:
            return DatasetVersion(self.major + 1)
        if part is VersionPart.minor:
            return DatasetVersion(self.major, self.minor + 1)
        return DatasetVersion(self.major, self.minor, self.patch + 1)

    increment_version = next_release

    def next_dev(self) -> DatasetVersion:
        """Return the next development label: ``.post1.dev1``, then ``.post1.dev2`` and so on."""
        number = (self.dev or 0) + 1 if self.is_devrelease else 1
        return DatasetVersion.parse(f"{self.released}.post1.dev{number}")

    def to_dict(self) -> dict[str, int]:
        """Return ``{"major": ..., "minor": ..., "patch": ...}``."""
        return {"major": self.major, "minor": self.minor, "patch": self.patch}

    def to_tuple(self) -> tuple[int, int, int]:
        """Return ``(major, minor, patch)``."""
        return self.major, self.minor, self.patch

    def __str__(self) -> str:
        return str(self._version)

    def __repr__(self) -> str:
        return f"DatasetVersion({str(self)!r})"

    def _repr_html_(self) -> str:
        return f"<code>{self}</code>"

    def __hash__(self) -> int:
        return hash(self._version)

    def __eq__(self, other: object) -> bool:
        return self._version == other._version if isinstance(other, DatasetVersion) else False

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, DatasetVersion):
            return NotImplemented
        return self._version < other._version

    def __reduce__(self) -> tuple[Any, ...]:
        return DatasetVersion.parse, (str(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept every form of a version; write the mapping, or the label of a dev version."""
        return core_schema.no_info_plain_validator_function(
            cls.of,
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )


def _plain(version: DatasetVersion) -> dict[str, int] | str:
    """Return the JSON form; a development label does not fit in three numbers."""
    return str(version) if version.is_devrelease or version.post is not None else version.to_dict()
