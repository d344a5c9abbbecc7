"""Keeping the files of catalogs in order: garbage, the trash, and uploads that nobody ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..errors import BadRequest, CatalogError
from .output import print_json, print_table, progress_bar, shown_size

if TYPE_CHECKING:
    from ..catalog import Registry
    from ..objects import ObjectStore
    from ..objects.collecting import Garbage, Keeping

__all__ = ["HOUSEKEEPING_COMMANDS", "add_housekeeping"]

_TARGET = (
    "a catalog as elsewhere; '/hatrac' for the service's own files, or 'URL#/hatrac' for those "
    "of a database"
)
_GC = """

Bytes are needed by the versions that are there, by those that were deleted lately (they can be
brought back: 'undelete'), by uploads that go on, and by whoever stored them lately and has not
named them yet. All else is deleted. Others may use the files meanwhile.

  deriva-catalog gc --dry-run           what would be deleted, in all catalogs of this machine
  deriva-catalog gc digits --deleted 7  also what was deleted more than a week ago

What cannot be opened is told at the end, with the exit status 1; the others are done.

With '--deleted 0' see that no backup is being made: it may want what was deleted since it began."""
_UNDELETE = """

A deleted file, version or namespace is there again under the same addresses, as long as its
bytes were not collected. Of a namespace, that comes back which was deleted with it."""


def add_housekeeping(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    gc = command("gc", "delete the bytes of files that nothing needs", _GC)
    gc.add_argument(
        "catalog", metavar="CATALOG|/hatrac|DATABASE", nargs="?", help=f"{_TARGET}; default: all"
    )
    gc.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    add = gc.add_argument
    add("--deleted", type=_days, metavar="DAYS", help="how long deleted files are kept (30)")
    add("--unnamed", type=_days, metavar="DAYS", help="how long bytes without a name are kept (7)")
    add("--uploads", type=_days, metavar="DAYS", help="how long uploads may rest (30)")
    trash = command("trash", "list deleted files, and whether they can be brought back")
    trash.add_argument("catalog", metavar="CATALOG|/hatrac", help=_TARGET)
    undelete = command("undelete", "bring deleted files back", _UNDELETE)
    undelete.add_argument("catalog", metavar="CATALOG|/hatrac", help=_TARGET)
    undelete.add_argument("names", metavar="NAME", nargs="+", help="/hatrac/a/b or /hatrac/a/b:V")
    uploads = command("uploads", "list uploads in chunks that go on, or give them up")
    uploads.add_argument("catalog", metavar="CATALOG|/hatrac", help=_TARGET)
    uploads.add_argument("--cancel", metavar="JOB", action="append", help="give this one up")
    for each in (gc, trash, undelete, uploads):
        each.add_argument(
            "--files", metavar="DIR", help="where the files of a database's catalogs lie"
        )


def _days(text: str) -> timedelta:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return timedelta(days=days)


# --- what is addressed -------------------------------------------------------------------


@contextmanager
def _opened(target: str, files: str | None) -> Iterator[ObjectStore]:
    """The files that a target names."""
    from ..engine.postgresql.address import is_database_url
    from .targets import is_own, open_catalog, own_objects, registry_of

    _require_database(target, files)
    if is_own(target):
        with closing(own_objects(target, files)) as store:
            yield store
        return
    if is_database_url(target) and files is not None:
        name = unquote(target.partition("#")[2])
        with closing(registry_of(target, files).open(name)) as catalog:
            yield catalog.object_store
        return
    with closing(open_catalog(target)) as catalog:
        yield catalog.object_store


def _require_database(target: str | None, files: str | None) -> None:
    """Refuse a directory of files for what knows by itself where its files lie."""
    from ..engine.postgresql.address import is_database_url

    if files is not None and (target is None or not is_database_url(target)):
        raise BadRequest(
            f"{'All catalogs of this machine' if target is None else repr(target)} cannot have "
            f"the files in {files!r}: --files is for what lies in a database.",
            hint="Leave it out, or write 'postgresql://user@host/database#NAME'.",
        )


def _is_one(target: str | None) -> bool:
    """Whether a target names the files of one catalog or service, not of a whole registry."""
    from ..engine.postgresql.address import is_database_url

    return target is not None and not (is_database_url(target) and "#" not in target)


def _all(
    target: str | None, files: str | None
) -> Iterator[tuple[str, AbstractContextManager[ObjectStore | None]]]:
    """What opens the files of each catalog that a target names, with what to call them.

    It gives None if there are no files of that kind.
    """
    from .targets import OWN, registry_of

    _require_database(target, files)
    if target is not None and _is_one(target):
        yield target, _opened(target, files)
        return
    registry = registry_of(target, files)
    for known in registry.catalogs():
        yield known.aliases[0] if known.aliases else known.id, _of_catalog(registry, known.id)
    yield OWN, _own_of(registry)


@contextmanager
def _of_catalog(registry: Registry, catalog_id: str) -> Iterator[ObjectStore]:
    with closing(registry.open(catalog_id)) as catalog:
        yield catalog.object_store


@contextmanager
def _own_of(registry: Registry) -> Iterator[ObjectStore | None]:
    from ..catalog.own_objects import find_own_objects

    with ExitStack() as stack:
        own = find_own_objects(registry)
        yield None if own is None else stack.enter_context(closing(own))


# --- the commands ------------------------------------------------------------------------


def _gc(options: argparse.Namespace) -> int:
    from ..objects.collecting import collect

    keeping = _keeping(options)
    found: dict[str, Garbage] = {}
    failed: dict[str, CatalogError] = {}
    with progress_bar("deleting") as advance:
        for name, opening in _all(options.catalog, options.files):
            try:
                with opening as store:
                    if store is not None:
                        dry_run = options.dry_run
                        found[name] = collect(store, keeping, dry_run=dry_run, progress=advance)
            except CatalogError as error:  # the others have garbage all the same
                if _is_one(options.catalog):
                    raise
                failed[name] = error
    if options.json:
        print_json({name: _document(garbage) for name, garbage in found.items()})
    else:
        _show_garbage(found, dry_run=options.dry_run)
    for name, problem in failed.items():
        print(f"The files of {name!r} were left out: {problem}", file=sys.stderr)
    return 1 if failed else 0


def _show_garbage(found: Mapping[str, Garbage], *, dry_run: bool) -> None:
    from ..objects.collecting import Garbage

    rows = [
        (
            name,
            *_cells(g.contents, g.content_bytes),
            *_cells(g.uploads, g.upload_bytes),
            *_cells(g.left_behind, g.left_behind_bytes),
            *_cells(g.trash, g.trash_bytes),
        )
        for name, g in found.items()
    ]
    if rows:
        numbers = ("unneeded", "idle uploads", "left behind", "kept in the trash")
        header = [each for number in numbers for each in (number, "size")]
        print_table(("files of", *header), rows, numbers=header)
    total = sum(found.values(), Garbage())
    verb = "would be freed" if dry_run else "were freed"
    print(f"{shown_size(total.bytes)} {verb}.")


def _keeping(options: argparse.Namespace) -> Keeping:
    from ..objects.collecting import Keeping

    given = {n: getattr(options, n) for n in ("deleted", "unnamed", "uploads")}
    return Keeping(**{name: days for name, days in given.items() if days is not None})


def _document(garbage: Garbage) -> dict[str, int]:
    from dataclasses import asdict

    return {**asdict(garbage), "bytes": garbage.bytes}


def _cells(count: int, length: int) -> tuple[str, str]:
    return f"{count:,}", shown_size(length)


def _trash(options: argparse.Namespace) -> int:
    from ..objects.restoring import trash

    with _opened(options.catalog, options.files) as store:
        found = trash(store)
    if options.json:
        print_json(
            [
                {
                    "url": each.url,
                    "length": each.length,
                    "sha256": each.sha256,
                    "deleted": _time(each.removed),
                    "restorable": each.is_stored,
                }
                for each in found
            ]
        )
    elif not found:
        print(f"No file of {options.catalog!r} was deleted.")
    else:
        rows = [
            (d.url, shown_size(d.length), _time(d.removed) or "", "yes" if d.is_stored else "no")
            for d in found
        ]
        header = ("version", "size", "deleted (UTC)", "can be brought back")
        print_table(header, rows, numbers=("size",))
    return 0


def _time(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")


def _undelete(options: argparse.Namespace) -> int:
    from ..objects.restoring import restore

    with _opened(options.catalog, options.files) as store, store.database.writing():
        urls = [url for name in options.names for url in restore(store, name)]
    if options.json:
        print_json(urls)
    else:
        for url in urls:
            print(url)
        print(f"{len(urls)} version{'s are' if len(urls) != 1 else ' is'} there again.")
    return 0


def _uploads(options: argparse.Namespace) -> int:
    from ..objects.idle import cancel_any, every

    with _opened(options.catalog, options.files) as store:
        for job in options.cancel or ():
            cancel_any(store, job)
        found = every(store)
    if options.json:
        print_json(
            [
                {
                    "job": each.job,
                    "name": each.name,
                    "owner": each.owner,
                    "begun": _time(each.begun),
                    "length": each.length,
                    "received": each.received,
                }
                for each in found
            ]
        )
    elif not found:
        print(f"No upload to {options.catalog!r} goes on.")
    else:
        rows = [
            (
                each.job,
                each.name or "",
                each.owner or "",
                _time(each.begun) or "",
                f"{shown_size(each.received)} of {shown_size(each.length)}",
            )
            for each in found
        ]
        print_table(("job", "file", "by", "begun (UTC)", "received"), rows)
    return 0


HOUSEKEEPING_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "gc": _gc,
    "trash": _trash,
    "undelete": _undelete,
    "uploads": _uploads,
}
"""The commands by name."""
