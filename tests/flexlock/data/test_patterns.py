"""Which relative paths the patterns mean."""

from __future__ import annotations

import pytest

from flexlock.data.patterns import chooser

CASES = [
    ("*.csv", "a.csv", True),
    ("*.csv", "x/y/a.csv", True),
    ("*.csv", "a.csv.gz", False),
    ("x/*.csv", "x/a.csv", True),
    ("x/*.csv", "x/y/a.csv", False),
    ("x/**", "x/y/a.csv", True),
    ("x/**/a.csv", "x/a.csv", True),
    ("x/**/a.csv", "x/y/z/a.csv", True),
    ("/a.csv", "a.csv", True),
    ("/a.csv", "x/a.csv", False),
    ("raw/", "raw/a", True),
    ("raw/", "x/raw/a", True),
    ("raw", "raw/a", True),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("[ab].txt", "b.txt", True),
    ("[!ab].txt", "b.txt", False),
    ("[!ab].txt", "c.txt", True),
    ("a.b", "axb", False),
    ("with space+(1)", "with space+(1)", True),
    ("*", "new\nline", True),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), CASES)
def test_pattern(pattern: str, path: str, matches: bool) -> None:
    chosen = chooser([pattern])
    assert chosen is not None
    assert chosen(path) is matches


def test_any_of_several_patterns_is_enough() -> None:
    chosen = chooser(["*.a", "*.b"])
    assert chosen is not None
    assert [chosen(p) for p in ("x.a", "x.b", "x.c")] == [True, True, False]
    assert chooser([]) is None
