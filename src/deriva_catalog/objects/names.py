"""Names of objects: ``/hatrac/a/b`` and, with a version, ``/hatrac/a/b:VERSION``.

Source: Hatrac, section "Names".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import quote, unquote

from ..errors import BadRequest

PREFIX = "/hatrac"
_UNRESERVED = "-._~"
_AS_IT_IS = re.compile(r"[A-Za-z0-9._~-]*")
_PLAIN = re.compile(r"/hatrac((?:/[A-Za-z0-9_-][A-Za-z0-9_.~-]*)+)(?::([A-Za-z0-9]+))?")
_VERSION = re.compile(r"[A-Za-z0-9]{1,64}")


@dataclass(frozen=True)
class ObjectName:
    """A decoded name: its components below the service, and perhaps a version."""

    parts: tuple[str, ...]
    version: str | None = None

    @cached_property
    def path(self) -> str:
        """The canonical spelling, without a version."""
        return "/".join((PREFIX, *map(encode_part, self.parts)))

    @property
    def url(self) -> str:
        """The canonical spelling, with the version if there is one."""
        return self.path if self.version is None else f"{self.path}:{self.version}"

    @property
    def parents(self) -> tuple[ObjectName, ...]:
        """The namespaces above, outermost first, without the root."""
        return tuple(_namespace(self.parts[:n]) for n in range(1, len(self.parts)))


@lru_cache(maxsize=1024)
def _namespace(parts: tuple[str, ...]) -> ObjectName:
    """A namespace; thousands of objects lie in the same few."""
    return ObjectName(parts)


def parse_name(text: str, *, version_allowed: bool = True) -> ObjectName:
    """Return the name that `text` spells; a trailing slash is accepted.

    Raises:
        BadRequest: It does not start with ``/hatrac/``, has an empty, ``.`` or ``..`` component,
            a character that must be percent-encoded, or a version where none is allowed.
    """
    plain = _PLAIN.fullmatch(text)
    # As in nearly every row; listings hold thousands of names.
    if plain is not None and (version_allowed or plain[2] is None):
        return ObjectName(tuple(plain[1][1:].split("/")), plain[2])
    if not text.startswith(PREFIX + "/"):
        raise BadRequest(
            f"{text!r} is not the name of an object.", hint=f"Names start with '{PREFIX}/'."
        )
    body, colon, version = text[len(PREFIX) + 1 :].rstrip("/").partition(":")
    if colon and not (version_allowed and version.isalnum()):
        raise BadRequest(
            f"The name {text!r} has {'a bad' if version_allowed else 'a'} version.",
            hint="A ':' inside a name is written '%3A'.",
        )
    return ObjectName(tuple(_decoded(p, text) for p in body.split("/")), version or None)


def _decoded(part: str, text: str) -> str:
    bad = {c for c in part if not (c.isascii() and (c.isalnum() or c in _UNRESERVED + "%"))}
    if bad:
        raise BadRequest(
            f"The name {text!r} contains {''.join(sorted(bad))!r}.",
            hint="Characters other than letters, digits and '-._~' must be percent-encoded.",
        )
    try:
        name = unquote(part, errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The name {text!r} is not UTF-8 once decoded.") from error
    if name in {"", ".", ".."} or "\0" in name:
        raise BadRequest(f"The name {text!r} has the component {name!r}, which names nothing.")
    return name


def check_version(version: str) -> None:
    """See that a text can be the identifier of a version: ASCII letters and digits, at most 64.

    Raises:
        BadRequest: It cannot.
    """
    if not _VERSION.fullmatch(version):
        raise BadRequest(
            f"{version[:80]!r} cannot be the identifier of a version.",
            hint="It has 1 to 64 ASCII letters and digits.",
        )


def encode_part(name: str) -> str:
    """Return one component of a name, percent-encoded."""
    return name if _AS_IT_IS.fullmatch(name) else quote(name, safe=_UNRESERVED)
