"""``deriva-ml-storage``: what DerivaML keeps on this machine, and getting the room back.

No catalog is asked: only directories are looked at.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml.core.storage import Kept, Storage

__all__ = ["SORTS", "Item", "cells", "delete", "items", "main", "stored"]

_PROGRAM = "deriva-ml-storage"
_DESCRIPTION = """\
Look at what DerivaML keeps on this machine, and remove it: downloaded bags of datasets, files of
assets, the contents that they share, and the files of executions.

Without options, on a terminal, this is a full-screen view if 'textual' is installed (pip install
'derivaml[screen]'); otherwise it is the list.
"""
_EPILOG = """\
examples:
  deriva-ml-storage --list cache --sort size
  deriva-ml-storage --delete 1-ABC 1-DEF      ask, then remove
  deriva-ml-storage --limit 50GB -y           remove what was used least recently

exit status: 0 when it was done; 1 when something is not there or cannot be removed; 2 when the
command line was not understood.
"""
_KINDS = {"cache": ("bag", "asset", "content", "result"), "executions": ("execution",)}
_HEADER = ("location", "RID", "type", "size", "items", "modified")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is kept: of which catalog, and in whose storage."""

    location: str
    storage: Storage
    kept: Kept

    @property
    def name(self) -> str:
        """The RID, with the version if there is one."""
        return f"{self.kept.rid}@{self.kept.version}" if self.kept.version else self.kept.rid


SORTS: dict[str, Callable[[Item], Any]] = {
    "size": lambda item: -item.kept.size_bytes,
    "location": lambda item: (item.location, item.kept.kind, item.name),
    "type": lambda item: (item.kept.kind, item.location, item.name),
    "modified": lambda item: -item.kept.modified.timestamp(),
}
"""The orders of the table, by their names."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when what was asked for was done."""
    options = _options(arguments)
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        return _run(options)
    except (DerivaMLException, OSError) as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    storages = stored(options.working_dir, options.cache_dir)
    if options.delete:
        return _delete(storages, options)
    if options.limit is not None:
        return _trim(storages, options)
    plain = options.list or options.sort or options.json
    if not plain and sys.stdout.isatty() and sys.stdin.isatty() and _has_screen():
        from .storage_screen import StorageScreen

        StorageScreen(storages).run()
        return 0
    _list(storages, options)
    return 0


def stored(working_dir: Path | None, cache_dir: Path | None = None) -> dict[str, Storage]:
    """The storage of every catalog that has files here, by its location.

    Args:
        working_dir: What `DerivaML` was given as ``working_dir``, or the directory with the
            hosts in it; None means the usual one.
        cache_dir: A cache elsewhere, which is looked at as well.
    """
    from deriva_ml.core.storage import Places, Storage, find_places
    from deriva_ml.core.workdir import compute_workdir

    base = compute_workdir(working_dir)
    if working_dir is not None and not base.is_dir():
        base = working_dir.expanduser().absolute()
    places = find_places(base)
    if cache_dir is not None:
        place = cache_dir.expanduser().absolute()
        if place.resolve() not in {known.cache_dir.resolve() for known in places.values()}:
            places[str(place)] = Places(place, place)
    return {location: Storage(each) for location, each in places.items()}


def items(storages: dict[str, Storage], sort: str = "location") -> list[Item]:
    """Everything that is kept, in an order."""
    found = [
        Item(location, storage, kept)
        for location, storage in storages.items()
        for kept in storage.kept()
    ]
    return sorted(found, key=SORTS[sort])


def delete(item: Item, *, discard: bool = False) -> int:
    """Remove something; returns the bytes freed.

    Raises:
        DerivaMLStateInconsistency: It is an execution that runs, or that has outputs which were
            never uploaded; these go with `discard`.
    """
    if item.kept.kind == "execution":
        return item.storage.delete_execution(item.kept.rid, discard=discard)
    if item.kept.kind == "content":
        return item.storage.remove_unshared()["bytes_freed"]
    return item.storage.remove(item.kept.path)


# --- listing -----------------------------------------------------------------------------


def _list(storages: dict[str, Storage], options: argparse.Namespace) -> None:
    chosen = options.list or "all"
    kinds = _KINDS.get(chosen, sum(_KINDS.values(), ()))
    found = [i for i in items(storages, options.sort or "location") if i.kept.kind in kinds]
    total = sum(
        storage.total_bytes(cache=chosen != "executions", executions=chosen != "cache")
        for storage in storages.values()
    )
    if options.json:
        print(json.dumps({"items": [_document(i) for i in found], "total_bytes": total}, indent=2))
    else:
        _print(found, total)


def _document(item: Item) -> dict[str, Any]:
    kept = item.kept
    return {
        "location": item.location,
        "rid": kept.rid or None,
        "version": kept.version or None,
        "type": kept.kind,
        "size_bytes": kept.size_bytes,
        "items": kept.file_count,
        "modified": kept.modified.isoformat(),
        "used": kept.used.isoformat(),
        "path": str(kept.path),
    }


