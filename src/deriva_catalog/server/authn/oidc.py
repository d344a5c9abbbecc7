"""A login with the provider, in a browser: sent away, and come back once.

The state is bound to the browser that began by a cookie, so that nobody can finish a login in
somebody else's browser. It is used up when it comes back, whatever comes of it.

Source: OpenID Connect Core 1.0, section 3.1.2; RFC 9700, section 4.7.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ...access import Client
from ...errors import NotAuthenticated, Unavailable
from .secrets import digest_of, kind_of, new_secret
from .storage import AuthnStore
from .tables import pending

if TYPE_CHECKING:
    from .provider import Provider

__all__ = ["PENDING_S", "SentAway", "come_back", "send_away"]

PENDING_S = 600.0
"""How long a login may take at the provider."""

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class SentAway:
    """Where the browser goes, and the cookie that it is known by when it comes back."""

    url: str
    browser: str


def send_away(
    store: AuthnStore,
    provider: Provider,
    *,
    redirect_uri: str,
    referrer: str,
    browser: str | None,
    now: float,
) -> SentAway:
    """Begin a login.

    Args:
        store: Where logins are kept.
        provider: Who shall log in.
        redirect_uri: Where the browser comes back to.
        referrer: Where it goes then; checked to be a place of this service.
        browser: The cookie of an earlier login that was not finished, if there is one.
        now: Seconds since 1970.

    Raises:
        Unavailable: the provider cannot be reached, or too many logins wait.
    """
    cookie = browser if browser and kind_of(browser) == "state" else new_secret("state")
    state = new_secret("state")
    url = provider.authorization_url(
        redirect_uri=redirect_uri,
        state=state,
        nonce=_derived(cookie, state, "nonce"),
        verifier=_derived(cookie, state, "verifier"),
    )
    with store.writing() as connection:
        connection.execute(sa.delete(pending).where(pending.c.expires <= now))
        if (connection.scalar(sa.select(sa.func.count()).select_from(pending)) or 0) >= _MOST:
            raise Unavailable("Too many logins wait for the provider.", hint="Try again later.")
        connection.execute(
            sa.insert(pending).values(
                state=digest_of(state),
                browser=digest_of(cookie),
                redirect_uri=redirect_uri,
                referrer=referrer,
                expires=now + PENDING_S,
            )
        )
    return SentAway(url, cookie)


def come_back(
    store: AuthnStore,
    provider: Provider,
    *,
    state: str,
    code: str | None,
    browser: str | None,
    now: float,
) -> tuple[Client, str]:
    """Finish a login; returns the client, and where its browser goes now.

    Raises:
        NotAuthenticated: the state is unknown, used, too old or another browser's; or the
            provider refused.
        Unavailable: the provider cannot be reached.
    """
    with store.writing() as connection:
        row = connection.execute(
            sa.delete(pending)
            .where(
                pending.c.state == digest_of(state),
                pending.c.browser == digest_of(browser or ""),
                pending.c.expires > now,
            )
            .returning(pending)
        ).first()
    if row is None:
        raise NotAuthenticated(
            "This login was not begun in this browser, was finished before, or took too long.",
            hint="Log in again.",
        )
    if not code:
        raise NotAuthenticated("The provider did not log you in.", hint="Log in again.")
    client = provider.redeem(
        code,
        redirect_uri=row.redirect_uri,
        verifier=_derived(browser or "", state, "verifier"),
        nonce=_derived(browser or "", state, "nonce"),
        now=now,
    )
    return client, str(row.referrer)


def _derived(cookie: str, state: str, purpose: str) -> str:
    """A secret of one login, which need not be kept: only the browser's cookie leads to it.

    The state alone does not: the provider and its logs see that.
    """
    digest = hmac.digest(cookie.encode(), f"{purpose} {state}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
