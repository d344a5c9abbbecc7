"""The text files around a bag's payload: manifests, ``fetch.txt`` and labelled values.

Source: RFC 8493, section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadRequest, Corrupted, NotFound
from ..objects.hashing import is_digest
from .names import PAYLOAD, decoded_path

DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
FETCH = "fetch.txt"
ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
"""Digests that are understood; `BagWriter` writes MD5 and SHA-256."""

_LENGTH = re.compile(r"[0-9]{1,18}")
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
Digests = dict[str, str]


@dataclass(frozen=True, slots=True)
class FetchEntry:
    """A payload file that may be missing: where to get it, and what it must be.

    `length` is in bytes, None when it is not known; `digests` are lower-case hexadecimal by
    algorithm. `others` are URLs of the same bytes, for when `url` fails.
    """

    url: str
    length: int | None
    path: str
    digests: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Every URL of the file, in the order in which they are tried."""
        return (self.url, *self.others)


@dataclass(frozen=True, slots=True)
class Bag:
    """What the tag files of a bag say.

    `manifests` and `tag_manifests` map an algorithm to the digest of each path.
    """

    directory: Path
    version: tuple[int, int]
    info: Mapping[str, str]
    manifests: Mapping[str, Mapping[str, str]]
    tag_manifests: Mapping[str, Mapping[str, str]]
    fetch: tuple[FetchEntry, ...]

    @property
    def payload(self) -> dict[str, Digests]:
        """The digests of every payload path, by algorithm."""
        found: dict[str, Digests] = {}
        for algorithm, digests in self.manifests.items():
            for path, digest in digests.items():
                found.setdefault(path, {})[algorithm] = digest
        return found


# --- writing -----------------------------------------------------------------------------


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """Return a manifest, its lines in the order of the paths."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def fetch_bytes(entries: Iterable[FetchEntry]) -> bytes:
    """Return ``fetch.txt``: a line for each source, in the order of the paths."""
    lines = []
    for entry in sorted(entries, key=lambda e: e.path):
        length = "-" if entry.length is None else str(entry.length)
        lines += [f"{url}\t{length}\t{entry.path}\n" for url in entry.sources]
    return "".join(lines).encode()


def check_labels(info: Mapping[str, str]) -> None:
    """Refuse labels and values that ``bag-info.txt`` cannot hold.

    Raises:
        BadRequest: There are such.
    """
    for label, value in info.items():
        if not (isinstance(label, str) and isinstance(value, str)):
            raise BadRequest(f"The label {label!r} and its value {value!r} are to be texts.")
        if label.strip() != label or not label or ":" in label or not label.isprintable():
            raise BadRequest(
                f"{label!r} cannot be a label of a bag.",
                hint="A label is one line without a colon, and has no space at its ends.",
            )


def info_bytes(info: Mapping[str, str]) -> bytes:
    """Return labelled values in the order of the labels; line ends in values become spaces.

    Raises:
        BadRequest: A label or value cannot be written so that it is read again.
    """
    check_labels(info)
    return "".join(f"{label}: {' '.join(info[label].split())}\n" for label in sorted(info)).encode()


# --- reading -----------------------------------------------------------------------------


def read_bag(directory: Path | str) -> Bag:
    """Read the tag files of a bag; the payload is not looked at.

    Raises:
        NotFound: There is no such directory.
        Corrupted: It is no bag, a tag file is malformed, or a path leads out of the bag.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise NotFound(f"There is no bag in {str(directory)!r}: it is no directory.")
    declared = _labels(directory / DECLARATION)
    version = re.fullmatch(r"(\d+)\.(\d+)", declared.get("BagIt-Version", ""))
    if version is None:
        raise Corrupted(
            f"{str(directory)!r} is no bag: its {DECLARATION!r} does not tell a version.",
        )
    encoding = declared.get("Tag-File-Character-Encoding", "UTF-8")
    if encoding.upper().replace("-", "") != "UTF8":
        raise Corrupted(f"The tag files of {str(directory)!r} are in {encoding!r}, not in UTF-8.")
    manifests = _manifests(directory, tags=False)
    if not manifests:
        raise Corrupted(f"The bag {str(directory)!r} has no manifest of its payload.")
    bag = Bag(
        directory=directory,
        version=(int(version[1]), int(version[2])),
        info=read_info(directory),
        manifests=manifests,
        tag_manifests=_manifests(directory, tags=True),
        fetch=(),
    )
    entries = tuple(_fetch(directory, bag.payload)) if (directory / FETCH).exists() else ()
    return Bag(
        bag.directory, bag.version, bag.info, bag.manifests, bag.tag_manifests, fetch=entries
    )


