"""Results that wait to be fetched: a folder each, below the service's home.

The name of a folder cannot be guessed. Beside its files it has a note of who made it and until
when it is kept. Several processes share the spool, and each sweeps out what has expired.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...access import Client
from ...bag.staging import storage_errors
from ...errors import NotFound

__all__ = ["Result", "Spool"]

_NOTE = "note.json"
_FILES = "files"
_KEY_BYTES = 18


@dataclass(frozen=True, slots=True)
class Result:
    """One export: its key, and the folder for its files."""

    key: str
    folder: Path


class Spool:
    """The results below one directory, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def making(self, client: Client, *, hours: float, public: bool = False) -> Iterator[Result]:
        """A new result, which is there for others when the block ends without an error.

        Args:
            client: Who makes it, and may fetch it.
            hours: How long it is kept.
            public: Whether everybody who knows its address may fetch it.

        Raises:
            Unavailable: it cannot be written.
        """
        key = secrets.token_urlsafe(_KEY_BYTES)
        place = self._directory / key
        with storage_errors(f"writing the export {str(place)!r}"):
            (place / _FILES).mkdir(parents=True, mode=0o700)
        try:
            yield Result(key, place / _FILES)
            note = {
                "client": client.id,
                "public": public,
                "expires": time.time() + 3600.0 * hours,
            }
            with storage_errors(f"writing the export {str(place)!r}"):
                (place / _NOTE).write_text(json.dumps(note))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def file(self, key: str, name: str, client: Client) -> Path:
        """A file of a result.

        Raises:
            NotFound: there is none, it has expired, or it is somebody else's.
        """
        missing = NotFound(
            "There is no such export.",
            hint="It may have expired, or be that of another client. Export again.",
        )
        if "/" in key + name or key.startswith(".") or name in ("", ".", ".."):
            raise missing
        try:
            note = json.loads((self._directory / key / _NOTE).read_text())
        except OSError:
            raise missing from None
        mine = note["public"] or note["client"] is None or note["client"] == client.id
        found = self._directory / key / _FILES / name
        if not mine or note["expires"] <= time.time() or not found.is_file():
            raise missing
        return found

    def sweep(self, *, abandoned_hours: float = 24.0) -> None:
        """Remove what has expired, and what was begun long ago and never finished."""
        if not self._directory.is_dir():
            return
        now = time.time()
        for place in self._directory.iterdir():
            try:
                note = place / _NOTE
                if note.exists():
                    gone = json.loads(note.read_text())["expires"] <= now
                else:
                    gone = place.stat().st_mtime + 3600.0 * abandoned_hours <= now
            except (OSError, ValueError, KeyError):
                continue  # another process has just removed it, or is writing
            if gone:
                shutil.rmtree(place, ignore_errors=True)
