"""Registries of bags: what gives an archive an identifier that lasts, and finds it again.

Which one is used is a setting (``registry`` of the connection, or ``DERIVA_ML_REGISTRY``): a URL
means a folder of records there, anything else the name of an entry point in the group
``deriva_ml.registries``, perhaps with an argument after a colon (``name:argument``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)

from .storehouse import below, read_bytes, write_bytes

__all__ = ["ENTRY_POINTS", "Registered", "RegistrationService", "StoreRegistry", "open_registry"]

ENTRY_POINTS = "deriva_ml.registries"
"""The group of entry points: functions that take the argument and return a service."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registry knows of an archive.

    Attributes:
        identifier: Its identifier, best a URL that leads to the record.
        location: URL of the archive.
        sha256: What its bytes are, in hexadecimal.
        metadata: What else was said of it, as texts.
    """

    identifier: str
    location: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class RegistrationService(Protocol):
    """Gives identifiers to archives. Write one to use an outside service."""

    def register(self, location: str, sha256: str, metadata: Mapping[str, str]) -> str:
        """Record where an archive is and what it is; returns its identifier.

        The same archive gets the same identifier, however often it is registered.
        """
        ...

    def resolve(self, identifier: str) -> Registered:
        """What is recorded under an identifier.

        Raises:
            DerivaMLNotFoundError: Nothing is.
        """
        ...


class StoreRegistry:
    """A registry that is a folder of JSON documents, in any store that `obstore` reaches.

    It needs no outside service. An identifier is the URL of its document, whose name follows from
    the SHA-256 of the archive.

    Args:
        url: The folder: ``file:///shared/minids``, ``s3://bucket/minids``.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def register(self, location: str, sha256: str, metadata: Mapping[str, str]) -> str:
        """Write the document of an archive; one that is there is replaced by the same facts."""
        if _SHA256.fullmatch(sha256) is None:
            raise DerivaMLValidationError(f"{sha256!r} is no SHA-256 in hexadecimal.")
        name = hashlib.sha256(f"bag {sha256}".encode()).hexdigest()[:24]
        found = Registered(below(self.url, f"{name}.json"), location, sha256, dict(metadata))
        document = json.dumps(asdict(found), ensure_ascii=False, indent=1, sort_keys=True)
        write_bytes(found.identifier, document.encode() + b"\n")
        return found.identifier

    def resolve(self, identifier: str) -> Registered:
        """Read the document of an archive."""
        name = urlsplit(identifier).path.rpartition("/")[2]
        if identifier != below(self.url, name):
            raise DerivaMLNotFoundError(
                f"{identifier!r} is no identifier of the registry {self.url!r}. Connect with the "
                "registry that gave it."
            )
        data = read_bytes(identifier)
        try:
            found = json.loads(data)
            known = Registered(
                str(found["identifier"]),
                str(found["location"]),
                str(found["sha256"]),
                {str(k): str(v) for k, v in found["metadata"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DerivaMLValidationError(f"{identifier!r} leads to no record of a bag.") from error
        if _SHA256.fullmatch(known.sha256) is None:
            raise DerivaMLValidationError(f"The record {identifier!r} has no SHA-256.")
        return known


def open_registry(setting: str) -> RegistrationService:
    """The registry that a setting means.

    Raises:
        DerivaMLConfigurationError: There is no such registry, or it cannot be made.
    """
    if _URL.fullmatch(setting):
        return StoreRegistry(setting)
    name, _, argument = setting.partition(":")
    found = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise DerivaMLConfigurationError(
            f"There is no registry {name!r}. Installed are: {known}. A URL such as "
            "'file:///shared/minids' is a registry of its own."
        )
    make = cast(Callable[[str], Any], found[name].load())
    service = make(argument)
    if not (hasattr(service, "register") and hasattr(service, "resolve")):
        raise DerivaMLConfigurationError(
            f"The registry {name!r} gave {service!r}, which has no register() and resolve()."
        )
    return cast(RegistrationService, service)
