"""Doing an export: queries to files, and files that rows name.

All queries are of one snapshot of the catalog if each of its tables keeps a history; else of
its live state, one after the other.
"""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from itertools import chain, islice
from typing import Any, Literal, Protocol
from urllib.parse import quote

from ...bag import portable_name
from ...catalog.local import LocalCatalog
from ...engine.relation import captures_history
from ...errors import BadRequest, Conflict
from ...path.parser import parse_query
from ...path.tokens import refuse_stray
from ..messages import Answer, Request
from ..service import Service, close
from .configuration import Configuration, Step

__all__ = ["FileFacts", "Sink", "export", "filled"]

_MEDIA: dict[str, tuple[Literal["text/csv", "application/json", "application/x-json-stream"], str]]
_LINES: Literal["application/x-json-stream"] = "application/x-json-stream"
_MEDIA = {
    "csv": ("text/csv", "csv"),
    "json": ("application/json", "json"),
    "json-stream": (_LINES, "json"),
}
_OF_ROWS = ("entity", "attribute", "attributegroup", "aggregate")
_SOME = 64 * 1024
_NAME = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What must be known of a file that is not put into a bag; digests in hexadecimal."""

    url: str
    length: int
    md5: str
    sha256: str | None


class Sink(Protocol):
    """Where the files of an export go.

    `keeps_empty` says whether a query without rows makes a file. In a bag it makes none: that is
    how deriva-py writes bags, and what those who read them rely on.
    """

    keeps_empty: bool

    def add(self, path: str, pieces: Iterator[bytes]) -> None:
        """Keep a file."""
        ...

    def refer(self, path: str, facts: FileFacts) -> None:
        """Say where a file is."""
        ...


def export(
    service: Service, request: Request, wanted: Configuration, catalog: LocalCatalog, sink: Sink
) -> None:
    """Do all steps, as far as the client may.

    Raises:
        CatalogError: what a query or a file is refused with.
    """
    moment = _fixed(catalog)
    run = _Run(service, request, wanted, moment, sink)
    for step in wanted.steps:
        run.step(step)


def _fixed(catalog: LocalCatalog) -> LocalCatalog:
    if catalog.snaptime is not None or not all(map(captures_history, catalog.model.tables())):
        return catalog
    return catalog.at(catalog.latest_snapshot())


class _Run:
    """The steps of one export, and the variables that they leave to each other."""

    def __init__(
        self,
        service: Service,
        request: Request,
        wanted: Configuration,
        catalog: LocalCatalog,
        sink: Sink,
    ) -> None:
        self._service = service
        self._request = request
        self._catalog = catalog
        self._sink = sink
        self._host = _host(request, wanted)
        self._name = wanted.catalog.partition("@")[0]
        # As they stand in paths of files, and as they stand in queries.
        self._plain = dict(wanted.variables)
        self._escaped = {name: _as_query(value) for name, value in wanted.variables.items()}

    def step(self, step: Step) -> None:
        query = filled(step.query, self._escaped).lstrip("/")
        if query.partition("/")[0].lower() not in _OF_ROWS:
            self._document(step, query)
            return
        if step.processor in _MEDIA:
            self._rows(step, query)
            return
        with _ended(self._catalog.stream(parse_query(query).query, _LINES)) as pieces:
            rows = _each(pieces)
            if step.processor == "env":
                self._remember(step, list(islice(rows, 1)))
                return
            for row in rows:
                self._file(step, row)

    def _document(self, step: Step, query: str) -> None:
        """What is no query of rows: the catalog itself, its model, or a part of that."""
        if step.processor not in ("json", "env"):
            raise BadRequest(
                f"{step.query!r} has no rows, which a step {step.processor!r} needs.",
                hint=f"Rows are below {', '.join(_OF_ROWS)}; documents are for 'json' and 'env'.",
            )
        name = quote(self._name, safe="")
        at = "" if self._catalog.snaptime is None else f"@{self._catalog.snaptime}"
        body = self._ask("GET", f"/ermrest/catalog/{name}{at}/{query}").body
        content = body if isinstance(body, bytes) else b"".join(body)
        if step.processor == "json":
            self._sink.add(self._path(step, "json"), iter((content,)))
            return
        found = json.loads(content)
        rows = found if isinstance(found, list) else [found]
        self._remember(step, [row for row in rows if isinstance(row, dict)])

    def _path(self, step: Step, ending: str) -> str:
        path = filled(step.output_path, self._plain)
        if step.output_filename is not None:
            return _checked(f"{path}/{filled(step.output_filename, self._plain)}")
        return _checked(f"{path}.{ending}")

    def _rows(self, step: Step, query: str) -> None:
        media_type, ending = _MEDIA[step.processor]
        asked = parse_query(query)
        arrays_json = asked.options.arrays == "json"
        path = self._path(step, ending)
        stream = self._catalog.stream(asked.query, media_type, arrays_json=arrays_json)
        with _ended(stream) as pieces:
            beginning = _until_some(pieces)
            if self._sink.keeps_empty or _has_rows(beginning, media_type):
                self._sink.add(path, chain((beginning,), pieces))

    def _remember(self, step: Step, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        for name, value in rows[0].items():
            if value is not None and (step.keys is None or name in step.keys):
                text = value if isinstance(value, str) else json.dumps(value)
                self._plain[name] = text
                self._escaped[name] = quote(text, safe="")

    def _file(self, step: Step, row: Mapping[str, Any]) -> None:
        url = row.get("url")
        if url is None:
            return
        known = self._plain | {name: str(value) for name, value in row.items() if value is not None}
        folder = filled(step.output_path, known)
        name = row.get("filename") or str(url).rpartition("/")[2].partition(":")[0]
        if step.output_filename is not None:
            name = filled(step.output_filename, known)
        path = _checked(f"{folder}/{portable_name(str(name))}")
        if step.processor == "download" and str(url).startswith("/"):
            with _ended(self._bytes(str(url))) as pieces:
                self._sink.add(path, pieces)
        else:
            self._sink.refer(path, self._facts(str(url), row))

    # --- files -----------------------------------------------------------------------

    def _ask(self, method: str, url: str) -> Answer:
        """What the client itself would be answered."""
        asked = replace(self._request, method=method, target=url, headers={}, body=BytesIO())
        answer = self._service.handle(asked)
        if answer.status != 200:
            if not isinstance(answer.body, bytes):
                close(answer.body)
            raise Conflict(
                f"{url!r} cannot be exported: the answer is {answer.status}.",
                hint="Leave it out of the export: a file with its row.",
            )
        return answer

    def _bytes(self, url: str) -> Iterator[bytes]:
        body = self._ask("GET", url).body
        return iter((body,)) if isinstance(body, bytes) else body

    def _facts(self, url: str, row: Mapping[str, Any]) -> FileFacts:
        """What the row says of a file, or else the object store."""
        length, md5, sha256 = (row.get(name) for name in ("length", "md5", "sha256"))
        if url.startswith("/"):
            if length is None or not md5:
                headers = {n.lower(): v for n, v in self._ask("HEAD", url).headers.items()}
                length = headers.get("content-length", length)
                md5 = _hexadecimal(headers.get("content-md5")) or md5
                sha256 = _hexadecimal(headers.get("content-sha256")) or sha256
            url = f"{self._host}{url}"
        if length is None or not md5:
            raise Conflict(
                f"The file {url!r} cannot be listed: neither its row nor the store tells its "
                "length and MD5.",
                hint="Give the query outputs called 'length' and 'md5'.",
            )
        try:
            return FileFacts(url, int(length), str(md5), None if not sha256 else str(sha256))
        except ValueError:
            raise Conflict(f"The length of the file {url!r} is no number: {length!r}.") from None


@contextmanager
def _ended(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """End it on leaving, also when an error keeps it: a transaction hangs on it."""
    try:
        yield pieces
    finally:
        close(pieces)


def _each(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of a JSON stream one by one: there may be millions of files."""
    rest = b""
    for piece in pieces:
        whole, _, rest = (rest + piece).rpartition(b"\n")
        for line in whole.split(b"\n"):
            if line:
                yield json.loads(line)
    if rest:
        yield json.loads(rest)


