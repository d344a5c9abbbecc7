"""What can be set about logins: ``authn.toml`` beside the catalogs.

::

    session_hours = 24
    public_url = "https://catalog.example.org"

    [provider]
    preset = "globus"
    client_id = "..."
    client_secret_file = "globus.secret"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import BadRequest, NotFound, Unavailable
from .limits import Limits

__all__ = ["FILE", "SECRET_VARIABLE", "AuthnSettings", "ProviderSettings", "read_settings"]

FILE = "authn.toml"
SECRET_VARIABLE = "DERIVA_OIDC_CLIENT_SECRET"
_HOUR = 3600.0
_DAY = 24 * _HOUR
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID Connect provider that people log in with.

    Attributes:
        issuer: Its URL, from which everything else is discovered.
        client_id: What this service is called there ...
        client_secret: ... and what proves it; None for a public client.
        name: What people call it.
        scopes: What is asked for at a login.
        groups_claim: The claim that lists a person's groups: texts, or objects with ``id`` and
            ``name``.
        groups_url: Where the groups are asked for instead; a list of such objects.
        groups_scope: The scope of the token for `groups_url`; it is looked for among the
            ``other_tokens`` of the provider's answer.
        dependent_tokens: Whether a token for `groups_url` is had for a bearer token by Globus'
            grant of dependent tokens.
        identities_claim: The claim that lists linked identities: objects with ``sub``.
        native_client_id: The public client that command lines log in as; None: they cannot.
        native_scopes: What command lines ask for.
        audiences: Whom a bearer token must be meant for; default: `client_id` and
            `native_client_id`.
        bearer: How a bearer token is checked. ``introspection`` asks the provider for whom it
            is; ``userinfo`` takes each token of the provider, whichever service it was given
            to; ``off`` takes none.
        introspection_include: What else an introspection is asked for, as Globus has it.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    name: str = "OpenID Connect"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str | None = "groups"
    groups_url: str | None = None
    groups_scope: str | None = None
    dependent_tokens: bool = False
    identities_claim: str | None = "identity_set"
    native_client_id: str | None = None
    native_scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    audiences: tuple[str, ...] = ()
    bearer: str = "introspection"
    introspection_include: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise BadRequest(
                f"The issuer {self.issuer!r} is not reached by https.",
                hint="Only a provider on this machine may be.",
            )
        if self.bearer not in ("introspection", "userinfo", "off"):
            raise BadRequest(
                f"A bearer token cannot be checked by {self.bearer!r}.",
                hint="Write 'introspection', 'userinfo' or 'off'.",
            )

    @property
    def accepted_audiences(self) -> frozenset[str]:
        """Whom a bearer token may be meant for."""
        own = (self.client_id, self.native_client_id)
        return frozenset(self.audiences or [name for name in own if name])


_GLOBUS_GROUPS = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships"
_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "globus": {
        "issuer": "https://auth.globus.org",
        "name": "Globus",
        "scopes": (
            "openid",
            "profile",
            "email",
            "urn:globus:auth:scope:auth.globus.org:view_identity_set",
            _GLOBUS_GROUPS,
        ),
        "groups_claim": None,
        "groups_url": "https://groups.api.globus.org/v2/groups/my_groups",
        "groups_scope": _GLOBUS_GROUPS,
        "dependent_tokens": True,
        "introspection_include": "identity_set",
    }
}


@dataclass(frozen=True, slots=True)
class AuthnSettings:
    """The settings of logins.

    Attributes:
        session_hours: How long a session lasts after it was last used.
        longest_session_days: How long it lasts at most.
        longest_token_days: How long an access token lasts at most.
        token_days: How long it lasts when nothing is said.
        memory_seconds: How long a process may use what it looked up about a session or token;
            so long may one that was ended in another process go on.
        bearer_seconds: The same for a bearer token of the provider.
        local_accounts: Whether accounts with passwords of this service can log in.
        public_url: What people call this service, such as ``https://catalog.example.org``, when
            a proxy in front of it changes the host name; default: the ``Host`` of the request.
        trusted_origins: Other origins whose pages may change things with a person's cookie.
        limits: How often a login may fail.
        provider: Who else logs people in.
    """

    session_hours: float = 24.0
    longest_session_days: float = 30.0
    longest_token_days: float = 366.0
    token_days: float = 90.0
    memory_seconds: float = 5.0
    bearer_seconds: float = 60.0
    local_accounts: bool = True
    public_url: str | None = None
    trusted_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    provider: ProviderSettings | None = None

    @property
    def session_seconds(self) -> float:
        """How long a session lasts after it was last used."""
        return self.session_hours * _HOUR

    @property
    def longest_session_seconds(self) -> float:
        """How long a session lasts at most."""
        return self.longest_session_days * _DAY


def read_settings(home: Path, origins: tuple[str, ...] = ()) -> AuthnSettings:
    """The settings in ``authn.toml`` of a home, if it is there.

    Pages of `origins` are trusted besides those that the file names. The provider's secret may
    stand in a file of its own (``client_secret_file``, beside this one), or in the environment as
    ``DERIVA_OIDC_CLIENT_SECRET``.

    Raises:
        NotFound: the file of the secret is not there.
        BadRequest: it has settings that are unknown or cannot be used.
        Unavailable: it cannot be read.
    """
    place = home / FILE
    if not place.exists():
        return AuthnSettings(trusted_origins=origins)
    try:
        found = tomllib.loads(_text(place))
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"The settings in {str(place)!r} are no TOML: {error}.") from error
    given = found.pop("provider", None)
    known = {f.name for f in fields(AuthnSettings)} - {"limits", "provider"}
    checked = _checked(found, known, AuthnSettings, str(place))
    trusted = (*checked.pop("trusted_origins", ()), *origins)
    settings = AuthnSettings(**checked, trusted_origins=trusted)
    if given is None:
        return settings
    return replace(settings, provider=_provider(given, place))


def _provider(given: Any, place: Path) -> ProviderSettings:
    if not isinstance(given, dict):
        raise BadRequest(f"[provider] in {str(place)!r} is no table.")
    values = dict(given)
    preset = values.pop("preset", None)
    if preset is not None and preset not in _PRESETS:
        raise BadRequest(
            f"There is no preset {preset!r}.", hint=f"There are {', '.join(_PRESETS)}."
        )
    secret_file = values.pop("client_secret_file", None)
    known = {f.name for f in fields(ProviderSettings)}
    checked = _checked(values, known, ProviderSettings, f"[provider] of {place}")
    secret = os.environ.get(SECRET_VARIABLE) or checked.pop("client_secret", None)
    if secret_file is not None:
        secret = secret or _text(place.parent / str(secret_file)).strip()
    values = {**(_PRESETS[preset] if preset else {}), **checked, "client_secret": secret}
    missing = [name for name in ("issuer", "client_id") if not values.get(name)]
    if missing:
        raise BadRequest(f"[provider] in {str(place)!r} has no {' and no '.join(missing)}.")
    return ProviderSettings(**values)


def _checked(given: Mapping[str, Any], known: set[str], kind: type, where: str) -> dict[str, Any]:
    """The values of known settings, with lists as tuples.

    Raises:
        BadRequest: one is unknown, or of the wrong type.
    """
    unknown = sorted(set(given) - known)
    if unknown:
        raise BadRequest(
            f"There is no setting {unknown[0]!r} ({where}).",
            hint=f"There are {', '.join(sorted(known))}.",
        )
    types = {f.name: str(f.type) for f in fields(kind)}
    checked = {}
    for name, value in given.items():
        if not _fits(value, types[name]):
            raise BadRequest(f"The setting {name!r} ({where}) cannot be {value!r}.")
        checked[name] = tuple(value) if isinstance(value, list) else value
    return checked


def _fits(value: Any, declared: str) -> bool:
    if declared == "bool":
        return isinstance(value, bool)
    if declared == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    if declared.startswith("tuple"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {str(place)!r}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"The file {str(place)!r} cannot be read: {error}.") from error
