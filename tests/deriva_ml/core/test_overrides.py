"""The words of the command line."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.core.overrides import check_words, expand_multirun, key_of, quoted, says
from deriva_ml.execution import multirun

KNOWN = ["--multirun", "model_config=quick", "model_config=", "+multirun=lr_sweep"]


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multirun, "_registry", {})
    multirun.multirun_config(
        "lr_sweep", ["model_config=quick", "model_config.lr=0.1,0.01"], "# Rates\n\nIt's 'big'."
    )


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_quoted_text_is_read_back_by_hydra(text: str) -> None:
    parsed = OverridesParser.create().parse_override(f"description={quoted(text)}")
    assert str(parsed.value()).replace("\\$", "$") == text


@pytest.mark.parametrize(
    "word",
    ["a=1", "+a=b", "++a.b=c", "~a", "~a=b", "a@b=c", "a=", "a=b c", "hydra/launcher=x", "a.0.b=1"],
)
def test_overrides_are_understood(word: str) -> None:
    assert check_words([word], KNOWN) == []


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("quick", "model_config=quick"),
        ("quik", "model_config=quick"),
        ("--mutirun", "--multirun"),
        ("lr_sweep", "+multirun=lr_sweep"),
        ("model_config", "model_config="),
        ("+a", "key=value"),
        ("42", "key=value"),
    ],
)
def test_other_words_are_answered_with_what_was_meant(word: str, meant: str) -> None:
    (message,) = check_words([word], KNOWN)
    assert repr(word) in message
    assert meant in message


def test_key_of_an_override() -> None:
    assert [key_of(o) for o in ("a.b=1", "+a=b=c", "~a")] == ["a.b", "a", "a"]


def test_last_override_decides() -> None:
    assert says(["dry_run=True"], "dry_run", "true")
    assert not says(["dry_run=True", "dry_run=False"], "dry_run", "true")
    assert not says([], "dry_run", "true")


@pytest.mark.usefixtures("sweep")
def test_named_sweep_becomes_its_overrides_and_given_ones_win() -> None:
    words, swept = expand_multirun(["+multirun=lr_sweep", "model_config=long", "seed=1"])
    assert swept
    assert words[0] == "model_config.lr=0.1,0.01"
    assert words[-2:] == ["model_config=long", "seed=1"]
    assert not any(w == "model_config=quick" for w in words)


@pytest.mark.usefixtures("sweep")
def test_text_of_a_sweep_reaches_hydra_as_it_is() -> None:
    words, _ = expand_multirun(["+multirun=lr_sweep"])
    parsed = OverridesParser.create().parse_overrides(words)
    assert parsed[-1].value() == "# Rates\n\nIt's 'big'."
    assert not parsed[-1].is_sweep_override()


@pytest.mark.usefixtures("sweep")
def test_unknown_sweep_is_an_error() -> None:
    with pytest.raises(DerivaMLConfigurationError, match="Did you mean 'lr_sweep'"):
        expand_multirun(["+multirun=lr_swep"])


def test_without_a_sweep_the_words_stay() -> None:
    assert expand_multirun(["a=1"]) == (["a=1"], False)
