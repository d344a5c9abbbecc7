"""Results of questions kept as files: two for each, its facts and its columns.

A result is kept with the snapshot of the catalog that it was read at, so what is read again is
what would be answered again.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.model.elements import ColumnType
from deriva_catalog.path.frames import Output, frame_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CachedResult", "ResultCache", "key_of_question"]

_FORMAT = 1
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class CachedResult:
    """What is known of a result that is kept.

    Attributes:
        key: What it is kept under.
        source: ``catalog``, the snapshot of a table that was read at one, or the RID of the
            dataset that a wide table was made of.
        tables: The tables that were asked for.
        snapshot: Of which snapshot of the catalog.
        rows: How many rows it has.
        columns: Names of its columns.
        size_bytes: How much room it takes.
        created: When it was made, in seconds since 1970.
    """

    key: str
    source: str
    tables: tuple[str, ...]
    snapshot: str
    rows: int
    columns: tuple[str, ...]
    size_bytes: int
    created: float


def key_of_question(catalog: str, question: Mapping[str, Any]) -> str:
    """The key of what was asked of a catalog, where `catalog` is an identity no other has."""
    facts = json.dumps([_FORMAT, catalog, question], sort_keys=True, default=str)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class ResultCache:
    """Results in a directory; several processes may use it at a time."""

    directory: Path

    def find(self, key: str) -> CachedResult | None:
        """What is known of a result; None when it is not here, or not whole."""
        if not _KEY.fullmatch(key):
            return None
        try:
            facts = json.loads(self._facts(key).read_bytes())
            size = self._data(key).stat().st_size
            lists = {name: tuple(facts[name]) for name in ("tables", "columns")}
            return CachedResult(**facts | lists | {"size_bytes": size})
        except (OSError, ValueError, TypeError, KeyError):
            return None  # it is made again

    def frame(self, key: str, snapshot: str | None = None) -> pd.DataFrame | None:
        """A result, exactly as it was made; None when it is not here, or not of that snapshot."""
        if not _KEY.fullmatch(key):
            return None
        try:
            document = json.loads(zlib.decompress(self._data(key).read_bytes()))
            if snapshot not in (None, document["snapshot"]):
                return None
            outputs = [Output(name, _type(t)) for name, t in document["outputs"]]
            return frame_of(document["columns"], outputs)
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            return None  # it is made again

    def keep(
        self,
        key: str,
        source: str,
        tables: Sequence[str],
        snapshot: str,
        outputs: Sequence[Output],
        columns: Sequence[list[Any]],
    ) -> None:
        """Keep a result; one that is there under the key is replaced."""
        self.directory.mkdir(parents=True, exist_ok=True)
        types = [(o.name, None if o.type is None else asdict(o.type)) for o in outputs]
        content = {"outputs": types, "columns": list(columns), "snapshot": snapshot}
        self._write(self._data(key), zlib.compress(json.dumps(content).encode(), 1))
        facts = {
            "key": key,
            "source": source,
            "tables": list(tables),
            "snapshot": snapshot,
            "rows": len(columns[0]) if columns else 0,
            "columns": [o.name for o in outputs],
            "created": time.time(),
        }
        self._write(self._facts(key), json.dumps(facts).encode())

    def list(self) -> Iterator[CachedResult]:
        """What is known of every result, the newest first."""
        found = [self.find(path.stem) for path in self.directory.glob("*.json")]
        yield from sorted((r for r in found if r is not None), key=lambda r: -r.created)

    def drop(self, key: str) -> bool:
        """Forget a result; whether there was one."""
        if not _KEY.fullmatch(key):
            return False
        there = self._facts(key).exists()
        for path in (self._facts(key), self._data(key)):
            path.unlink(missing_ok=True)
        return there

    def _facts(self, key: str) -> Path:
        return self.directory / f"{key}.json"

    def _data(self, key: str) -> Path:
        return self.directory / f"{key}.data"

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """Write a file as a whole or not at all."""
        building = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
        building.write_bytes(content)
        building.replace(path)


def _type(document: Mapping[str, Any] | None) -> ColumnType | None:
    if document is None:
        return None
    return ColumnType(document["typename"], _type(document["base"]), document["is_array"])
