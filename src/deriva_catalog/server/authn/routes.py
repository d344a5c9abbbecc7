"""The resources below ``/authn``: sessions, logging in and out, tokens.

Source: ERMrest's companion webauthn, as its clients use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import (
    BadRequest,
    CatalogError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
)
from ..errors import failure_answer
from ..messages import Answer, Request, json_answer, text_answer
from ..negotiation import wants_html
from ..requests import decoded, wrong_method
from .documents import PRIVATE, described, who
from .forms import fields_of, query_of
from .headers import COOKIE, cookie, host_of, refuse_other_origins, safe_referrer, set_cookie
from .oidc import PENDING_S, come_back, send_away
from .pages import link_page, login_page, message_page
from .secrets import kind_of
from .sessions import Sessions, TooManyAttempts, own_sessions
from .settings import ProviderSettings
from .tokenroutes import token_resource, tokens_resource

if TYPE_CHECKING:
    from ..service import Service

__all__ = ["authn", "session_alias"]

NO_SESSION = "No existing login session found."
_BROWSER = "authn_login"


def authn(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """Answer a request below ``/authn``; a slash at the end changes nothing."""
    parts = list(segments[:-1] if len(segments) > 1 and not segments[-1] else segments)
    sessions = own_sessions(service.sessions)
    match parts:
        case ["session"]:
            return _session(sessions, request)
        case ["preauth"]:
            return _only_get(request, _preauth, sessions)
        case ["discovery"]:
            return _only_get(request, _discovery, sessions)
        case ["login"]:
            return _only_get(request, _login_page, sessions)
        case ["link"]:
            return _only_get(request, _link_page, sessions)
        case ["provider"]:
            return _only_get(request, _to_provider, sessions)
        case ["callback"]:
            return _only_get(request, _from_provider, sessions)
        case ["token"]:
            return tokens_resource(_needed(sessions), request)
        case ["token", token_id]:
            return token_resource(_needed(sessions), request, decoded(request, token_id))
    raise NotFound(f"There is nothing at {request.path!r}.")


def session_alias(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """The session document below a catalog, where some clients look for it."""
    rest = [s for s in segments[2:] if s]
    if rest != ["session"]:
        raise NotFound(f"There is nothing at {request.path!r}.")
    if request.method != "GET":
        raise wrong_method(request, "GET")
    return _show_session(own_sessions(service.sessions), request)


def _needed(sessions: Sessions | None) -> Sessions:
    if sessions is None:
        raise Conflict("This service has no logins of its own.")
    return sessions


def _only_get(request: Request, answer: Any, sessions: Sessions | None) -> Answer:
    if request.method != "GET":
        raise wrong_method(request, "GET")
    made: Answer = answer(_needed(sessions), request)
    return made


# --- the session -------------------------------------------------------------------------


def _session(sessions: Sessions | None, request: Request) -> Answer:
    if request.method == "GET":
        return _show_session(sessions, request)
    if request.method == "POST":
        return _log_in(_needed(sessions), request)
    if request.method == "DELETE":
        return _log_out(_needed(sessions), request)
    if request.method != "PUT":
        raise wrong_method(request, "GET", "POST", "PUT", "DELETE")
    found = _needed(sessions).extend(request.headers)
    return _no_session(request) if found is None else described(found, sessions)


def _show_session(sessions: Sessions | None, request: Request) -> Answer:
    found = None if sessions is None else sessions.session_of(request.headers)
    if found is not None:
        return described(found, sessions)
    if request.client.is_anonymous:
        return _no_session(request)
    return json_answer(who(request.client), headers=PRIVATE)


def _no_session(request: Request) -> Answer:
    return text_answer(f"{NO_SESSION}\n", status=404, headers=PRIVATE)


# --- logging in and out ------------------------------------------------------------------


def _log_in(sessions: Sessions, request: Request) -> Answer:
    settings = sessions.settings
    refuse_other_origins(
        request.method,
        request.headers,
        public_url=settings.public_url,
        trusted=settings.trusted_origins,
        always=True,
        secure=request.is_secure,
    )
    given = fields_of(request)
    wanted = given.get("referrer") or query_of(request).get("referrer")
    referrer = _referrer(sessions, request, wanted)
    if not request.client.is_anonymous:
        raise Conflict(
            f"You are logged in already, as {request.client.display_name or request.client.id!r}.",
            hint="Log out first.",
        )
    try:
        secret = _secret_for(sessions, request, given)
    except TooManyAttempts as error:
        return _refused(
            sessions, request, referrer, 429, str(error), {"Retry-After": str(error.seconds)}
        )
    except NotAuthenticated as error:
        return _refused(sessions, request, referrer, 401, error.message, {})
    return _logged_in(sessions, request, secret, referrer if wanted else None)


def _secret_for(sessions: Sessions, request: Request, given: Mapping[str, str]) -> str:
    """The secret of a new session for what was given.

    Raises:
        NotAuthenticated: it is wrong.
        BadRequest: something is missing.
        TooManyAttempts: too many have failed.
    """
    if "link" in given:
        secret = sessions.log_in_by_link(given["link"], request.address)
        if secret is None:
            raise NotAuthenticated("This login link was used before, or is too old.")
        return secret
    if not sessions.settings.local_accounts:
        raise BadRequest("This service has no accounts with passwords.")
    missing = [name for name in ("username", "password") if not given.get(name)]
    if missing:
        raise BadRequest(f"The login has no {' and no '.join(missing)}.")
    secret = sessions.log_in(given["username"], given["password"], request.address)
    if secret is None:
        raise NotAuthenticated("The name or the password is wrong.")
    return secret


def _refused(
    sessions: Sessions,
    request: Request,
    referrer: str,
    status: int,
    problem: str,
    more: dict[str, str],
) -> Answer:
    if wants_html(request.headers.get("accept")):
        return login_page(
            referrer=referrer,
            accounts=sessions.settings.local_accounts,
            provider=_provider_name(sessions),
            problem=problem,
            status=status,
            more=more,
        )
    description = "Too many requests." if status == 429 else "The login did not succeed."
    if status == 401:
        description, more = NotAuthenticated.description, {**more, "WWW-Authenticate": "Bearer"}
    return failure_answer(status, description, problem, request.headers, more)


def _logged_in(sessions: Sessions, request: Request, secret: str, referrer: str | None) -> Answer:
    made = set_cookie(COOKIE, secret, secure=_is_secure(sessions, request))
    headers = {**PRIVATE, "Set-Cookie": made}
    if referrer is not None or wants_html(request.headers.get("accept")):
        return Answer(303, headers={**headers, "Location": referrer or "/"})
    session = sessions.session_of({"cookie": f"{COOKIE}={secret}"})
    if session is None:
        raise NotAuthenticated("The account was locked a moment ago.")
    return described(session, sessions, headers)


def _log_out(sessions: Sessions, request: Request) -> Answer:
    found = sessions.session_of(request.headers)
    if found is None:
        return _no_session(request)
    if found.kind != "session":
        raise Forbidden(
            "This request came with a token, which is no session that could be left.",
            hint="Revoke the token instead.",
        )
    target = _referrer(sessions, request, query_of(request).get("logout_url"))
    sessions.log_out(request.headers)
    gone = set_cookie(COOKIE, "", secure=_is_secure(sessions, request), seconds=0)
    return json_answer({"logout_url": target}, headers={**PRIVATE, "Set-Cookie": gone})


def _referrer(sessions: Sessions, request: Request, given: str | None) -> str:
    settings = sessions.settings
    return safe_referrer(
        given, request.headers, public_url=settings.public_url, trusted=settings.trusted_origins
    )


def _is_secure(sessions: Sessions, request: Request) -> bool:
    """Whether the browser speaks TLS: to us, or to the proxy that `public_url` names."""
    return request.is_secure or (sessions.settings.public_url or "").startswith("https:")


def _base_url(sessions: Sessions, request: Request) -> str:
    if sessions.settings.public_url:
        return sessions.settings.public_url.rstrip("/")
    host = host_of(request.headers)
    if not host:
        raise BadRequest("The request has no Host header.")
    return f"{'https' if request.is_secure else 'http'}://{host}"


# --- what clients ask before a login -----------------------------------------------------


def _preauth(sessions: Sessions, request: Request) -> Answer:
    referrer = _referrer(sessions, request, query_of(request).get("referrer"))
    settings = sessions.settings
    if settings.provider is None:
        return json_answer(
            {
                "authentication_type": "password",
                "login_form": {
                    "method": "POST",
                    "action": "/authn/session",
                    "input_fields": [
                        {"type": "text", "name": "username"},
                        {"type": "password", "name": "password"},
                    ],
                },
            },
            headers=PRIVATE,
        )
    from urllib.parse import quote

    # With accounts too there is a choice, which is a page.
    page = "login" if settings.local_accounts else "provider"
    place = f"{_base_url(sessions, request)}/authn/{page}?referrer={quote(referrer, safe='')}"
    return json_answer({"authentication_type": "oidc", "redirect_url": place}, headers=PRIVATE)


def _discovery(sessions: Sessions, request: Request) -> Answer:
    """Which ways to log in there are; ``oauth2_scopes`` is what older clients read."""
    provider = sessions.settings.provider
    document: dict[str, Any] = {
        "oauth2_scopes": {} if provider is None else _native_scopes(provider),
        "password": sessions.settings.local_accounts,
    }
    if provider is not None and provider.native_client_id and provider.bearer != "off":
        document["native"] = {
            "issuer": provider.issuer,
            "client_id": provider.native_client_id,
            "scopes": list(provider.native_scopes),
            "name": provider.name,
        }
    return json_answer(document, headers=PRIVATE)


def _native_scopes(provider: ProviderSettings) -> dict[str, str]:
    """Scopes that are URLs, as those of resource servers at Globus, with their last part."""
    scopes = [s for s in provider.native_scopes if s.startswith("https://")]
    return {scope: scope.rstrip("/").rpartition("/")[2] for scope in scopes}


def _provider_name(sessions: Sessions) -> str | None:
    return None if sessions.settings.provider is None else sessions.settings.provider.name


# --- pages -------------------------------------------------------------------------------


def _login_page(sessions: Sessions, request: Request) -> Answer:
    referrer = _referrer(sessions, request, query_of(request).get("referrer"))
    if not request.client.is_anonymous:
        name = request.client.display_name or request.client.id
        return message_page("You are logged in", f"You are logged in as {name}.")
    return login_page(
        referrer=referrer,
        accounts=sessions.settings.local_accounts,
        provider=_provider_name(sessions),
    )


def _link_page(sessions: Sessions, request: Request) -> Answer:
    secret = query_of(request).get("token", "")
    if kind_of(secret) != "link":
        return message_page("No login link", "This is no login link.", status=404)
    if not request.client.is_anonymous:
        name = request.client.display_name or request.client.id
        return message_page("You are logged in", f"You are logged in as {name}.")
    return link_page(secret)


# --- the provider ------------------------------------------------------------------------


def _to_provider(sessions: Sessions, request: Request) -> Answer:
    if sessions.provider is None:
        raise NotFound("This service has no provider to log in with.")
    sent = send_away(
        sessions.store,
        sessions.provider,
        redirect_uri=f"{_base_url(sessions, request)}/authn/callback",
        referrer=_referrer(sessions, request, query_of(request).get("referrer")),
        browser=cookie(request.headers, _BROWSER),
        now=sessions.clock(),
    )
    known = set_cookie(
        _BROWSER,
        sent.browser,
        secure=_is_secure(sessions, request),
        path="/authn",
        seconds=int(PENDING_S),
    )
    return Answer(303, headers={**PRIVATE, "Location": sent.url, "Set-Cookie": known})


def _from_provider(sessions: Sessions, request: Request) -> Answer:
    """Where the provider sends the browser back to."""
    if sessions.provider is None:
        raise NotFound("This service has no provider to log in with.")
    given = query_of(request)
    try:
        told, referrer = come_back(
            sessions.store,
            sessions.provider,
            state=given.get("state", ""),
            code=given.get("code"),
            browser=cookie(request.headers, _BROWSER),
            now=sessions.clock(),
        )
        secret = sessions.log_in_told(told, request.address)
    except CatalogError as error:
        return _refused(sessions, request, "/", error.status, error.message, {})
    if secret is None:
        return _refused(sessions, request, "/", 403, "You are shut out of this service.", {})
    made = set_cookie(COOKIE, secret, secure=_is_secure(sessions, request))
    return Answer(303, headers={**PRIVATE, "Location": referrer, "Set-Cookie": made})
