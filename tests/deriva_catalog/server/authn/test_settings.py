"""The settings of logins."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_catalog.errors import BadRequest, NotFound
from deriva_catalog.server.authn.settings import AuthnSettings, ProviderSettings, read_settings


def write(home: Path, text: str) -> None:
    (home / "authn.toml").write_text(text)


@pytest.fixture(autouse=True)
def no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DERIVA_OIDC_CLIENT_SECRET", raising=False)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == AuthnSettings()
    trusted = read_settings(tmp_path, ("https://chaise.example",)).trusted_origins
    assert trusted == ("https://chaise.example",)


def test_globus_needs_an_id_and_a_secret(tmp_path: Path) -> None:
    (tmp_path / "globus.secret").write_text("hidden\n")
    write(
        tmp_path,
        """
session_hours = 8
public_url = "https://lab.example"
trusted_origins = ["https://a.example"]
[provider]
preset = "globus"
client_id = "abc"
client_secret_file = "globus.secret"
native_client_id = "def"
""",
    )
    found = read_settings(tmp_path, ("https://b.example",))
    assert found.session_seconds == 8 * 3600
    assert found.trusted_origins == ("https://a.example", "https://b.example")
    provider = found.provider
    assert provider is not None
    assert (provider.issuer, provider.name) == ("https://auth.globus.org", "Globus")
    assert provider.client_secret == "hidden"
    assert "hidden" not in repr(found)
    assert provider.accepted_audiences == {"abc", "def"}


def test_the_environment_has_the_secret_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_OIDC_CLIENT_SECRET", "from the environment")
    provider = '[provider]\nissuer = "https://idp.example"\nclient_id = "a"\n'
    write(tmp_path, provider + 'client_secret = "in the file"\naudiences = ["api"]')
    found = read_settings(tmp_path).provider
    assert found is not None
    assert found.client_secret == "from the environment"
    assert found.accepted_audiences == {"api"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("session_hours = ", "no TOML"),
        ("sesion_hours = 3", "no setting 'sesion_hours'"),
        ("session_hours = 0", "cannot be 0"),
        ("session_hours = true", "cannot be True"),
        ("local_accounts = 1", "cannot be 1"),
        ('trusted_origins = "x"', "cannot be 'x'"),
        ("limits = 3", "no setting 'limits'"),
        ("provider = 3", "no table"),
        ("[provider]", "no issuer and no client_id"),
        ('[provider]\npreset = "other"', "no preset"),
        ('[provider]\npreset = "globus"', "no client_id"),
        ('[provider]\npreset = "globus"\nclient = "x"', "no setting 'client'"),
        ('[provider]\nissuer = "http://idp.example"\nclient_id = "a"', "https"),
        ('[provider]\npreset = "globus"\nclient_id = "a"\nbearer = "trust"', "bearer token"),
    ],
)
def test_what_cannot_be_set_is_refused(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)
    with pytest.raises(BadRequest, match=told):
        read_settings(tmp_path)


def test_a_file_of_a_secret_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = '[provider]\npreset = "globus"\nclient_id = "a"\nclient_secret_file = "none"'
    write(tmp_path, text)
    with pytest.raises(NotFound, match="none"):
        read_settings(tmp_path)


def test_a_provider_on_this_machine_needs_no_tls() -> None:
    assert ProviderSettings("http://localhost:9000", "a").client_secret is None
