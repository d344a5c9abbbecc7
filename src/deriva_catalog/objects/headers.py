"""Digests and file names as the headers of HTTP spell them.

Source: Hatrac, "Objects and versions"; RFC 6266 and RFC 8187 for file names.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal
from urllib.parse import quote, unquote

from ..errors import BadRequest

_BYTES = {"MD5": 16, "SHA-256": 32}
_DISPOSITION = re.compile(r"filename\*=UTF-8''([-_.~A-Za-z0-9%!#$&+^`|]+)", re.IGNORECASE)
_PRINTABLE = re.compile(r"[\x20-\x7e]+")


def digest_of(text: str, algorithm: Literal["MD5", "SHA-256"]) -> str:
    """The digest that a header declares, in hexadecimal.

    Raises:
        BadRequest: It is neither base64 nor hexadecimal, or not as long as such a digest.
    """
    length, value = _BYTES[algorithm], text.strip()
    if len(value) == 2 * length and all(c in "0123456789abcdefABCDEF" for c in value):
        return value.lower()
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(
            f'Could not base64 decode "{value}". {error}',
            hint=f"An {algorithm} is written in base64.",
        ) from error
    if len(raw) != length:
        raise BadRequest(
            f"{value!r} is no {algorithm}: it has {len(raw)} bytes instead of {length}."
        )
    return raw.hex()


def digest_header(digest: str) -> str:
    """A digest in hexadecimal as headers spell it: base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def filename_of(disposition: str) -> str:
    """The file name in a content disposition.

    Raises:
        BadRequest: It is not ``filename*=UTF-8''NAME``, or the name has a path in it.
    """
    found = _DISPOSITION.fullmatch(disposition.strip())
    if found is None:
        raise BadRequest(
            f"Invalid content disposition {disposition!r}.",
            hint="Write filename*=UTF-8''NAME with the name percent-encoded.",
        )
    try:
        name = unquote(found[1], errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The file name in {disposition!r} is not UTF-8.") from error
    if any(c in "/\\" or ord(c) < 32 for c in name):
        raise BadRequest(
            f"The file name in {disposition!r} has a '/', a '\\' or a control character in it.",
            hint="Give the last part of the path only.",
        )
    return name


def disposition_of(filename: str) -> str:
    """The content disposition that offers a file name."""
    return f"filename*=UTF-8''{quote(filename, safe='')}"


def checked_content_type(text: str) -> str:
    """A content type that can stand in a header.

    Raises:
        BadRequest: It is empty, or has characters that headers cannot have.
    """
    value = text.strip()
    if _PRINTABLE.fullmatch(value) is None:
        raise BadRequest(f"{text!r} is no content type.")
    return value
