"""Bringing the bytes of outputs into the object store, several files at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from deriva_catalog.objects import Content, Upload
from deriva_ml.core.progress import Advance, byte_progress

from .journal import OutputFile
from .report import UploadCallback, UploadProgress
from .run import Run

__all__ = ["store_outputs"]

_WORKERS = 4
_BATCH = 256


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
                done = list(pool.map(lambda o: _store(run, o, telling), some))
                run.journal.stored({o.token: o.content for o in done if o.content is not None})
                stored += done
        # Before the catalog names the files they must survive a loss of power.
        digests = [o.content["sha256"] for o in stored if o.content is not None]
        run.session.catalog.objects.content.flush(digests)
        telling.say("Uploaded", f"{len(outputs)} files are stored.")
    return [(o, Upload(object_name(o), content=_content(o))) for o in stored]


def _store(run: Run, output: OutputFile, telling: _Telling) -> OutputFile:
    path = run.inside(output.path)
    seen = path.stat()
    mark = {"mtime": seen.st_mtime_ns, "length": seen.st_size}
    store = run.session.catalog.objects.content
    known = output.content
    if known and {k: known[k] for k in mark} == mark and store.has(known["sha256"]):
        telling.advance(seen.st_size, path)
        return output
    content = store.add(path, lambda count: telling.advance(count, path))
    facts: dict[str, Any] = {"md5": content.md5, "sha256": content.sha256}
    return replace(output, content={**mark, **facts, "length": content.length})


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
