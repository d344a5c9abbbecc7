"""The table of the object protocol names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
HERE = TESTS / "deriva_catalog" / "server" / "hatrac"
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_each_test_that_is_named_is_there() -> None:
    text = (TESTS.parent / "docs" / "catalog" / "hatrac.md").read_text()
    found = NAMED.findall(text)
    assert len(found) > 40
    for file, name in found:
        if not file.rpartition("/")[2].startswith("test_"):
            continue
        path = TESTS / file if "/" in file else HERE / file
        assert path.is_file(), file
        assert not name or f"def {name}(" in path.read_text(), name
