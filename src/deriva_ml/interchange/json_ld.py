"""JSON-LD as RO-Crates hold it: one flat list of entities that refer to each other by ``@id``.

Source: RO-Crate Metadata Specification 1.1 and 1.3, "RO-Crate JSON-LD".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = [
    "METADATA_FILE",
    "ROOT",
    "Crate",
    "Reference",
    "json_bytes",
    "path_id",
    "read_json",
    "refer",
]

METADATA_FILE = "ro-crate-metadata.json"
ROOT = "./"
_SPECIFICATION = "https://w3id.org/ro/crate/"

Reference = dict[str, str]
"""A reference to an entity: ``{"@id": ...}``."""


def refer(identifier: str) -> Reference:
    """A reference to the entity with that identifier."""
    return {"@id": identifier}


def path_id(path: str) -> str:
    """The identifier of a file of the crate: its path as a relative URI."""
    return quote(path, safe="/~!$&'()*+,;=@")


def json_bytes(document: Any) -> bytes:
    """A document as UTF-8 JSON with sorted members, so that equal documents are equal bytes."""
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def read_json(file: Path) -> Any:
    """The document in a file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no JSON, or has a text that no file and no database can keep.
        RecursionError: It nests too deep.
    """
    data = file.read_bytes()
    document = json.loads(data)
    if b"\\ud" in data.lower():  # halves of a character may be spelled alone
        json_bytes(document)
    return document


@dataclass(frozen=True, slots=True)
class Crate:
    """The entities of a crate, by identifier.

    Attributes:
        specification: The version of RO-Crate that it follows: ``1.1`` or ``1.3``.
        terms: Terms that its context defines beside those of the specification.
        profiles: URIs that the metadata file itself conforms to, beside the specification.
    """

    specification: str
    terms: Mapping[str, str] = field(default_factory=dict)
    profiles: Sequence[str] = ()
    _entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    _parts: dict[str, None] = field(default_factory=dict)

    def add(self, identifier: str, kind: str | Sequence[str], /, **properties: Any) -> Reference:
        """Add an entity, and return a reference to it; one that is there already stays.

        Properties without a value (None, an empty text, list or mapping) are left out.
        """
        if identifier not in self._entities:
            types = kind if isinstance(kind, str) else list(kind)
            self._entities[identifier] = {"@id": identifier, "@type": types, **_known(properties)}
        return refer(identifier)

    def add_part(
        self, identifier: str, kind: str | Sequence[str], /, **properties: Any
    ) -> Reference:
        """Add a data entity: a file, or a set of data, that is part of the whole crate."""
        self._parts[identifier] = None
        return self.add(identifier, kind, **properties)

    def extend(self, identifier: str, /, **properties: Any) -> None:
        """Give an entity more properties."""
        self._entities[identifier].update(_known(properties))

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._entities

    def document(self, **root: Any) -> dict[str, Any]:
        """The whole as a JSON document.

        Args:
            **root: Properties of the crate as a whole.
        """
        parts = [refer(identifier) for identifier in sorted(self._parts)]
        whole = {"@id": ROOT, "@type": "Dataset", **_known({"hasPart": parts, **root})}
        conforms = [refer(_SPECIFICATION + self.specification), *map(refer, self.profiles)]
        about = {
            "@id": METADATA_FILE,
            "@type": "CreativeWork",
            "about": refer(ROOT),
            "conformsTo": conforms[0] if len(conforms) == 1 else conforms,
        }
        context = f"{_SPECIFICATION}{self.specification}/context"
        rest = [self._entities[identifier] for identifier in sorted(self._entities)]
        return {
            "@context": [context, dict(self.terms)] if self.terms else context,
            "@graph": [about, whole, *rest],
        }


def _known(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that have a value; a list of one is that one."""
    known: dict[str, Any] = {}
    for name, value in properties.items():
        plain = list(value) if _is_many(value) else value
        if plain is None or plain in ("", [], {}):
            continue
        known[name] = plain[0] if isinstance(plain, list) and len(plain) == 1 else plain
    return known


def _is_many(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)
