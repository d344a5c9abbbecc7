"""Who sends a request: the sessions, tokens and bearer tokens of a service."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...access import ANONYMOUS, Client
from ...errors import Forbidden, Unavailable
from . import logins
from .accounts import check_password, ensure_client
from .headers import credential_in
from .limits import forgive, seconds_to_wait
from .logins import Session
from .memory import ShortMemory
from .passwords import Passwords
from .people import keep_client, known_client
from .secrets import digest_of, kind_of
from .settings import AuthnSettings, ProviderSettings, read_settings
from .storage import AuthnStore
from .tokens import find_token

if TYPE_CHECKING:
    from .provider import Provider

__all__ = ["Sessions", "TooManyAttempts", "own_sessions"]

log = logging.getLogger("deriva_catalog.authn")

_REMEMBERED = 4096
_CLEANED_EVERY_S = 3600.0
_ASKED_AT_ONCE = 8
_NOBODY = Session(ANONYMOUS, "nobody", 0.0, float("inf"))
LINK_S = 3600.0
"""How long a login link waits to be used."""


class TooManyAttempts(Exception):
    """A login was not even tried, because too many failed; `seconds` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many failed logins; wait for {seconds} seconds.")
        self.seconds = seconds


def _provider(settings: ProviderSettings | None) -> Provider | None:
    """What asks the provider, if logins are with one; a service without has no HTTP client."""
    if settings is None:
        return None
    from .provider import Provider

    return Provider(settings)


