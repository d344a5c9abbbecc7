"""Bringing the bytes of outputs into the object store, several files at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from deriva_catalog.objects import Content, Upload
from deriva_catalog.objects.contract import Contents
from deriva_ml.core.progress import Advance, byte_progress

from .journal import OutputFile
from .report import UploadCallback, UploadProgress
from .run import Run

__all__ = ["store_outputs"]

_WORKERS = 4
_BATCH = 256
_SMALL = 64 * 1024


def store_outputs(
    run: Run, outputs: Sequence[OutputFile], callback: UploadCallback | None = None
) -> list[tuple[OutputFile, Upload]]:
    """Store the bytes of outputs and say under which names they are to be registered.

    The journal learns what is stored as it goes on, so that a later attempt need not look at
    those files again while they are unchanged.

    Raises:
        CatalogError: The store cannot be written.
        OSError: A file cannot be read.
    """
    from .commit import object_name

    total = sum(run.inside(o.path).stat().st_size for o in outputs)
    stored: list[OutputFile] = []
    with byte_progress("Upload", total) as bar:
        telling = _Telling(callback, bar, total)
        telling.say("Staging", f"{len(outputs)} files, {total} bytes.")
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="upload") as pool:
            for begin in range(0, len(outputs), _BATCH):
                some = outputs[begin : begin + _BATCH]
                done = _store_some(run, some, telling, pool)
                run.journal.stored({o.token: o.content for o in done if o.content is not None})
                stored += done
        # Before the catalog names the files they must survive a loss of power.
        digests = [o.content["sha256"] for o in stored if o.content is not None]
        run.session.catalog.objects.content.flush(digests)
        telling.say("Uploaded", f"{len(outputs)} files are stored.")
    return [(o, Upload(object_name(o), content=_content(o))) for o in stored]


def _store_some(
    run: Run, outputs: Sequence[OutputFile], telling: _Telling, pool: ThreadPoolExecutor
) -> list[OutputFile]:
    """Store a few outputs: small files together, so that they travel in one request."""
    store = run.session.catalog.objects.content
    files = [_File(output, run.inside(output.path)) for output in outputs]
    waiting = [file for file in files if not file.is_stored(store)]
    small = [file for file in waiting if file.mark["length"] <= _SMALL]
    found = dict(zip(small, store.add_many([file.path for file in small]), strict=True))
    for file in files:
        if file in found or file not in waiting:
            telling.advance(file.mark["length"], file.path)
    large = [file for file in waiting if file not in found]
    added = pool.map(lambda f: store.add(f.path, lambda n: telling.advance(n, f.path)), large)
    found.update(zip(large, added, strict=True))
    return [file.stored_as(found[file]) if file in found else file.output for file in files]


class _File:
    """An output as it is on the disk now."""

    def __init__(self, output: OutputFile, path: Path) -> None:
        self.output = output
        self.path = path
        seen = path.stat()
        self.mark = {"mtime": seen.st_mtime_ns, "length": seen.st_size}

    def is_stored(self, store: Contents) -> bool:
        """Whether an earlier attempt stored the file, and it is the same still."""
        known = self.output.content
        if not known or {name: known[name] for name in self.mark} != self.mark:
            return False
        return store.has(known["sha256"])

    def stored_as(self, content: Content) -> OutputFile:
        """The output, whose bytes are in the store now."""
        facts: dict[str, Any] = {"md5": content.md5, "sha256": content.sha256}
        return replace(self.output, content={**self.mark, **facts, "length": content.length})


def _content(output: OutputFile) -> Content:
    known = output.content or {}
    return Content(known["length"], known["md5"], known["sha256"])


class _Telling:
    """Tells the bar and the callback, one thread at a time."""

    def __init__(self, callback: UploadCallback | None, bar: Advance, total: int) -> None:
        self._callback = callback
        self._bar = bar
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def advance(self, count: int, path: Path) -> None:
        """Bytes of a file were worked on."""
        self._bar(count)
        with self._lock:
            self._done += count
            self._say("Uploading", f"{path.name}", path)

    def say(self, phase: str, message: str) -> None:
        """A phase begins."""
        with self._lock:
            self._say(phase, message, None)

    def _say(self, phase: str, message: str, path: Path | None) -> None:
        if self._callback is None:
            return
        share = 100.0 * self._done / self._total if self._total else 100.0
        shown = ("", "") if path is None else (str(path), path.name)
        self._callback(
            UploadProgress(*shown, self._done, self._total, min(share, 100.0), phase, message)
        )