def read_info(directory: Path) -> dict[str, str]:
    """Return the labelled values of a bag's ``bag-info.txt``; it may be missing.

    Raises:
        Corrupted: It is malformed.
    """
    file = directory / INFO
    return _labels(file) if file.exists() else {}


def _text(file: Path) -> str:
    if file.is_symlink():
        raise Corrupted(f"{str(file)!r} is a symbolic link, so it is no tag file of a bag.")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise Corrupted(f"{str(file.parent)!r} is no bag: it has no {file.name!r}.") from error
    except UnicodeDecodeError as error:
        raise Corrupted(f"{str(file)!r} is not in UTF-8.") from error
    except OSError as error:
        raise Corrupted(f"{str(file)!r} cannot be read: {error}.") from error


def _lines(file: Path) -> list[str]:
    # Only CR and LF end a line; the text may hold the other separators of Unicode.
    return [line for line in re.split(r"\r\n|\r|\n", _text(file)) if line.strip()]


def _labels(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for line in _lines(file):
        if line[0] in " \t" and last:
            found[last] += " " + line.strip()
            continue
        label, colon, value = line.partition(":")
        if not colon:
            raise Corrupted(f"The line {line!r} of {str(file)!r} is not 'label: value'.")
        last = label.strip()
        found[last] = value.strip()
    return found


def _manifests(directory: Path, *, tags: bool) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for file in sorted(directory.iterdir()):
        match = _MANIFEST.fullmatch(file.name)
        if match is None or bool(match[1]) is not tags:
            continue
        if match[2] not in ALGORITHMS:
            raise Corrupted(
                f"{str(file)!r} uses the digest {match[2]!r}, which is not understood.",
                hint=f"Understood are {', '.join(ALGORITHMS)}.",
            )
        found[match[2]] = _manifest(file, match[2], payload=not tags)
    return found


def _manifest(file: Path, algorithm: str, *, payload: bool) -> dict[str, str]:
    digests: dict[str, str] = {}
    for line in _lines(file):
        digest, _, rest = line.partition(" ")
        digest = digest.lower()
        path = decoded_path(rest.lstrip(" \t").removeprefix("*"), str(file))
        if payload and not path.startswith(PAYLOAD):
            raise Corrupted(
                f"{str(file)!r} lists {path!r}, which is not below {PAYLOAD!r}.", path=path
            )
        if not is_digest(digest, algorithm):
            raise Corrupted(
                f"{str(file)!r} lists {path!r} with {digest!r}, which is no {algorithm} digest.",
                path=path,
            )
        if digests.setdefault(path, digest) != digest:
            raise Corrupted(
                f"{str(file)!r} lists {path!r} twice, with different digests.", path=path
            )
    return digests


def _fetch(directory: Path, payload: Mapping[str, Digests]) -> Iterable[FetchEntry]:
    """Entries in the order of their first lines; further lines of a path are further sources."""
    where = str(directory / FETCH)
    found: dict[str, tuple[int | None, dict[str, None]]] = {}
    for line in _lines(directory / FETCH):
        parts = line.split(None, 2)
        if len(parts) != 3 or not (parts[1] == "-" or _LENGTH.fullmatch(parts[1])):
            raise Corrupted(f"The line {line!r} of {where!r} is not 'url length path'.")
        path = decoded_path(parts[2], where)
        if path not in payload:
            raise Corrupted(f"{where!r} lists {path!r}, which is in no manifest.", path=path)
        length = None if parts[1] == "-" else int(parts[1])
        known, urls = found.get(path, (None, {}))
        if None not in (known, length) and known != length:
            raise Corrupted(
                f"{where!r} lists {path!r} with {known} and with {length} bytes.", path=path
            )
        urls[parts[0]] = None
        found[path] = (length if known is None else known, urls)
    for path, (length, urls) in found.items():
        first, *others = urls
        yield FetchEntry(first, length, path, payload[path], tuple(others))
