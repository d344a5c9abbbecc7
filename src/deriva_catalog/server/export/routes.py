"""``/deriva/export/bdbag`` and ``/deriva/export/file``: make a result, and fetch it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs, quote

from ...bag import BagWriter, pack_bag, portable_name
from ...bag.staging import storage_errors
from ...catalog.local import LocalCatalog
from ...errors import BadRequest, Conflict
from ..messages import Answer, Request
from ..requests import decoded, json_body, nothing_here, wrong_method
from ..service import Service
from .configuration import Configuration, read_configuration
from .processing import FileFacts, export, filled
from .spool import Result, Spool

__all__ = ["answer_export"]

_PIECE = 1 << 18
_MEDIA = {
    "csv": "text/csv",
    "json": "application/json",
    "zip": "application/zip",
    "tar": "application/x-tar",
    "tgz": "application/gzip",
}


def answer_export(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """Any request below ``/deriva``."""
    match [segment.lower() for segment in segments[:2]]:
        case ["export", ("bdbag" | "file") as kind]:
            pass
        case _:
            raise nothing_here(request)
    spool = Spool(service.registry.home / "exports")
    if len(segments) == 2 or segments[2:] == [""]:
        if request.method != "POST":
            raise wrong_method(request, "POST")
        return _make(service, request, spool, kind)
    if len(segments) != 4:
        raise nothing_here(request)
    if request.method != "GET":
        raise wrong_method(request, "GET")
    return _fetch(request, spool, segments[2], segments[3])


# --- making ------------------------------------------------------------------------------


def _make(service: Service, request: Request, spool: Spool, kind: str) -> Answer:
    wanted = read_configuration(json_body(request))
    opened = service.catalog(request, quote(wanted.catalog, safe="@"))
    spool.sweep()
    hours = service.settings.export_hours
    with spool.making(request.client, hours=hours, public=_is_public(request)) as result:
        if kind == "bdbag":
            _bag(service, request, wanted, opened.catalog, result)
        else:
            export(service, request, wanted, opened.catalog, _Files(result.folder))
    names = sorted(path.name for path in result.folder.iterdir())
    scheme = "https" if request.is_secure else "http"
    base = (
        f"{scheme}://{request.headers.get('host', 'localhost')}/deriva/export/{kind}/{result.key}"
    )
    addresses = [f"{base}/{quote(name, safe='')}" for name in names]
    # Clients take what is between line ends for addresses, so that there is none at the end.
    return Answer(
        200,
        "\n".join(addresses).encode(),
        "text/uri-list",
        {"Cache-Control": "no-store", "Location": addresses[0] if addresses else base},
    )


def _is_public(request: Request) -> bool:
    given = parse_qs(request.query, keep_blank_values=True).get("public", ["false"])[-1].lower()
    if given not in ("", "true", "false", "1", "0"):
        raise BadRequest(f"The parameter 'public' is true or false, not {given!r}.")
    return given in ("", "true", "1")


def _bag(
    service: Service, request: Request, wanted: Configuration, catalog: LocalCatalog, result: Result
) -> None:
    name = portable_name(filled(wanted.name or f"deriva_bag_{catalog.id}", wanted.variables))
    working = result.folder / ".working"
    with storage_errors("writing an export"):
        working.mkdir()
    try:
        with BagWriter(working / name, wanted.labels) as bag:
            export(service, request, wanted, catalog, _Bag(bag))
        pack_bag(working / name, result.folder / f"{name}.{wanted.archiver}")
    finally:
        shutil.rmtree(working, ignore_errors=True)


class _Bag:
    """Files go into a bag."""

    keeps_empty = False

    def __init__(self, bag: BagWriter) -> None:
        self._bag = bag

    def add(self, path: str, pieces: Iterator[bytes]) -> None:
        self._bag.add(f"data/{path}", pieces)

    def refer(self, path: str, facts: FileFacts) -> None:
        self._bag.add_fetch(
            f"data/{path}", facts.url, length=facts.length, md5=facts.md5, sha256=facts.sha256
        )


class _Files:
    """Files go into one folder, under the last part of their paths."""

    keeps_empty = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, path: str, pieces: Iterator[bytes]) -> None:
        place = self._folder / path.rpartition("/")[2]
        if place.exists():
            raise Conflict(
                f"Two files of the export are called {place.name!r}.",
                hint="Give them other names, or ask for a bag, which has folders.",
            )
        with storage_errors("writing an export"), place.open("xb") as out:
            for piece in pieces:
                out.write(piece)

    def refer(self, path: str, facts: FileFacts) -> None:
        raise BadRequest(
            f"The file {facts.url!r} can only be listed, which needs a bag.",
            hint="Ask for /deriva/export/bdbag.",
        )


# --- fetching ----------------------------------------------------------------------------


def _fetch(request: Request, spool: Spool, raw_key: str, raw_name: str) -> Answer:
    key, name = decoded(request, raw_key), decoded(request, raw_name)
    found = spool.file(key, name, request.client)
    facts = found.stat()
    changed = datetime.fromtimestamp(facts.st_mtime, UTC)
    headers = {
        # deriva-py takes the name from a header of exactly this form.
        "Content-Disposition": f"filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(facts.st_size),
        "Last-Modified": format_datetime(changed, usegmt=True),
        "Cache-Control": "private, no-cache",
        "Vary": "cookie, authorization",
        "X-Content-Type-Options": "nosniff",
    }
    media_type = _MEDIA.get(name.rpartition(".")[2], "application/octet-stream")
    return Answer(200, _pieces(found), media_type, headers)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
