"""Paths inside a bag: which may be written, which may be believed when read.

What is written is stricter than what is read. A path is written only if every BagIt tool reads
it alike: tools disagree about percent-encoded names, line separators and spaces at the ends.

Source: RFC 8493, sections 2.1.3 and 5.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from ..errors import BadRequest, Corrupted

PAYLOAD = "data/"
_AMBIGUOUS = re.compile(r"%(?:0[AaDd]|25)")
_DEVICE = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?![^. /])"
_OF_DEVICE = re.compile(_DEVICE + r"(?:\.[^/]*| *)\Z")
_PLAIN_NAME = rf"(?!{_DEVICE})[A-Za-z0-9_-](?:[A-Za-z0-9._ -]{{0,200}}[A-Za-z0-9_-])?"
_PLAIN = re.compile(_PLAIN_NAME)
_PLAIN_PATH = re.compile(f"data(?:/{_PLAIN_NAME})+")
_SEPARATORS = frozenset("\x85\u2028\u2029/\\")
_MOST_BYTES = 255
_DECODED = {"%0A": "\n", "%0D": "\r", "%25": "%"}


def payload_path(path: str) -> str:
    """Return `path` if it may be written in a manifest.

    Raises:
        BadRequest: It is not below ``data/``, or tools would not agree on what it names.
    """
    if _PLAIN_PATH.fullmatch(path):  # nearly every path; thousands of files go through here
        return path
    parts = path.split("/")
    if not path.startswith(PAYLOAD) or any(portable_name(part) != part for part in parts):
        raise BadRequest(
            f"{path!r} cannot be the path of a file in a bag.",
            hint="It must start with 'data/' and have no '.', '..' or empty part, no control "
            "character, backslash, '%0A', '%0D' or '%25', and no space at the ends of a part.",
        )
    return path


def portable_name(name: str) -> str:
    """Return `name`, or the nearest text that can be the name of a file in a bag.

    Characters that cannot be in it become ``_``; a name that is too long loses its middle. Names
    that mean a device on some system (``aux.png``) get a ``_`` in front.
    """
    if _PLAIN.fullmatch(name):
        return name
    text = "".join("_" if _unwelcome(c) else c for c in name)
    text = _AMBIGUOUS.sub(lambda found: "_" + found[0][1:], text)
    inner = text.strip()
    text = "_" * (len(text) - len(text.lstrip())) + inner + "_" * (len(text) - len(text.rstrip()))
    if not inner or text in {".", ".."}:
        return "_"
    return _shortened(f"_{text}" if is_device(text) else text)


def is_device(name: str) -> bool:
    """Whether a name of one part means a device on some system, such as ``nul`` or ``COM1.txt``."""
    return _OF_DEVICE.match(name) is not None


def clash_key(path: str) -> str:
    """What paths have in common that are one file where letter case does not count."""
    return unicodedata.normalize("NFC", path).casefold()


def _unwelcome(character: str) -> bool:
    return (
        character < " "
        or "\x7f" <= character <= "\x9f"
        or character in _SEPARATORS
        or "\ud800" <= character <= "\udfff"
    )


def _shortened(text: str) -> str:
    if len(text.encode()) <= _MOST_BYTES:
        return text
    stem, dot, suffix = text.rpartition(".")
    if not stem or len(suffix.encode()) > 32:
        stem, dot, suffix = text, "", ""
    ending = (dot + suffix).encode()
    kept = stem.encode()[: _MOST_BYTES - len(ending)].decode(errors="ignore")
    return (kept + ending.decode()).strip()


def decoded_path(text: str, where: str) -> str:
    """Return the path that a line of a manifest or ``fetch.txt`` names.

    Raises:
        Corrupted: It leads out of the bag.
    """
    if _PLAIN_PATH.fullmatch(text):
        return text
    path = re.sub(_AMBIGUOUS, lambda found: _DECODED[found[0].upper()], text)
    path = path.removeprefix("./")
    parts = path.split("/")
    if (
        path.startswith(("/", "~"))
        or "\\" in path
        or "\0" in path
        or re.match(r"[A-Za-z]:", path)
        or any(part in {"", ".", ".."} for part in parts)
    ):
        raise Corrupted(
            f"{where} names the path {text!r}, which may lead out of the bag.",
            hint="Do not use this bag; get it again from where it was made.",
            path=text,
            outside=True,
        )
    return path


def inside(bag: Path, path: str, checked: set[str] | None = None) -> Path:
    """Return the file of a bag that `path` names.

    Args:
        bag: The bag.
        path: The path in it, as `decoded_path` gives it.
        checked: Directories that need not be looked at again; those of `path` are added.

    Raises:
        Corrupted: A part of the path is a symbolic link.
    """
    known = set() if checked is None else checked
    folder = path.rpartition("/")[0]
    unknown = [path]
    while folder and folder not in known:
        known.add(folder)
        unknown.append(folder)
        folder = folder.rpartition("/")[0]
    root = str(bag)
    if any(os.path.islink(f"{root}/{part}") for part in unknown):  # noqa: PTH114
        raise Corrupted(
            f"{path!r} in the bag {root!r} goes through a symbolic link.",
            hint="Bags hold files only; get it again from where it was made.",
            path=path,
        )
    return bag / path
