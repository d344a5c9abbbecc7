"""Task lists as words of Hydra, and words as one text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.launching.job import packed, unpacked
from deriva_ml.launching.words import read_words, word_of

TEXTS = st.lists(
    st.sampled_from(["${", "$", "\\", "'", '"', "{a}", "0", "1e3", "null", " ", ","])
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=9),
    max_size=4,
).map("".join)
KEYS = st.text(st.sampled_from("aZ_09 ()[]{}:=,\\/+-.$%*@?|\t"), max_size=5).map("k".__add__)
SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@given(st.lists(TEXTS))
def test_packed_words_come_back_also_through_a_configuration(words: list[str]) -> None:
    config = OmegaConf.create({"words": packed(words)})
    assert unpacked(config.words) == words


@given(SIMPLE | st.lists(SIMPLE | st.dictionaries(KEYS, SIMPLE, max_size=2), max_size=3))
def test_hydra_reads_the_value_of_a_word_back(value: Any) -> None:
    read = OverridesParser.create().parse_override(word_of("key", value)).value()
    # Resolving undoes what protects a reference.
    again = OmegaConf.to_container(OmegaConf.create({"key": read}), resolve=True)
    assert again == {"key": value}


@pytest.mark.parametrize(
    ("name", "text", "key", "expected"),
    [
        ("a.txt", "0.1\n\n# no\n1e-3\n", "lr", [["lr=0.1"], ["lr=0.001"]]),
        ("a.csv", "m,m.lr\nquick,0.5\n,2\n", None, [["m=quick", "m.lr=0.5"], ["m.lr=2"]]),
        ("a.yaml", "- {lr: 0.1, on: true}\n", "m", [["m.lr=0.1", "m.on=true"]]),
        ("a.json", json.dumps([[1, "a b"], None]), "l", [["l=[1,'a b']"], ["l=null"]]),
    ],
)
def test_a_list_of_any_kind_becomes_words(
    tmp_path: Path, name: str, text: str, key: str | None, expected: list[list[str]]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_words([str(path)], key) == expected


@pytest.mark.parametrize("key", ["it's", "1", "", None, '"'])
def test_a_key_that_hydra_does_not_read_is_refused(key: str | None) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="cannot be written as a word"):
        word_of("key", [{key: 1}])


def test_values_without_a_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1\n")
    with pytest.raises(DerivaMLConfigurationError, match="--task_to KEY"):
        read_words([str(path)], None)
