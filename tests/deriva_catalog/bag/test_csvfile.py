"""CSV is read exactly: NULL and the empty text stay apart."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_catalog.bag.csvfile import read_batches, read_records
from deriva_catalog.errors import Corrupted

ALPHABET = st.sampled_from('ab",\n\r \u2028é')
FIELDS = st.none() | st.text(ALPHABET, max_size=6)
# Python leaves a CR unquoted, even where it then looks like the end of a line.
FULL = st.text(st.sampled_from('ab",\n \u2028é'), min_size=1, max_size=6)


def written(rows: list[list[str | None]]) -> str:
    def field(value: str | None) -> str:
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    return "".join(",".join(field(value) for value in row) + "\n" for row in rows)


@settings(max_examples=60)
@given(st.lists(st.lists(FIELDS, min_size=2, max_size=4), max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str | None]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    file.write_bytes(written(rows).encode())
    assert [record for _, record in read_records(file)] == rows


@settings(max_examples=60)
@given(st.lists(st.lists(FULL, min_size=2, max_size=4), max_size=5))
def test_what_python_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)
    assert [record for _, record in read_records(file)] == rows


def test_empty_and_null_differ(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b'\xef\xbb\xbfa,b,c\r\n,"",x\r\n\r\n"","",\r\n,,')
    assert [record for _, record in read_records(file)] == [
        ["a", "b", "c"],
        [None, "", "x"],
        ["", "", None],
        [None, None, None],
    ]


def test_long_fields_are_read(tmp_path: Path) -> None:
    file, long = tmp_path / "x.csv", "a, " * csv.field_size_limit()
    file.write_text(f'a,b\n"{long}",\n1,"2"\n')
    assert list(read_records(file)) == [(1, ["a", "b"]), (2, [long, None]), (3, ["1", "2"])]


def test_lines_are_numbered_through_fields_of_many_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('a,b\n"1\n2\n3",x\ny,z\n')
    assert [line for line, _ in read_records(file)] == [1, 2, 5]


@pytest.mark.parametrize("text", ['"a', 'a"b",c', '"a"b,c', '"a" ,c'])
def test_misplaced_quotes_are_told_with_their_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"x,y\n{text}\n")
    with pytest.raises(Corrupted, match="line 2"):
        list(read_records(file))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xff\xff")
    with pytest.raises(Corrupted, match="UTF-8"):
        list(read_records(file))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(FIELDS, FIELDS), max_size=12),
    st.integers(1, 4),
    st.booleans(),
)
def test_batches_of_any_size_give_the_same_records(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str | None, str | None]],
    size: int,
    plain: bool,
) -> None:
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    given_rows = [[a, b] for a, b in rows]
    if plain:  # only what needs no quotes
        keep = str.maketrans("", "", '",\n\r')
        given_rows = [[(v and v.translate(keep)) or None for v in row] for row in given_rows]
        file.write_text("".join(f"{a or ''},{b or ''}\n" for a, b in given_rows), newline="")
    else:
        file.write_bytes(written(given_rows).encode())
    found: list[list[str | None]] = []
    for batch in read_batches(file, size):
        assert len(batch.lines) == len(batch.records)
        found += [[v if batch.exact else v or None for v in record] for record in batch.records]
    assert found == given_rows
