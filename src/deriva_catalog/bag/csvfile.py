"""Reading CSV exactly: an empty field is NULL, a quoted empty field is the empty text.

Python's own reader cannot tell the two apart.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import Corrupted

_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')
_WELL_QUOTED = re.compile(r'(?:"[^"]*"|[^",\n]*)(?:[,\n](?:"[^"]*"|[^",\n]*))*')
_BATCH = 10_000
Record = list[str | None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a file.

    Attributes:
        lines: The number of the line that each starts on.
        records: Their fields.
        exact: Whether NULL is None in them; if not, it is the empty text, which there is none of.
    """

    lines: Sequence[int]
    records: Sequence[Sequence[str | None]]
    exact: bool


def read_records(file: Path) -> Iterator[tuple[int, Record]]:
    """Yield (number of the line it starts on, fields) for each record, the header included.

    Lines end in LF or CR LF. A line without any character is skipped.

    Raises:
        Corrupted: A quote is missing or misplaced, or the text is not UTF-8.
    """
    for batch in read_batches(file):
        for line, record in zip(batch.lines, batch.records, strict=True):
            yield line, list(record) if batch.exact else [field or None for field in record]


def read_batches(file: Path, size: int = _BATCH) -> Iterator[Batch]:
    """Yield the records of a file, about `size` at a time; see `read_records`.

    The header, which is the first record, comes alone.
    """
    number, count = 1, 1
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as lines:
            while block := list(islice(lines, count)):
                text = "".join(block)
                while text.count('"') % 2:
                    more = next(lines, "")
                    if not more:
                        break
                    block.append(more)
                    text += more
                batch = _batch(block, text, file, number)
                if batch.records:
                    yield batch
                    count = size
                number += len(block)
    except UnicodeDecodeError as error:
        raise Corrupted(f"{str(file)!r} is not in UTF-8 after line {number}.") from error


def _batch(block: list[str], text: str, file: Path, start: int) -> Batch:
    """The records in whole lines, read in the fastest way that is exact for them."""
    if '"' not in text and "\r" not in text and "\n" not in block and text.endswith("\n"):
        records = [line.split(",") for line in text[:-1].split("\n")]
        return Batch(range(start, start + len(block)), records, exact=False)
    if '""' not in text and "\r" not in text and _WELL_QUOTED.fullmatch(text):
        with suppress(csv.Error):  # it refuses long fields
            return _by_library(block, start)
    found = list(_exactly(block, file, start))
    return Batch([line for line, _ in found], [record for _, record in found], exact=True)


def _by_library(block: list[str], start: int) -> Batch:
    """Records of lines without doubled quotes: there Python's reader loses nothing."""
    reader = csv.reader(block)
    lines, records, before = [], [], 0
    for record in reader:
        if record:
            lines.append(start + before)
            records.append(record)
        before = reader.line_num
    return Batch(lines, records, exact=False)


def _exactly(block: list[str], file: Path, start: int) -> Iterator[tuple[int, Record]]:
    """Records field by field."""
    lines = iter(block)
    number = start
    for line in lines:
        first, text = number, line
        number += 1
        while text.count('"') % 2:
            more = next(lines, "")
            if not more:
                raise _malformed(file, first, "a quoted field has no end")
            text += more
            number += 1
        text = text.removesuffix("\n").removesuffix("\r")
        if text:
            yield first, _fields(text, file, first)


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
