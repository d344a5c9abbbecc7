"""What each command of ``deriva-catalog`` does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..catalog import LocalCatalog, Registry, create_local, open_local
from ..catalog.backup import backup, restore
from ..catalog.own_backup import backup_own, restore_own
from ..engine.postgresql.address import is_database_url
from ..errors import BadRequest, Corrupted
from ..objects import ObjectStore
from ..objects.checking import verify
from ..path.ast import TableName
from .archive import is_archive, pack, unpacked
from .housekeeping import HOUSEKEEPING_COMMANDS
from .output import print_json, print_table, progress_bar, shown_size
from .serving import serve
from .signin import SIGNIN_COMMANDS
from .targets import is_directory, is_own, open_catalog, open_live, own_objects, registry_of
from .users import USER_COMMANDS

Command = Callable[[argparse.Namespace], int]


def _registry_of(target: str) -> tuple[Registry, str | None]:
    """The registry that a target is in, and the alias that it is to have there."""
    if not is_database_url(target):
        return Registry(), target
    url, _, alias = target.partition("#")
    return Registry.of_database(url), unquote(alias) or None


def _no_id_for_directory(options: argparse.Namespace) -> None:
    given = [f"--{n}" for n in ("id", "title", "description") if getattr(options, n, None)]
    if given:
        raise BadRequest(
            f"The catalog in the directory {options.target!r} takes no {', '.join(given)}: "
            "it is not registered.",
            hint="Give a name instead of a directory.",
        )


def _tell_made(options: argparse.Namespace, catalog: LocalCatalog, alias: str | None = None) -> int:
    directory, url = str(catalog.directory), catalog.url
    if options.json:
        print_json({"id": catalog.id, "directory": directory, "url": url})
    else:
        called = f", called {alias!r}," if alias else ""
        print(f"Catalog {catalog.id!r}{called} is in {url if is_database_url(url) else directory}")
    return 0


# --- making and listing ------------------------------------------------------------------


def _init(options: argparse.Namespace) -> int:
    alias = None
    if is_directory(options.target):
        _no_id_for_directory(options)
        made = create_local(Path(options.target).expanduser(), objects=options.objects)
    else:
        registry, alias = _registry_of(options.target)
        made = registry.create(
            catalog_id=options.id,
            alias=alias,
            name=options.title,
            description=options.description,
            objects=options.objects,
        )
    with closing(made):
        return _tell_made(options, made, alias)


def _list(options: argparse.Namespace) -> int:
    registry = Registry() if options.database is None else Registry.of_database(options.database)
    known = registry.catalogs()
    if options.json:
        print_json(
            [
                {
                    "id": c.id,
                    "aliases": list(c.aliases),
                    "title": c.name,
                    "description": c.description,
                    "created": _time(c.created),
                    "directory": None if c.directory is None else str(c.directory),
                }
                for c in known
            ]
        )
    elif not known:
        where = registry.places.shown
        print(f"There are no catalogs in {where} yet. Make one: deriva-catalog init NAME")
    else:
        rows = [
            (
                c.id,
                ", ".join(c.aliases),
                c.name or "",
                _time(c.created)[:16],
                str(c.directory or ""),
            )
            for c in known
        ]
        print_table(("id", "aliases", "title", "created (UTC)", "directory"), rows)
    return 0


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


# --- looking into one --------------------------------------------------------------------


def _info(options: argparse.Namespace) -> int:
    with closing(open_catalog(options.catalog)) as catalog:
        facts = _facts(catalog)
    if options.json:
        print_json(facts)
        return 0
    print(f"Catalog    {facts['id']}{' (' + facts['snapshot'] + ')' if facts['fixed'] else ''}")
    if is_database_url(facts["url"]):
        print(f"Database   {facts['url']}")
    print(f"Directory  {facts['directory']}")
    print(f"Files      {facts['objects']}")
    print(f"Snapshot   {facts['snapshot']}, {facts['changed']}")
    size = facts["size"]
    print(
        f"Size       database {shown_size(size['database'])}, "
        f"{size['objects']:,} stored files {shown_size(size['object_bytes'])}"
    )
    rows = [(t["schema"], t["table"], f"{t['rows']:,}") for t in facts["tables"]]
    print_table(("schema", "table", "rows"), rows, numbers=("rows",))
    return 0


def _facts(catalog: LocalCatalog) -> dict[str, Any]:
    from .. import snaptime

    tables = [
        {
            "schema": table.schema,
            "table": table.name,
            "rows": catalog.count(TableName(table.name, table.schema)),
        }
        for table in catalog.model.tables()
    ]
    snapshot = catalog.latest_snapshot()
    stored = [length for _, length in catalog.object_store.content.digests()]
    database = catalog.store.storage.size()
    return {
        "id": catalog.id,
        "directory": str(catalog.directory),
        "objects": catalog.object_store.content.url,
        "url": catalog.url,
        "snapshot": snapshot,
        "changed": snaptime.to_iso(snaptime.decode(snapshot)),
        "fixed": catalog.snaptime is not None,
        "size": {"database": database, "objects": len(stored), "object_bytes": sum(stored)},
        "tables": tables,
    }


def _check(options: argparse.Namespace) -> int:
    if is_own(options.catalog):
        if options.no_files:
            raise BadRequest(
                f"{options.catalog!r} has nothing but files: --no-files leaves nothing to check.",
                hint="Leave it out.",
            )
        return _told(options, _damaged_files(own_objects(options.catalog)))
    try:
        with closing(open_catalog(options.catalog)) as catalog:
            findings = [(f.kind, f.subject, f.message) for f in catalog.check()]
            if not options.no_files:
                findings += _damaged_files(catalog.object_store)
    except Corrupted as error:  # too damaged to be opened
        findings = [("database", options.catalog, error.message)]
    return _told(options, findings)


def _damaged_files(store: ObjectStore) -> list[tuple[str, str, str]]:
    with progress_bar("verifying files") as advance:
        return [("file", f.name, f.problem) for f in verify(store, advance)]


def _told(options: argparse.Namespace, findings: list[tuple[str, str, str]]) -> int:
    if options.json:
        names = ("kind", "subject", "message")
        print_json([dict(zip(names, finding, strict=True)) for finding in findings])
    elif findings:
        print_table(("kind", "subject", "problem"), findings)
        count = len(findings)
        print(f"{count} problem{'s' if count > 1 else ''} in {options.catalog!r}.", file=sys.stderr)
    else:
        left_out = "; files were left out" if options.no_files else ""
        print(f"Nothing is wrong with {options.catalog!r}{left_out}.")
    return 1 if findings else 0


# --- copies ------------------------------------------------------------------------------


def _backup(options: argparse.Namespace) -> int:
    destination = Path(options.destination).expanduser().absolute()
    if is_own(options.catalog):
        return _backup_own(options, destination)
    with closing(open_live(options.catalog)) as catalog:
        if is_archive(destination):
            pack(lambda place: backup(catalog, place), destination)
        else:
            backup(catalog, destination)
        snapshot = catalog.latest_snapshot()
    if options.json:
        print_json({"backup": str(destination), "catalog": catalog.id, "snapshot": snapshot})
    else:
        print(f"Catalog {catalog.id!r} was copied to {destination}")
    return 0


def _backup_own(options: argparse.Namespace, destination: Path) -> int:
    with closing(own_objects(options.catalog)) as store:
        if is_archive(destination):
            pack(lambda place: backup_own(store, place), destination)
        else:
            backup_own(store, destination)
    if options.json:
        print_json({"backup": str(destination), "objects": options.catalog})
    else:
        print(f"The service's own files were copied to {destination}")
    return 0


def _restore_own(options: argparse.Namespace, source: Path) -> int:
    registry = registry_of(options.target)
    with unpacked(source) as backed_up:
        restore_own(backed_up, registry)
    if options.json:
        print_json({"restored": str(source), "objects": options.target})
    else:
        print(f"The service's own files are those of {source} now")
    return 0


def _restore(options: argparse.Namespace) -> int:
    alias = None
    source = Path(options.source).expanduser().absolute()
    if is_own(options.target):
        return _restore_own(options, source)
    with unpacked(source) as backed_up:
        if is_directory(options.target):
            _no_id_for_directory(options)
            made = restore(backed_up, Path(options.target).expanduser())
        else:
            registry, alias = _registry_of(options.target)
            made = registry.restore(backed_up, catalog_id=options.id, alias=alias)
    with closing(made):
        return _tell_made(options, made, alias)


def _copy(options: argparse.Namespace) -> int:
    alias = None
    with (
        closing(open_live(options.catalog)) as source,
        progress_bar("copying", " rows") as advance,
    ):
        if is_directory(options.target):
            _no_id_for_directory(options)
            made = _copy_to_directory(source, options)
        else:
            registry, alias = _registry_of(options.target)
            made = registry.copy(
                source,
                catalog_id=options.id,
                alias=alias,
                progress=advance,
                objects=options.objects,
                **_said_of(options.catalog),
            )
    with closing(made):
        return _tell_made(options, made, alias)


def _copy_to_directory(source: LocalCatalog, options: argparse.Namespace) -> LocalCatalog:
    if options.objects is not None:
        raise BadRequest(
            f"The copy in the directory {options.target!r} keeps its files there.",
            hint="Give it a name instead of a directory to have them in a store.",
        )
    return open_local(backup(source, Path(options.target).expanduser()))


def _said_of(target: str) -> dict[str, str | None]:
    """The title and description under which a catalog is registered, if it is."""
    if is_directory(target):
        return {}
    registry, name = _registry_of(target)
    if name is None:
        return {}
    known = registry.find(name.partition("@")[0])
    return {"name": known.name, "description": known.description}


def _delete(options: argparse.Namespace) -> int:
    registry, name = _registry_of(options.catalog)
    if name is None or is_directory(options.catalog):
        raise BadRequest(
            f"{options.catalog!r} is not registered, so it cannot be deleted by name.",
            hint="Remove the directory of a catalog that lies in one.",
        )
    found = registry.find(name)
    if not options.yes:
        raise BadRequest(
            f"Catalog {found.id!r} would be removed with all that it holds, for good.",
            hint="Repeat the command with --yes.",
        )
    registry.delete(found.id)
    registry.purge(found.id)
    if options.json:
        print_json({"deleted": found.id})
    else:
        print(f"Catalog {found.id!r} is gone")
    return 0


COMMANDS: dict[str, Command] = {
    "init": _init,
    "list": _list,
    "info": _info,
    "backup": _backup,
    "restore": _restore,
    "copy": _copy,
    "delete": _delete,
    "check": _check,
    "serve": serve,
    **HOUSEKEEPING_COMMANDS,
    **SIGNIN_COMMANDS,
    **USER_COMMANDS,
}
"""The commands by name."""
