"""The run browser: a small web server over recorded runs, for the machine it runs on.

It reads and never writes, loads nothing from elsewhere, and answers only requests that name this
machine, so that a page on the internet cannot have a browser read runs through it.
"""

from __future__ import annotations

import ipaddress
import mimetypes
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hamilton.runs.pages import comparison_page, error_page, list_page, run_page
from hamilton.runs.record import (
    RunRecord,
    UnreadableRun,
    find_runs,
    is_run_folder,
    read_run,
)

__all__ = ["RunServer"]

# No scripts at all, nothing from elsewhere. Files of runs are shown in a sandbox of their own.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_READ = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".yaml", ".yml", ".log", ".py")
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request gets: a text, or a file."""

    status: HTTPStatus
    type: str
    body: bytes | Path
    download: bool = False


def _html(text: str, status: HTTPStatus = HTTPStatus.OK) -> _Answer:
    return _Answer(status, "text/html; charset=utf-8", text.encode())


def _absent(what: str) -> _Answer:
    return _html(error_page("Not found", what), HTTPStatus.NOT_FOUND)


class RunServer(ThreadingHTTPServer):
    """Serves the runs below a folder.

    Args:
        base: The folder that holds the experiments.
        host: The address to listen at.
        port: The port; 0 for any that is free.

    Raises:
        OSError: The address cannot be had.
    """

    daemon_threads = True

    def __init__(self, base: Path, host: str, port: int) -> None:
        self.base = base.resolve()
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """The address to open."""
        host = "localhost" if _is_everywhere(self.host) else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def admits(self, host: str | None) -> bool:
        """Returns whether a request that names `host` is meant for this server."""
        if _is_everywhere(self.host):
            return True  # whoever listens at every address has opened it to all names
        try:
            name = urlsplit(f"//{host or ''}").hostname or ""
        except ValueError:
            return False
        return name in (self.host.lower(), "localhost") or _is_loopback(name)

    def run_at(self, experiment: str, folder: str) -> RunRecord | None:
        """Returns the run of an experiment in a folder; None if there is none."""
        place = self.base / experiment / folder
        names = (place.parent.name, place.name) == (experiment, folder)
        # A link to somewhere else is no run of this folder.
        if not names or place.resolve() != place or not is_run_folder(place):
            return None
        try:
            return read_run(place)
        except UnreadableRun:
            return None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_everywhere(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")


def answer(server: RunServer, target: str) -> _Answer:
    """Returns the answer to a request for a path and query."""
    where, _, asked = target.partition("?")
    query = parse_qs(asked)
    path = [unquote(part) for part in where.strip("/").split("/")]
    if any("\0" in part for part in path):
        return _absent("There is no such page.")
    match path:
        case [""]:
            return _list(server, query)
        case ["style.css"]:
            text = resources.files("hamilton.runs").joinpath("style.css").read_bytes()
            return _Answer(HTTPStatus.OK, "text/css; charset=utf-8", text)
        case ["compare"]:
            return _comparison(server, query)
        case ["run", experiment, folder]:
            run = server.run_at(experiment, folder)
            return _absent("There is no such run.") if run is None else _html(run_page(run))
        case ["file", experiment, folder, *rest] if rest:
            run = server.run_at(experiment, folder)
            return _absent("There is no such run.") if run is None else _file(run, "/".join(rest))
        case _:
            return _absent("There is no such page.")


def _one(query: Mapping[str, list[str]], name: str) -> str | None:
    return query.get(name, [None])[0]


def _list(server: RunServer, query: Mapping[str, list[str]]) -> _Answer:
    sort = _one(query, "sort") or "started"
    descending = _one(query, "order") != "asc"
    return _html(list_page(find_runs(server.base), _one(query, "experiment"), sort, descending))


def _comparison(server: RunServer, query: Mapping[str, list[str]]) -> _Answer:
    found = []
    for key in query.get("run", ()):
        known = key.count("/") == 1 and "\0" not in key
        run = server.run_at(*key.split("/")) if known else None
        if run is None:
            return _absent(f"There is no run {key!r}.")
        found.append(run)
    return _html(comparison_page(found))


def _file(run: RunRecord, path: str) -> _Answer:
    folder = run.folder.resolve()
    place = (folder / path).resolve()
    if not place.is_relative_to(folder) or not place.is_file():
        return _absent("There is no such file in this run.")
    kind = mimetypes.guess_type(place.name)[0] or "application/octet-stream"
    if kind in _SHOWN:
        return _Answer(HTTPStatus.OK, kind, place)
    if place.suffix.lower() in _READ:
        return _Answer(HTTPStatus.OK, "text/plain; charset=utf-8", place)
    return _Answer(HTTPStatus.OK, kind, place, download=True)


class _Handler(BaseHTTPRequestHandler):
    server: RunServer
    server_version = "hamilton"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers with a page or a file."""
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        """Answers with the headers only."""
        self._respond(with_body=False)

    def _respond(self, with_body: bool) -> None:
        if not self.server.admits(self.headers.get("Host")):
            found = _html(
                error_page("Wrong host", "This server answers to the name of its machine only."),
                HTTPStatus.MISDIRECTED_REQUEST,
            )
        else:
            found = answer(self.server, self.path)
        body = found.body
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        self.send_response(found.status)
        self.send_header("Content-Type", found.type)
        self.send_header("Content-Length", str(size))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        policy = _FILE_POLICY if isinstance(body, Path) else _POLICY
        self.send_header("Content-Security-Policy", policy)
        if found.download:
            self.send_header("Content-Disposition", "attachment")
        self.end_headers()
        if with_body:
            self._send(body, size)

    def _send(self, body: bytes | Path, size: int) -> None:
        if isinstance(body, bytes):
            self.wfile.write(body)
            return
        with body.open("rb") as file:
            while size > 0 and (chunk := file.read(min(size, _CHUNK))):
                self.wfile.write(chunk)
                size -= len(chunk)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps requests out of the terminal."""