def _until_some(pieces: Iterator[bytes]) -> bytes:
    """The beginning of a result, which is all of it when it is short."""
    beginning = b""
    for piece in pieces:
        beginning += piece
        if len(beginning) > _SOME:
            break
    return beginning


def _has_rows(beginning: bytes, media_type: str) -> bool:
    if len(beginning) > _SOME:
        return True
    if media_type == "text/csv":
        rows = csv.reader(StringIO(beginning.decode(), newline=""))
        return next(islice(rows, 1, None), None) is not None
    return beginning.strip() not in (b"", b"[]")


def _hexadecimal(digest: str | None) -> str | None:
    return None if not digest else base64.b64decode(digest).hex()


def _host(request: Request, wanted: Configuration) -> str:
    """Where relative URLs of files begin, as the client calls the service."""
    if wanted.host is not None and "://" in wanted.host:
        return wanted.host.rstrip("/")
    scheme = "https" if request.is_secure else "http"
    return f"{scheme}://{wanted.host or request.headers.get('host', 'localhost')}"


def _checked(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise BadRequest(
            f"{path!r} is no path for a file of an export.", hint="Give the step an 'output_path'."
        )
    return "/".join(map(portable_name, parts))


# --- variables ---------------------------------------------------------------------------


def filled(template: str, variables: Mapping[str, str]) -> str:
    """A text with the values of variables for their ``{names}``; ``{{`` is a brace.

    Raises:
        BadRequest: there is no such variable, or a brace stands alone.
    """

    def value(found: re.Match[str]) -> str:
        whole, name = found.group(), found.group(1)
        if whole in ("{{", "}}"):
            return whole[0]
        if name is None or name not in variables:
            raise BadRequest(
                f"There is no variable for {whole!r} in {template!r}.",
                hint=f"There are {', '.join(sorted(variables)) or 'none'}.",
            )
        return variables[name]

    return _NAME.sub(value, template)


def _as_query(text: str) -> str:
    """A given value as a part of a query: as it is if it can stand there, else escaped."""
    try:
        refuse_stray(text)
    except BadRequest:
        return quote(text, safe="")
    return text
