"""The data of runs on its way to a store: read, compared with the sheets, and sent if missing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from flexlock.data.progress import ProgressLine
from flexlock.data.scanning import Choice
from flexlock.errors import DataError, ShareError
from flexlock.sharing.contents import Contents, contents_of
from flexlock.sharing.gathering import GatheredData, GatheredRun, gather_data
from flexlock.sharing.manifest import SharedData
from flexlock.sharing.places import Places
from flexlock.sharing.stores import Store

__all__ = ["ReadData", "missing_in", "object_count", "read_data", "send", "total_size"]

_REFERENCES = ("url", "dataset")
_HASHED_AS = "blake3"
_BATCH_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class ReadData:
    """What is to be shared, the objects that it is made of, and what is only named."""

    shared: tuple[SharedData, ...] = ()
    contents: tuple[Contents, ...] = ()
    references: tuple[str, ...] = ()


def read_data(runs: Sequence[GatheredRun], places: Places, *, with_outputs: bool) -> ReadData:
    """Read all data of the runs.

    Raises:
        ShareError: Some of it is not any longer what the sheets say; all of that is named.
    """
    shared: list[SharedData] = []
    contents: dict[str, Contents] = {}
    references: list[str] = []
    changed: list[str] = []
    for item in gather_data(runs, with_outputs=with_outputs):
        if item.state.kind in _REFERENCES or item.state.method == "given":
            references.append(f"{item.name} ({item.state.path})")
            continue
        found = _read_one(item)
        if isinstance(found, str):
            changed.append(f"{item.name!r} of {str(item.run.directory)!r} ({found})")
            continue
        contents[found.hash] = found
        shared.append(_shared(item, found, places))
    if changed:
        raise ShareError(
            f"Data is not any longer what the runs used: {'; '.join(changed[:10])}.",
            hint="Restore it, run again, or push the code alone with --only code.",
            changed=changed,
        )
    return ReadData(tuple(shared), tuple(contents.values()), tuple(references))


def _read_one(item: GatheredData) -> Contents | str:
    """Return the objects of one data path, or why they are not what the sheet says."""
    choice = Choice(item.state.include, item.state.exclude, item.state.follow_links)
    try:
        found = contents_of(item.path, _algorithm_of(item), choice)
    except DataError as error:
        return error.message
    wanted = item.state.hash if item.state.method == "full" else None
    if wanted is not None and found.hash != wanted:
        return f"{str(item.path)!r} has other content now"
    return found


def _shared(item: GatheredData, found: Contents, places: Places) -> SharedData:
    return SharedData(
        run=item.run.lock.id,
        name=item.name,
        path=item.state.path,
        place=places.of(item.path),
        kind="dir" if item.path.is_dir() else "file",
        algorithm=_algorithm_of(item),
        hash=found.hash,
        bytes=found.size,
    )


def _algorithm_of(item: GatheredData) -> str:
    known = item.state.algorithm
    return known if known and item.state.method == "full" else _HASHED_AS


# --- objects ------------------------------------------------------------------------------


def missing_in(store: Store, contents: Iterable[Contents]) -> list[Contents]:
    """Return the objects that the store does not have, or of another size."""
    contents = list(contents)
    wanted = _sizes(contents)
    there = store.sizes(wanted)
    return [
        replace(
            content,
            files={k: p for k, p in content.files.items() if there.get(k) != wanted[k]},
            made={k: m for k, m in content.made.items() if there.get(k) != wanted[k]},
        )
        for content in contents
    ]


def total_size(contents: Iterable[Contents]) -> int:
    """Return the size of the objects in bytes, each counted once."""
    return sum(_sizes(contents).values())


def object_count(contents: Iterable[Contents]) -> int:
    """Return how many different objects there are."""
    return len(_sizes(contents))


def _sizes(contents: Iterable[Contents]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for content in contents:
        sizes |= {key: path.stat().st_size for key, path in content.files.items()}
        sizes |= {key: len(made) for key, made in content.made.items()}
    return sizes


def send(store: Store, contents: Sequence[Contents]) -> None:
    """Send objects, in parts: an interrupted push of much data has something to go on from."""
    with (
        ProgressLine(f"pushing to {store.url}", total_size(contents)) as line,
        tempfile.TemporaryDirectory(prefix="flexlock-push-") as folder,
    ):
        numbers = count()
        files: dict[str, Path] = {}
        for content in contents:
            files |= content.files
            for key, made in content.made.items():
                files[key] = Path(folder, str(next(numbers)))
                files[key].write_bytes(made)
        for batch in _in_batches(files):
            store.upload(batch, line.progress or _quiet)


def _in_batches(files: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    batch: dict[str, Path] = {}
    size = 0
    for key, path in files.items():
        batch[key] = path
        size += path.stat().st_size
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _quiet(_: int) -> None:
    """Tell nobody."""
