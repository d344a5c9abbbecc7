"""Options that say who asks, as the commands that connect take them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deriva_catalog.catalog.credentials import credential_for, keep_credential
from deriva_ml.cli.connection_options import use_identity
from deriva_ml.cli.run_options import parser
from deriva_ml.core.exceptions import DerivaMLConfigurationError


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget who asks, before and after."""
    for name in ("DERIVA_TOKEN", "DERIVA_HOST", "DERIVA_CREDENTIAL_FILE"):
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(tmp_path)


def use(*words: str) -> None:
    use_identity(parser().parse_args(words))


@pytest.mark.parametrize("option", ["--token", "--oauth2-token"])
def test_a_token_is_for_the_host_of_the_command(option: str) -> None:
    use("--host", "https://data.example.org", option, "deriva_t_1")
    assert credential_for("data.example.org") == {"bearer-token": "deriva_t_1"}
    assert credential_for("other.example.org") is None


def test_a_token_alone_is_for_the_host_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_HOST", "data.example.org")
    use("--token", "deriva_t_1")
    assert credential_for("data.example.org") == {"bearer-token": "deriva_t_1"}


def test_a_credential_file_is_found_also_from_other_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_credential("data.example.org", {"bearer-token": "kept"}, file=tmp_path / "mine.json")
    use("--credential-file", "mine.json")
    monkeypatch.chdir("/")
    assert credential_for("data.example.org") == {"bearer-token": "kept"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token", "t"], "add --host H"),
        (["--token", "", "--host", "data.example.org"], "--token is empty"),
        (["--token", "t", "--host", "localhost"], "'localhost' is a catalog of this machine"),
        (["--credential-file", "no.json"], "no credential file 'no.json'"),
    ],
)
def test_what_would_be_of_no_use_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(DerivaMLConfigurationError, match=said):
        use(*words)
    assert not os.environ["DERIVA_TOKEN"]
