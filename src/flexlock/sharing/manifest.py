"""What a tag says: which runs, which code and which data belong to it.

The manifest is canonical JSON, so that the same runs give the same bytes. It is the message of the
annotated tag, and lies in the store too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flexlock.errors import ShareError
from flexlock.sharing.contents import is_safe

__all__ = ["FORMAT", "Manifest", "SharedCode", "SharedData", "SharedRun", "Version", "manifest_key"]

FORMAT = 1
HERE = "."
"""The place of the main repository: the folder that is pulled into."""


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run: its id, the place of its directory, the text of its sheet, and its parents' ids."""

    id: str
    place: str
    sheet: str
    asked_for: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a repository: its tree, the pushed commit that has it, and the runs of it."""

    tree: str
    commit: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedCode:
    """A repository: its name in the sheets, its place, where it was pushed, and its versions."""

    name: str
    place: str
    url: str
    branch: str
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class SharedData:
    """Data of a run: where it lay, the place it gets, and what is in it."""

    run: str
    name: str
    path: str
    place: str
    kind: str
    algorithm: str
    hash: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that belongs to a tag. The first repository is the main one."""

    tag: str
    store: str | None
    runs: tuple[SharedRun, ...]
    code: tuple[SharedCode, ...]
    data: tuple[SharedData, ...]

    def to_json(self) -> bytes:
        """Return the manifest as canonical JSON: sorted keys, no spaces, one line."""
        document = {"flexlock_push": FORMAT, **asdict(self)}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text.encode() + b"\n"

    @staticmethod
    def from_json(text: bytes, where: str) -> Manifest:
        """Return the manifest that `to_json` wrote.

        Raises:
            ShareError: It is something else, of a newer version, or names places outside.
        """
        try:
            document = json.loads(text)
            if document["flexlock_push"] > FORMAT:
                message = f"{where} was pushed by a newer version of flexlock."
                raise ShareError(message, hint="Update flexlock.")
            manifest = Manifest(
                tag=str(document["tag"]),
                store=document["store"],
                runs=tuple(SharedRun(**run) for run in document["runs"]),
                code=tuple(_code(code) for code in document["code"]),
                data=tuple(SharedData(**data) for data in document["data"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            message = f"{where} does not hold runs that flexlock pushed."
            raise ShareError(message, hint="Check the name of the tag.") from error
        for place in (*(run.place for run in manifest.runs), *(d.place for d in manifest.data)):
            if not is_safe(place):
                message = f"{where} wants to write to {place!r}, outside of its folder."
                raise ShareError(message, hint="Do not use it.", place=place)
        return manifest


def manifest_key(tag: str) -> str:
    """Return the key of a tag's manifest in a store."""
    return f"manifests/{tag}.json"


def _code(document: Mapping[str, Any]) -> SharedCode:
    versions = tuple(
        Version(version["tree"], version["commit"], tuple(version["runs"]))
        for version in document["versions"]
    )
    return SharedCode(**{**document, "versions": versions})
