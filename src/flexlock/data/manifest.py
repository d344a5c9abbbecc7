"""The manifest of a directory: one line for each file and link, sorted, and its digest.

A line is ``path NUL kind SPACE size SPACE hash LF``. `kind` is ``f`` for a file and ``l`` for a
link (whose content is the text that it holds). Paths are relative, as bytes, with slashes. Modes,
owners, times and empty folders do not count: they do not survive copying to other stores.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from flexlock.data.hashing import digest_of
from flexlock.data.scanning import Folder

__all__ = ["HEADER", "manifest_digest", "manifest_lines"]

HEADER = b"flexlock manifest 1\n"


def manifest_lines(
    folder: Folder, sizes: Iterable[int], digests: Iterable[bytes], algorithm: str
) -> list[str]:
    """Return the lines of one folder, unsorted; sizes and digests are those of `folder.files`."""
    prefix = folder.prefix
    lines = [
        f"{prefix}{name}\0f {size} {digest.hex()}\n"
        for name, size, digest in zip(folder.files, sizes, digests, strict=True)
    ]
    digest_text = digest_of(algorithm)
    for link in folder.links:
        target = os.fsencode(link.target)
        lines.append(f"{prefix}{link.name}\0l {len(target)} {digest_text(target).hex()}\n")
    return lines


def manifest_digest(lines: Sequence[str], algorithm: str) -> str:
    """Return the digest of all lines in hexadecimal; the order in which they come is no matter.

    Lines are sorted as bytes. NUL sorts before every byte of a path, so that sorts the paths.
    """
    # Names that are not UTF-8 come as surrogates, which as text would sort in another place.
    ordered = sorted(lines) if all(map(str.isascii, lines)) else sorted(lines, key=os.fsencode)
    return digest_of(algorithm)(HEADER + os.fsencode("".join(ordered))).hex()