class Sessions:
    """The logins of one service. Usable from many threads; several processes may share them.

    What was looked up is remembered for `AuthnSettings.memory_seconds`. What this process ends or
    changes is forgotten at once.
    """

    def __init__(
        self,
        store: AuthnStore,
        settings: AuthnSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.settings = settings or AuthnSettings()
        self.clock = clock
        self.provider = _provider(self.settings.provider)
        self._held: ShortMemory[str, Session] = ShortMemory(_REMEMBERED)
        self._asking = threading.BoundedSemaphore(_ASKED_AT_ONCE)
        self._cleaned = float("-inf")

    @classmethod
    def of_home(cls, home: Path, settings: AuthnSettings | None = None) -> Sessions:
        """The logins of the catalogs below a home directory; settings default to its own."""
        return cls(AuthnStore.of_home(home), settings or read_settings(home))

    @classmethod
    def of_database(cls, url: str, settings: AuthnSettings | None = None) -> Sessions:
        """The logins in a PostgreSQL database."""
        return cls(AuthnStore.of_database(url), settings)

    @cached_property
    def passwords(self) -> Passwords:
        """How passwords are checked."""
        return Passwords()

    def close(self) -> None:
        """Close the connections to the database and the provider."""
        self.store.close()
        if self.provider is not None:
            self.provider.close()

    # --- asking ----------------------------------------------------------------------

    def client_of(self, headers: Mapping[str, str]) -> Client:
        """The client whose cookie or token is in the headers; an unknown one is anonymous.

        Args:
            headers: By lower-case name.

        Raises:
            Unavailable: the database or the provider that knows cannot be reached.

        Cost: none for what was looked up a moment ago; else two or three small queries.
        """
        found = self._found(headers)
        return ANONYMOUS if found is None else found.client

    def session_of(self, headers: Mapping[str, str]) -> Session | None:
        """The same with the times of the login; None for the anonymous client."""
        return self._found(headers)

    def _found(self, headers: Mapping[str, str]) -> Session | None:
        secret, by_cookie = credential_in(headers)
        if secret is None:
            return None
        digest, now = digest_of(secret), self.clock()
        held = self._held.get(digest)
        if held is None:
            era = self._held.era
            held, seconds = self._looked_up(secret, digest, by_cookie, now)
            self._held.put(digest, held, seconds, era)
        return held if held is not _NOBODY and held.expires > now else None

    def _looked_up(
        self, secret: str, digest: str, by_cookie: bool, now: float
    ) -> tuple[Session, float]:
        """The session of a secret, and how long that may be remembered."""
        self._clean_up(now)
        kind = kind_of(secret)
        short = self.settings.memory_seconds
        if kind == "session":
            return logins.find(self.store, self.settings, digest, now) or _NOBODY, short
        if kind == "token":
            return find_token(self.store, digest, now) or _NOBODY, short
        if kind is None and not by_cookie and self.provider is not None:
            return self._asked(self.provider, secret, now) or _NOBODY, self.settings.bearer_seconds
        return _NOBODY, short

    def _asked(self, provider: Provider, secret: str, now: float) -> Session | None:
        """The session of a bearer token of the provider."""
        if not self._asking.acquire(timeout=5.0):
            raise Unavailable("Too many tokens wait for the provider.", hint="Try again later.")
        try:
            found = provider.bearer(secret, now)
        finally:
            self._asking.release()
        if found is None:
            return None
        client = self._kept(found.client)
        if client is None:
            return None
        return Session(client, "bearer", found.issued, found.expires)

    def _kept(self, told: Client) -> Client | None:
        """Write down a client of the provider; with its groups here, or None if it is locked."""
        assert told.id is not None
        with self.store.writing() as connection:
            keep_client(connection, told)
            return known_client(connection, told.id)

    # --- logging in and out ----------------------------------------------------------

    def log_in(self, name: str, password: str, address: str | None) -> str | None:
        """Log an account in; the secret of its cookie, or None if name or password is wrong.

        Raises:
            TooManyAttempts: too many have failed, by this account or from this address.
        """
        now, limits = self.clock(), self.settings.limits
        wait = seconds_to_wait(self.store, limits, name, address, now)
        if wait:
            log.warning("a login from %s was not tried: too many failed", address)
            raise TooManyAttempts(wait)
        client = check_password(self.store, self.passwords, name, password, now)
        if client is None:
            log.warning("a login from %s failed", address)  # the name may be a password
            return None
        forgive(self.store, limits, name, address)
        return self._begin(client, "a password", address)

    def log_in_by_link(self, secret: str, address: str | None) -> str | None:
        """Log in by a link, which is used up; None if it is not good."""
        if kind_of(secret) != "link":
            return None
        client = logins.redeem(self.store, digest_of(secret), self.clock())
        return None if client is None else self._begin(client, "a login link", address)

    def log_in_told(self, told: Client, address: str | None) -> str | None:
        """Log in a client that the provider told of; None if it is locked."""
        client = self._kept(told)
        if client is None or client.id is None:
            return None
        return self._begin(client.id, "the provider", address)

    def _begin(self, client_id: str, means: str, address: str | None) -> str:
        now = self.clock()
        self._clean_up(now)
        log.info("%s logged in by %s from %s", client_id, means, address)
        return logins.begin(self.store, self.settings, client_id, now)

    def _clean_up(self, now: float) -> None:
        """Remove what has ended, now and then."""
        if abs(now - self._cleaned) > _CLEANED_EVERY_S:
            self._cleaned = now
            logins.clean_up(self.store, now)

    def link_for(self, name: str, seconds: float = LINK_S) -> str:
        """The secret of a link that logs somebody in once, such as this machine's own user.

        Raises:
            BadRequest: the name cannot be one.
            Forbidden: it is locked.
        """
        ensure_client(self.store, name)
        with self.store.reading() as connection:
            if known_client(connection, name) is None:
                raise Forbidden(f"{name!r} is locked.", hint="Unlock the account first.")
        return logins.make_link(self.store, name, self.clock(), seconds)

    def extend(self, headers: Mapping[str, str]) -> Session | None:
        """Let the session of a cookie last on; other logins are given as they are."""
        secret, _ = credential_in(headers)
        found = self._found(headers)
        if secret is None or found is None or found.kind != "session":
            return found
        digest = digest_of(secret)
        self._held.drop(digest)
        return logins.extend(self.store, self.settings, digest, self.clock())

    def log_out(self, headers: Mapping[str, str]) -> None:
        """End the session of a cookie; it is not good for anything from now on."""
        secret, _ = credential_in(headers)
        if secret is not None:
            logins.end(self.store, digest_of(secret))
            self.forget(digest_of(secret))

    def forget(self, digest: str) -> None:
        """Look a secret up again when it comes next."""
        self._held.drop(digest)


def own_sessions(found: object) -> Sessions | None:
    """The logins among what tells a service who asks: themselves, or behind a file of tokens."""
    while found is not None and not isinstance(found, Sessions):
        found = getattr(found, "otherwise", None)
    return found
