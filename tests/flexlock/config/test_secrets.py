"""Secrets do not show, and equal secrets can still be told to be equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from flexlock.config import mask_secrets, mask_text, mask_words, secret_values
from flexlock.config.secrets import shown

CANARY = "hunter2-canary"
SOURCES = str(Path(__file__).parents[3] / "src")


@pytest.mark.parametrize(
    "key",
    [
        "password", "db_password", "PASSWORD", "secret", "client_secret", "token", "api_token",
        "access_tokens", "key", "api_key", "aws_credential", "credentials",
    ],
)  # fmt: skip
def test_text_under_a_secret_key_is_masked_at_any_depth(key: str) -> None:
    tree = {"a": [{key: CANARY}], key: {"inner": [CANARY, {"more": CANARY}]}, "b": ("x", CANARY)}
    text = json.dumps(mask_secrets(tree))
    assert CANARY not in text
    assert text.count("***") == 4


def test_parts_of_other_values_and_command_lines_are_masked() -> None:
    masked = mask_secrets(
        {"password": CANARY, "url": f"http://u:{CANARY}@h", "argv": ["-o", f"password={CANARY}"]}
    )
    assert CANARY not in str(masked)
    assert masked["url"].startswith("http://u:***")
    assert masked["argv"][1].startswith("password=***")


def test_what_is_no_secret_stays_readable() -> None:
    tree = {
        "max_tokens": 512, "tokenizer": "bert", "keys": "a", "monkey_name": "x", "use_token": True,
        "password": None, "token": "", "n": 1, "api_key": "${oc.env:API_KEY}",
    }  # fmt: skip
    assert mask_secrets(tree) == tree


def test_numbers_are_masked_where_only_a_secret_can_be_meant() -> None:
    assert mask_secrets({"password": 1234})["password"].startswith("***")


def test_secret_types_are_masked_under_any_name() -> None:
    tree = {"pw": pydantic.SecretStr(CANARY), "note": f"it is {CANARY}"}
    masked = mask_secrets(tree)
    assert CANARY not in str(masked)
    assert masked["pw"].startswith("***")
    assert secret_values(tree) == {CANARY}


def test_short_secrets_are_found_where_they_stand_alone() -> None:
    tree = {"password": "test", "path": "tests/latest.csv", "url": "http://u:test@h"}
    masked = mask_secrets(tree)
    assert masked["path"] == "tests/latest.csv"
    assert "test" not in masked["url"]
    assert mask_secrets({"password": "pw", "a": "pwd", "b": "pw"})["a"] == "pwd"
    assert mask_secrets({"password": "pw", "b": "pw"})["b"].startswith("***")


def test_names_under_a_key_do_not_hide_others() -> None:
    masked = mask_secrets({"sort_key": "date", "column": "date", "file": "update.csv"})
    assert masked["sort_key"].startswith("***")
    assert (masked["column"], masked["file"]) == ("date", "update.csv")


def test_words_of_a_command_line() -> None:
    words = ("process.py", "-o", "db.api_key", "word", "token=other", "n", "3", "--key=x", "-q")
    masked = mask_words(words)
    assert masked[3].startswith("***")
    assert masked[4].startswith("token=***")
    assert masked[7].startswith("--key=***")
    assert [masked[n] for n in (0, 1, 2, 5, 6, 8)] == [words[n] for n in (0, 1, 2, 5, 6, 8)]
    assert mask_words(("-o", "a", f"x{CANARY}"), frozenset({CANARY}))[2].startswith("x***")


def test_words_below_a_secret_name_and_after_an_option() -> None:
    words = ("a.credential.cookie=x", "+b.hf_token=y", "--token", "z", "--password", "1234")
    masked = mask_words(words)
    assert masked[0].startswith("a.credential.cookie=***")
    assert masked[1].startswith("+b.hf_token=***")
    assert masked[3].startswith("***")
    assert masked[5].startswith("***")
    kept = (
        "m.max_tokens=512",
        "use_token=true",
        "token=${t}",
        "--token",
        "--verbose",
        "tokenizer=x",
    )
    assert mask_words(kept) == kept
    assert mask_words(masked) == masked


def test_masking_twice_changes_nothing() -> None:
    once = mask_secrets({"password": CANARY})
    assert mask_secrets(once) == once


def test_error_messages_show_other_values_only() -> None:
    assert shown("db.password", CANARY) == "***"
    assert shown("db.name", "x") == "'x'"
    assert mask_text(f"bad {CANARY}", frozenset({CANARY})).startswith("bad ***")


def test_equal_secrets_have_equal_masks_in_other_processes_of_this_user(tmp_path: Path) -> None:
    code = "from flexlock.config import mask_secrets; print(mask_secrets({'token': 'abcdef'}))"
    seen = set()
    for home in ("one", "one", "two"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": SOURCES, "XDG_CONFIG_HOME": str(tmp_path / home)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 2
    key = tmp_path / "one" / "flexlock" / "mask.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_home_that_cannot_be_written_masks_without_a_hash(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code = "from flexlock.config import mask_secrets; print(mask_secrets({'token': 'abcdef'}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": SOURCES, "XDG_CONFIG_HOME": str(tmp_path / "file")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "{'token': '***'}\n"