def _print(found: Sequence[Item], total: int | None = None) -> None:
    from deriva_catalog.cli.output import print_table, shown_size

    rows = [cells(item) for item in found]
    if total is not None:
        rows.append(("total", "", "", shown_size(total), "", ""))
    print_table(_HEADER, rows, numbers=("size", "items"))


def cells(item: Item) -> tuple[str, ...]:
    """What the table shows of something."""
    from deriva_catalog.cli.output import shown_size

    kept = item.kept
    when = kept.modified.strftime("%Y-%m-%d %H:%M")
    size, count = shown_size(kept.size_bytes), f"{kept.file_count:,}"
    return item.location, item.name, kept.kind, size, count, when


# --- removing ----------------------------------------------------------------------------


def _delete(storages: dict[str, Storage], options: argparse.Namespace) -> int:
    from deriva_catalog.cli.output import shown_size
    from deriva_ml.core.exceptions import DerivaMLException

    known = items(storages)
    named = {name: [item for item in known if _is_named(item, name)] for name in options.delete}
    if complaints := [c for name in named if (c := _complaint(name, named[name], known))]:
        for complaint in complaints:
            print(f"{_PROGRAM}: {complaint}", file=sys.stderr)
        return 1
    chosen = [item for item in known if any(item in found for found in named.values())]
    if not options.yes:
        _print(chosen)
        if not _agreed(f"Remove {len(chosen)} items"):
            return 1
    freed, gone, status = 0, [], 0
    for item in chosen:
        try:
            freed += delete(item, discard=options.discard)
            gone.append(item)
        except (DerivaMLException, OSError) as error:
            print(f"{_PROGRAM}: {error}", file=sys.stderr)
            status = 1
    if options.json:
        print(json.dumps({"removed": [_document(i) for i in gone], "bytes_freed": freed}, indent=2))
    else:
        print(f"{len(gone)} items removed, {shown_size(freed)} freed.")
    return status


def _is_named(item: Item, name: str) -> bool:
    """Whether a name is the RID of something, or its location and RID with ``/`` between."""
    return bool(item.kept.rid) and name in (item.kept.rid, f"{item.location}/{item.kept.rid}")


def _complaint(name: str, found: Sequence[Item], known: Sequence[Item]) -> str | None:
    """What is wrong with a name: nothing has it, or things of several catalogs have."""
    if not found:
        return f"nothing is kept of {name!r}{_near(name, known)}."
    locations = sorted({item.location for item in found})
    if len(locations) == 1:
        return None
    meant = " or ".join(f"{location}/{name}" for location in locations)
    return f"{name!r} is kept of several catalogs; say which is meant: {meant}."


def _near(rid: str, known: Sequence[Item]) -> str:
    near = difflib.get_close_matches(rid, sorted({i.kept.rid for i in known if i.kept.rid}), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _trim(storages: dict[str, Storage], options: argparse.Namespace) -> int:
    from deriva_catalog.cli.output import shown_size
    from deriva_ml.core.storage import trim_caches

    limit = options.limit
    room = sum(storage.room_bytes() for storage in storages.values())
    asking = f"Reduce the caches from {shown_size(room)} to {shown_size(limit)}"
    if room > limit and not options.yes and not _agreed(asking):
        return 1
    done = trim_caches(list(storages.values()), limit)
    if options.json:
        print(json.dumps(done))
    else:
        print(f"{done['items_removed']} items removed, {shown_size(done['bytes_freed'])} freed.")
    return 0


def _agreed(what: str) -> bool:
    if not sys.stdin.isatty():
        print(f"{_PROGRAM}: nobody can be asked here; add --yes.", file=sys.stderr)
        return False
    return input(f"{what}? [y/N] ").strip().lower() in ("y", "yes")


# --- the command line --------------------------------------------------------------------


def _has_screen() -> bool:
    from importlib.util import find_spec

    return find_spec("textual") is not None


def _size(text: str) -> int:
    from deriva_ml.core.content import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--list",
        nargs="?",
        const="all",
        choices=("cache", "executions", "all"),
        help="print a table of everything, or of one kind",
    )
    add("--sort", choices=sorted(SORTS), help="order of the table (default: location)")
    add("--delete", nargs="+", metavar="[LOCATION/]RID", help="remove what is kept of these")
    add("--discard", action="store_true", help="also outputs of executions that are not uploaded")
    add("--limit", type=_size, metavar="SIZE", help="reduce the caches to this, such as 50GB")
    add("--yes", "-y", action="store_true", help="do not ask")
    add("--json", action="store_true", help="print JSON")
    add("--working-dir", type=Path, metavar="DIR", help="where executions work, if elsewhere")
    add("--cache-dir", type=Path, metavar="DIR", help="a cache that is elsewhere")
    options = parser.parse_args(arguments)
    if options.delete and (options.limit is not None or options.list or options.sort):
        parser.error("--delete goes with none of --limit, --list and --sort")
    if options.limit is not None and (options.list or options.sort):
        parser.error("--limit goes with neither --list nor --sort")
    return options


if __name__ == "__main__":
    sys.exit(main())
