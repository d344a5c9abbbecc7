"""The grammar of -o."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexlock.config.overrides import Override, read_overrides, take_overrides
from flexlock.config.scalars import parse_plain, settle
from flexlock.errors import ConfigError


def pairs(*words: str) -> list[tuple[str, object]]:
    return [(o.key, settle(o.value)) for o in read_overrides(words)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("param 10", [("param", 10)]),
        ("param=10", [("param", 10)]),
        ("a 1 b 2", [("a", 1), ("b", 2)]),
        ("a=1 b 2 c=3", [("a", 1), ("b", 2), ("c", 3)]),
        ("a -1", [("a", -1)]),
        ("a -1e-3 b -.5", [("a", -0.001), ("b", -0.5)]),
        ("a=--x", [("a", "--x")]),
        ("a=b=c", [("a", "b=c")]),
        ("a=", [("a", None)]),
        ("a - b 1", [("a", "-"), ("b", 1)]),
        ("a.b.c 1 d[0]=2 e[0].f=3", [("a.b.c", 1), ("d.0", 2), ("e.0.f", 3)]),
        ("a=[1,2] b={x:\t1}", [("a", [1, 2]), ("b", {"x": 1})]),
        ("url http://h/?q=1", [("url", "http://h/?q=1")]),
        ("path ./a=b/c", [("path", "./a=b/c")]),
        ("p ${save_dir}/x", [("p", "${save_dir}/x")]),
    ],
)
def test_words_mean(words: str, expected: list[tuple[str, object]]) -> None:
    assert pairs(*words.split(" ")) == expected


def test_plus_adds_and_tilde_deletes() -> None:
    assert [(o.action, o.key, o.value) for o in read_overrides(["+a=1", "++b", "2", "~c.d"])] == [
        ("add", "a", "1"),
        ("add", "b", "2"),
        ("delete", "c.d", None),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["param"], "Value missing for 'param'"),
        (["a", "b=1"], "Value missing for 'a'"),
        (["a", "1", "b"], "Value missing for 'b'"),
        (["=1"], "is not a parameter"),
        (["1 2"], "is not a parameter"),
        (["~a=1"], "without a value"),
        (["~~a"], "without a value"),
    ],
)
def test_what_is_not_an_override_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_overrides(words)


def test_overrides_end_at_the_next_option() -> None:
    taken, rest = take_overrides(
        ["-o", "a", "1", "--config", "f.yml", "-o", "b=2", "c", "-3", "-q", "--override=d=4"]
    )
    assert [(o.key, settle(o.value)) for o in taken] == [("a", 1), ("b", 2), ("c", -3), ("d", 4)]
    assert rest == ["--config", "f.yml", "-q"]


def test_value_may_be_glued_and_two_dashes_end_everything() -> None:
    taken, rest = take_overrides(["-oa=1", "--override", "b", "2", "--", "-o", "c"])
    assert [o.key for o in taken] == ["a", "b"]
    assert rest == ["--", "-o", "c"]


@pytest.mark.parametrize("argv", [["-o"], ["-o", "--config", "f"], ["-o", "a", "--config", "f"]])
def test_nothing_after_the_option_is_an_error(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"no parameter|Value missing"):
        take_overrides(argv)


KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}(\.[a-z0-9_]{1,4}){0,2}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(KEYS, VALUES, st.booleans())))
def test_any_keys_and_values_come_back_in_order(items: list[tuple[str, str, bool]]) -> None:
    words: list[str] = []
    expected: list[tuple[str, object]] = []
    for key, value, wants_pair in items:
        is_option = value.startswith("-") and value != "-" and isinstance(parse_plain(value), str)
        is_pair = wants_pair and not is_option and "=" not in value
        words += [key, value] if is_pair else [f"{key}={value}"]
        quoted = value.strip()[:1] in ("'", '"') and value.strip()
        expected.append((key, None if quoted else value))
    if not words:
        return
    taken, rest = take_overrides(["-x", "-o", *words, "-y"])
    assert rest == ["-x", "-y"]
    assert [o.key for o in taken] == [key for key, _ in expected]
    for override, (_, value) in zip(taken, expected, strict=True):
        assert value is None or override.value == value
    assert all(isinstance(o, Override) and o.action == "set" for o in taken)
