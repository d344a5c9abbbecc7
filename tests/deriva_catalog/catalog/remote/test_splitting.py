"""Questions that are too long for a URL, asked in parts."""

from __future__ import annotations

import pytest

from deriva_catalog.catalog.remote.splitting import split_path, split_query
from deriva_catalog.errors import BadRequest
from deriva_catalog.path.ast import EntityQuery, Query
from deriva_catalog.path.parser import parse_path, parse_query
from deriva_catalog.path.printer import print_path, print_query

MANY = ",".join(f"v{n:03}" for n in range(200))


def parts(text: str, longest: int = 200) -> tuple[Query, ...]:
    return split_query(parse_query(text).query, longest).queries


def values_of(texts: list[str]) -> list[str]:
    return [v for text in texts for v in text.partition("any(")[2].partition(")")[0].split(",")]


@pytest.mark.parametrize(
    "text",
    [
        f"entity/S:T/c=any({MANY})",
        f"entity/S:T/d=1/c=any({MANY})@sort(c)",
        f"entity/T:=S:T/U:=(x)=(S:U:y)/$T/c=any({MANY})",
        f"entity/T:=S:T/U:=(x)=(S:U:y)/U:c=any({MANY})",
        f"entity/T:=S:T/T:c=any({MANY})/U:=(x)=(S:U:y)",
        f"attribute/S:T/c=any({MANY})/c,d",
        f"attributegroup/S:T/c=any({MANY})/d",
    ],
)
def test_parts_are_short_and_have_every_value_once(text: str) -> None:
    printed = [print_query(part) for part in parts(text)]
    assert all(len(part) <= 200 for part in printed)
    assert values_of(printed) == MANY.split(",")


def test_repeated_values_are_asked_for_once() -> None:
    again = f"entity/S:T/c=any({MANY},{MANY})"
    assert values_of([print_query(p) for p in parts(again)]) == MANY.split(",")


def test_rows_of_joined_lists_may_come_twice() -> None:
    joined = parse_query(f"entity/T:=S:T/U:=(x)=(S:U:y)/c=any({MANY})/$T").query
    assert not split_query(joined, 200).is_context
    own = parse_query(f"entity/T:=S:T/c=any({MANY})").query
    assert split_query(own, 200).is_context


@pytest.mark.parametrize(
    "text",
    [
        f"entity/S:T/!c=any({MANY})",
        f"entity/S:T/c=all({MANY})",
        f"entity/S:T/c=any({MANY});d=1",
        f"entity/S:T/c::gt::any({MANY})",
        f"aggregate/S:T/c=any({MANY})/n:=cnt(*)",
        f"attributegroup/S:T/c=any({MANY})/d;n:=cnt(*)",
        f"attribute/T:=S:T/U:=(x)=(S:U:y)/c=any({MANY})/$T/c",
        f"entity/S:T/c=any({'x' * 300})",
    ],
)
def test_what_has_no_parts_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="cannot be asked in parts"):
        parts(text)


def test_paths_are_divided_by_their_own_rows_only() -> None:
    divided = list(split_path(parse_path(f"S:T/c=any({MANY})"), 200))
    assert values_of([print_path(part) for part in divided]) == MANY.split(",")
    assert all(len(print_query(EntityQuery(part))) <= 200 for part in divided)
    with pytest.raises(BadRequest):
        list(split_path(parse_path(f"T:=S:T/U:=(x)=(S:U:y)/c=any({MANY})/$T"), 200))
