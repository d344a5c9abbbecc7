"""Text is read by YAML 1.2 core, the same at every door."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flexlock.config.scalars import PlainText, parse_scalar, read_text
from flexlock.config.yaml_text import load_yaml
from flexlock.errors import ConfigError
from flexlock.lock.yamlfile import dump, to_data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("+3", 3),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("183_3", "183_3"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("# c", "# c"),
        ("a: b", "a: b"),
        ("*.csv", "*.csv"),
        ("'tis", "'tis"),
        ('"a" b', '"a" b'),
        ("'1'", "1"),
        ('"a\\nb"', "a\nb"),
        ("[1, 1e-3, no, '2', ~]", [1, 0.001, "no", "2", None]),
        ("{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
        ("[]", []),
        ("${other}", "${other}"),
    ],
)
def test_text_stands_for(text: str, value: Any) -> None:
    parsed = parse_scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_scalar(".nan"))


def test_digits_beyond_what_the_interpreter_converts_are_a_name() -> None:
    assert parse_scalar("9" * 5_000) == "9" * 5_000


@pytest.mark.parametrize(
    ("text", "words"),
    [("[1", "does not end"), ("{a: 1", "does not end"), ("{a:1}", "space after the colon")],
)
def test_what_cannot_be_read_says_why(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_scalar(text)


def written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and math.isinf(value):
        return "-.inf" if value < 0 else ".inf"
    return repr(value)


@given(st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False))
def test_numbers_truth_and_null_are_read_back(value: Any) -> None:
    parsed = parse_scalar(written(value))
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.text())
def test_quotes_force_any_text(text: str) -> None:
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).strip()
    assert parse_scalar(quoted) == text


@given(st.text().filter(lambda text: text.strip()[:1] not in ("[", "{", '"', "'")))
def test_text_is_itself_or_a_value(text: str) -> None:
    parsed = parse_scalar(text)
    assert parsed == text or not isinstance(parsed, str)


@given(st.from_regex(r"[A-Za-z_][A-Za-z_]*[0-9:_-][A-Za-z0-9:_-]*", fullmatch=True))
def test_identifiers_stay_text(text: str) -> None:
    assert parse_scalar(text) == text


def test_undecided_text_keeps_its_letters() -> None:
    assert read_text("007") == "007"
    assert isinstance(read_text("007"), PlainText)
    assert type(read_text("'007'")) is str


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_run_sheets_are_read_back_by_us_and_by_yaml_1_1(tree: Any) -> None:
    text = dump(tree)
    assert load_yaml(text) == tree
    assert yaml.safe_load(text) == tree


class TestYamlFiles:
    def test_scalars_are_those_of_the_command_line(self) -> None:
        text = "a: no\nb: 1e-3\nc: 010\nd: 2024-01-01\ne: !!str 5\nf: '5'\ng:\n"
        assert load_yaml(text) == {
            "a": "no", "b": 0.001, "c": 10, "d": "2024-01-01", "e": "5", "f": "5", "g": None,
        }  # fmt: skip

    def test_merge_keys_work_and_own_keys_win(self) -> None:
        text = "a: &a {x: 1, y: 1}\nb: &b\n  <<: *a\n  y: 2\nc: {<<: *b, z: 3}\n"
        assert load_yaml(text)["b"] == {"x": 1, "y": 2}
        assert load_yaml(text)["c"] == {"x": 1, "y": 2, "z": 3}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: 1\na: 2\n", "line 2.*'a' is given twice"),
            ("a: [1\n", r"f\.yml, line"),
            ("a: !!python/object:os.system x\n", "line 1"),
            ("? [a]\n: 1\n", "cannot be a key"),
            ("a: 1\n---\nb: 2\n", "another document"),
        ],
    )
    def test_mistakes_are_named_with_their_line(self, text: str, words: str) -> None:
        with pytest.raises(ConfigError, match=words):
            load_yaml(text, where="f.yml")

    def test_values_that_yaml_does_not_have_are_text(self) -> None:
        assert load_yaml(dump(to_data({"a": 1j}, lambda place: None))) == {"a": "1j"}
