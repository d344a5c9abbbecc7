"""What proves to a server who asks: the file that deriva clients share.

``~/.deriva/credential.json`` holds one entry for each host (``host`` or ``host:port``):
``{"cookie": "webauthn=..."}`` or ``{"bearer-token": "..."}``. Entries of other hosts, and members
that we do not know, are kept as they are. What is needed to renew a token lies beside it in the
entry and is not handed out.

``DERIVA_CREDENTIAL_FILE`` names another file. ``DERIVA_TOKEN`` is a token that goes before the
file, for the one host that ``DERIVA_HOST`` names: a token is never sent to a host that it was not
meant for.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadRequest, Corrupted, Unavailable

log = logging.getLogger("deriva_catalog.credentials")

COOKIE = "webauthn"
FILE_VARIABLE = "DERIVA_CREDENTIAL_FILE"
TOKEN_VARIABLE = "DERIVA_TOKEN"
HOST_VARIABLE = "DERIVA_HOST"
_USABLE = ("cookie", "bearer-token")
_RENEWED_BEFORE_S = 60.0
_SETTLED_NS = 2_000_000_000
_DEFAULT_PORTS = {"https": 443, "http": 80}


def credential_file() -> Path:
    """The file with this user's credentials; it need not exist."""
    given = os.environ.get(FILE_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".deriva" / "credential.json"


def host_key(host: str) -> str:
    """Under which name the credential of a host (``host``, ``host:port``, a URL) is kept.

    Raises:
        BadRequest: it is no host name.
    """
    with_scheme = host if "://" in host else f"https://{host}"
    try:
        parts = urlsplit(with_scheme)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise _no_host(host) from error
    if not name or parts.username is not None:
        raise _no_host(host)
    shown = f"[{name}]" if ":" in name else name
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return shown
    return f"{shown}:{port}"


def credential_for(host: str, *, file: Path | None = None) -> Mapping[str, str] | None:
    """What is known for a host: ``{"cookie": ...}`` or ``{"bearer-token": ...}``; None if nothing.

    A token from the environment goes before the file. An entry with both gives both, as it is in
    the file; a server takes the cookie. A provider's token that has ended, or is about to, is
    renewed if it can be; if not it is given as it is, and the server will say so.

    Args:
        host: ``host``, ``host:port`` or a URL.
        file: The file to read; default: that of `credential_file`.

    Raises:
        BadRequest: `host` is none; ``DERIVA_TOKEN`` is set without ``DERIVA_HOST``.
        Corrupted: the file is not what clients write.
        Unavailable: it cannot be read.
    """
    key = host_key(host)
    from_environment = _from_environment(key)
    if from_environment is not None:
        return from_environment
    entry = entry_of(host, file=file)
    if _is_ending(entry):
        entry = _renewed(key, file or credential_file(), entry)
    return {name: value for name, value in entry.items() if name in _USABLE} or None


def entry_of(host: str, *, file: Path | None = None) -> Mapping[str, Any]:
    """All that the file has for a host, also what renews a token; empty when it has nothing."""
    entry = _read(file or credential_file()).get(host_key(host))
    return entry if isinstance(entry, dict) else {}


def authentication_headers(credential: Mapping[str, str] | None) -> dict[str, str]:
    """The request headers that carry a credential; none for None. A cookie goes before a token.

    Raises:
        BadRequest: it is no dictionary with one of the two as text.
    """
    if not credential:
        return {}
    given: Any = credential
    if not isinstance(given, Mapping) or not any(isinstance(given.get(n), str) for n in _USABLE):
        raise BadRequest(
            "A credential is a dictionary with a 'cookie' or a 'bearer-token', as text.",
            hint="For a token write {'bearer-token': TOKEN}.",
        )
    if isinstance(given.get("cookie"), str):
        return {"Cookie": credential["cookie"]}
    return {"Authorization": f"Bearer {credential['bearer-token']}"}


def keep_credential(host: str, entry: Mapping[str, Any], *, file: Path | None = None) -> None:
    """Write what is known for one host; what was known for it before is replaced.

    The file is replaced as a whole and only its owner can read it; a reader sees it before or
    after. Several processes may write at once.

    Raises:
        BadRequest: `entry` has neither a ``cookie`` nor a ``bearer-token``, or `host` is none.
        Corrupted: the file that is there is damaged; it is left alone.
        Unavailable: it cannot be written.
    """
    if not any(isinstance(entry.get(name), str) and entry[name] for name in _USABLE):
        raise BadRequest(
            f"The credential for {host!r} has neither a 'cookie' nor a 'bearer-token'.",
            hint="Give one of them, as text.",
        )
    key = host_key(host)

    def put(entries: dict[str, Any]) -> bool:
        entries[key] = dict(entry)
        return True

    _change(file or credential_file(), put)


def forget_credential(host: str, *, file: Path | None = None) -> bool:
    """Remove what is known for one host; tells whether there was something.

    Raises:
        Corrupted: the file that is there is damaged; it is left alone.
        Unavailable: it cannot be written.
    """
    place = file or credential_file()
    key = host_key(host)
    if not place.exists():
        return False
    return _change(place, lambda entries: entries.pop(key, None) is not None)


def known_hosts(*, file: Path | None = None) -> list[str]:
    """The hosts that the file has something for, in the order of their names."""
    return sorted(_read(file or credential_file()))


def _no_host(host: str) -> BadRequest:
    return BadRequest(
        f"{host!r} is no host name.", hint="Write 'host', 'host:port' or 'https://host:port'."
    )


def _from_environment(key: str) -> Mapping[str, str] | None:
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return None
    host = os.environ.get(HOST_VARIABLE)
    if not host:
        raise BadRequest(
            f"{TOKEN_VARIABLE} is set, but not the host that it is for.",
            hint=f"Set {HOST_VARIABLE} too, or unset {TOKEN_VARIABLE}.",
        )
    return {"bearer-token": token} if host_key(host) == key else None


# --- renewing ----------------------------------------------------------------------------


def _is_ending(entry: Mapping[str, Any]) -> bool:
    expires = entry.get("expires")
    return (
        "refresh-token" in entry
        and isinstance(expires, (int, float))
        and expires < time.time() + _RENEWED_BEFORE_S
    )


def _renewed(key: str, file: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry with a fresh token, which is kept. Of many that find it old, one renews it."""
    from .signin.native import renewed

    given: list[Mapping[str, Any]] = [entry]

    def renew(entries: dict[str, Any]) -> bool:
        current = entries.get(key)
        if not isinstance(current, dict):
            return False
        given[0] = current
        if not _is_ending(current):
            return False  # another process was quicker
        fresh = renewed(current, time.time())
        if fresh is None:
            log.warning("the login at %s has ended and cannot be renewed; log in again", key)
            return False
        entries[key] = given[0] = fresh
        return True

    try:
        _change(file, renew)
    except Unavailable as error:
        log.warning("the login at %s is not renewed now: %s", key, error)
    return given[0]


# --- the file ----------------------------------------------------------------------------


_SEEN: dict[Path, tuple[tuple[int, int, int], Mapping[str, Any]]] = {}
"""What was read, with the state that the file had: it is asked for with each request."""


def _read(file: Path) -> Mapping[str, Any]:
    try:
        before = file.stat()
        state = (before.st_mtime_ns, before.st_size, before.st_ino)
        seen = _SEEN.get(file)
        if seen is not None and seen[0] == state:
            return seen[1]
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise _damaged(file) from error
    except OSError as error:
        raise _unusable(file, error) from error
    try:
        entries = json.loads(text or "{}")
    except ValueError as error:
        raise _damaged(file) from error
    if not isinstance(entries, dict):
        raise _damaged(file)
    if time.time_ns() - before.st_mtime_ns > _SETTLED_NS:  # else it may be written once more
        _SEEN[file] = (state, entries)
    return entries


def _change(file: Path, change: Callable[[dict[str, Any]], bool]) -> bool:
    """Read, change and replace the file, one process at a time; `change` says if it did."""
    try:
        place = file.resolve()  # a link stays a link
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(place):
            entries = dict(_read(place))
            changed = change(entries)
            if changed:
                _replace(place, json.dumps(entries, indent=2, sort_keys=True) + "\n")
        return changed
    except OSError as error:
        if isinstance(error, (Corrupted, Unavailable)):
            raise
        raise _unusable(file, error) from error


def _replace(place: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Wait until no other process changes the file. The lock file stays and is empty."""
    handle = os.open(place.parent / f".{place.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # also gives the lock back


def _damaged(file: Path) -> Corrupted:
    return Corrupted(
        f"The credential file {str(file)!r} is damaged: it is no JSON object of hosts.",
        hint="Repair it, or remove it and log in again.",
    )


def _unusable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The credential file {str(file)!r} cannot be used: {error}.",
        hint=f"Check the rights on it, or set {FILE_VARIABLE} to another.",
    )
