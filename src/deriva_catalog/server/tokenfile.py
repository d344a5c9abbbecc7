"""A file of bearer tokens: who may come with which token.

For programs that cannot log in (pipelines, other services) an administrator puts their tokens
into a file, or a deployment mounts it as a secret::

    [{"token_sha256": "9f86d0…", "client": {"id": "https://lab.example/robot"},
      "attributes": [{"id": "https://lab.example/group/curators", "display_name": "Curators"}]}]

``token_sha256`` is the SHA-256 of the token in hexadecimal digits, so that the file does not
hold the token itself; ``client`` and ``attributes`` are those of a session document. A file that
is changed is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..access import ANONYMOUS, Attribute, Client
from ..errors import BadRequest, Unavailable

if TYPE_CHECKING:
    from .service import Sessions

__all__ = ["Anonymous", "TokenFile", "token_of"]

COOKIE = "webauthn"


class Anonymous:
    """Sessions of a service that knows nobody."""

    def client_of(self, headers: Mapping[str, str]) -> Client:
        """The anonymous client."""
        return ANONYMOUS


class TokenFile:
    """Sessions by a file of tokens; other tokens are asked of `otherwise`.

    Raises:
        Unavailable: the file cannot be read.
        BadRequest: it has not the form of a file of tokens.
    """

    def __init__(self, path: Path, otherwise: Sessions | None = None) -> None:
        self._path = path
        self.otherwise: Sessions = Anonymous() if otherwise is None else otherwise
        self._lock = threading.Lock()
        self._state, self._clients = _read(path)

    def client_of(self, headers: Mapping[str, str]) -> Client:
        """The client whose token is in the headers."""
        token = token_of(headers)
        if token is None:
            return self.otherwise.client_of(headers)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = self._current().get(digest)
        return self.otherwise.client_of(headers) if found is None else found

    def _current(self) -> Mapping[str, Client]:
        """The clients by the digests of their tokens, read again if the file was changed.

        A file that is being written, or was removed, leaves what was known.
        """
        try:
            if _state(self._path.stat()) != self._state:
                with self._lock:
                    self._state, self._clients = _read(self._path)
        except (OSError, Unavailable, BadRequest):
            return self._clients
        return self._clients


def token_of(headers: Mapping[str, str]) -> str | None:
    """The token in a request: of the cookie ``webauthn``, else of ``Authorization: Bearer``."""
    cookies = headers.get("cookie")
    if cookies and COOKIE in cookies:
        try:
            morsel = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            morsel = None
        if morsel is not None and morsel.value:
            return morsel.value
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> tuple[tuple[int, int, int], dict[str, Client]]:
    try:
        with path.open("rb") as file:
            state = _state(os.fstat(file.fileno()))
            text = file.read()
    except OSError as error:
        raise Unavailable(f"The file of tokens {str(path)!r} cannot be read: {error}.") from error
    try:
        return state, {str(entry["token_sha256"]).lower(): _client(entry) for entry in _list(text)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(
            f"The file of tokens {str(path)!r} is malformed: {error!r}.",
            hint="It is a JSON list of objects with 'token_sha256', 'client' and 'attributes'.",
        ) from error


def _list(text: bytes) -> list[Any]:
    found = json.loads(text)
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _client(entry: Mapping[str, Any]) -> Client:
    client = entry["client"]
    attributes = [
        Attribute(a["id"], a.get("display_name"), tuple(a.get("identities", ())))
        for a in entry.get("attributes", ())
    ]
    return Client(
        id=client["id"],
        display_name=client.get("display_name"),
        full_name=client.get("full_name"),
        email=client.get("email"),
        identities=tuple(client.get("identities", ())),
        attributes=tuple(attributes),
    )
