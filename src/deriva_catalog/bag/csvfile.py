"""Reading CSV exactly: an empty field is NULL, a quoted empty field is the empty text.

Python's own reader cannot tell the two apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import Corrupted

_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')
Record = list[str | None]


def read_records(file: Path) -> Iterator[tuple[int, Record]]:
    """Yield (number of the line it starts on, fields) for each record, the header included.

    Lines end in LF or CR LF. A line without any character is skipped.

    Raises:
        Corrupted: A quote is missing or misplaced, or the text is not UTF-8.
    """
    number = 1
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as lines:
            for line in lines:
                start, text = number, line
                number += 1
                if '"' not in line:  # nearly every line
                    if plain := line.removesuffix("\n").removesuffix("\r"):
                        yield start, [field or None for field in plain.split(",")]
                    continue
                while text.count('"') % 2:
                    more = next(lines, "")
                    if not more:
                        raise _malformed(file, start, "a quoted field has no end")
                    text += more
                    number += 1
                text = text.removesuffix("\n").removesuffix("\r")
                if text:
                    yield start, _fields(text, file, start)
    except UnicodeDecodeError as error:
        raise Corrupted(f"{str(file)!r} is not in UTF-8 after line {number}.") from error


def _fields(text: str, file: Path, line: int) -> Record:
    fields: Record = []
    position = 0
    while True:
        found = _FIELD.match(text, position)
        if found is None:
            raise _malformed(file, line, f"the quotes of field {len(fields) + 1} are misplaced")
        quoted, plain, end = found.groups()
        fields.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        if not end:
            return fields
        position = found.end()


def _malformed(file: Path, line: int, problem: str) -> Corrupted:
    return Corrupted(
        f"{str(file)!r} is no CSV: in the record of line {line}, {problem}.",
        hint="Get the bag again from where it was made.",
    )
