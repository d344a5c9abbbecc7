"""Talking to an OpenID Connect provider: its documents, codes, tokens and keys.

Signatures and claims of ID tokens are checked by `joserfc`; the rest is a few requests.

Source: OpenID Connect Core 1.0, section 3.1; OpenID Connect Discovery 1.0; RFC 6749; RFC 7636
(PKCE); RFC 7662 (introspection).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from ...access import Client
from ...errors import NotAuthenticated, Unavailable
from .claims import client_of_claims
from .settings import ProviderSettings

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

__all__ = ["LEEWAY_S", "Bearer", "Provider", "challenge_of"]

log = logging.getLogger("deriva_catalog.authn")

LEEWAY_S = 60
"""How far the provider's clock may be from ours."""

_TIMEOUT_S = 10.0
_DOCUMENT_S = 3600.0
_KEYS_AGAIN_S = 30.0
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""What an ID token may be signed by: no shared secret, and never nothing."""
_DEPENDENT = "urn:globus:auth:grant_type:dependent_token"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose a bearer token is, and until when it is good (seconds since 1970)."""

    client: Client
    issued: float
    expires: float


class Provider:
    """One provider. Keeps its documents and keys for a while. Usable from many threads."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self._http = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
        self._lock = threading.Lock()
        self._document: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- documents -------------------------------------------------------------------

    def document(self) -> Mapping[str, Any]:
        """What the provider says about itself.

        Raises:
            Unavailable: it cannot be reached, or says that it is another one.
        """
        with self._lock:
            held = self._document
            if held is not None and held[0] > time.monotonic():
                return held[1]
            issuer = self.settings.issuer
            place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            found: Mapping[str, Any] = self._sent("GET", place)
            if found.get("issuer") != issuer:
                raise Unavailable(
                    f"The provider at {issuer!r} calls itself {found.get('issuer')!r}.",
                    hint="The issuer in the settings must be exactly what the provider says.",
                )
            self._document = (time.monotonic() + _DOCUMENT_S, found)
            return found

    def endpoint(self, name: str) -> str:
        """The URL of an endpoint.

        Raises:
            Unavailable: the provider has none, or cannot be reached.
        """
        found = self.document().get(name)
        if not isinstance(found, str):
            raise Unavailable(f"The provider {self.settings.issuer!r} has no {name}.")
        return found

    def _key_set(self, *, again: bool = False) -> KeySet:
        from joserfc.jwk import KeySet

        place = self.endpoint("jwks_uri")
        with self._lock:
            held = self._keys
            age = None if held is None else time.monotonic() - held[0]
            if held is None or age is None or age > (_KEYS_AGAIN_S if again else _DOCUMENT_S):
                held = (time.monotonic(), KeySet.import_key_set(self._sent("GET", place)))
                self._keys = held
            return held[1]

    # --- logging in ------------------------------------------------------------------

    def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to log in.

        Raises:
            Unavailable: the provider cannot be reached.
        """
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        place = self.endpoint("authorization_endpoint")
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    def redeem(
        self, code: str, *, redirect_uri: str, verifier: str, nonce: str, now: float
    ) -> Client:
        """The client that a code of the provider stands for.

        Raises:
            NotAuthenticated: the provider does not accept the code, or what it gave for it is
                not what it should be.
            Unavailable: the provider cannot be reached.
        """
        given = self._posted(
            "token_endpoint",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            },
        )
        claims = dict(self._verified(given.get("id_token"), nonce, now))
        claims |= self._userinfo(given.get("access_token"), claims["sub"])
        return client_of_claims(self.settings, claims, self._groups(given))

    def _verified(self, id_token: Any, nonce: str, now: float) -> Mapping[str, Any]:
        """The claims of an ID token; its signature, issuer, audience, times and nonce are right."""
        from joserfc import errors, jwt
        from joserfc.jwt import JWTClaimsRegistry

        if not isinstance(id_token, str):
            raise _refused("the provider gave no ID token")
        allowed = [a for a in _ALGORITHMS if a in self._signing_algorithms()]
        try:
            try:
                token = jwt.decode(id_token, self._key_set(), algorithms=allowed)
            except (ValueError, errors.BadSignatureError, errors.InvalidKeyIdError):
                # Perhaps the provider has new keys.
                token = jwt.decode(id_token, self._key_set(again=True), algorithms=allowed)
            JWTClaimsRegistry(
                now=int(now),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True},
            ).validate(token.claims)
        except (ValueError, errors.JoseError) as error:
            raise _refused(f"the ID token is not valid ({error})") from error
        claims = token.claims
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if ("azp" in claims or several) and claims.get("azp") != self.settings.client_id:
            raise _refused("the ID token was made for another service")
        if not isinstance(claims["nonce"], str) or not hmac.compare_digest(
            claims["nonce"].encode(), nonce.encode()
        ):
            raise _refused("the ID token belongs to another login")
        return claims

    def _signing_algorithms(self) -> list[str]:
        found = self.document().get("id_token_signing_alg_values_supported")
        return found if isinstance(found, list) else ["RS256"]

    def _userinfo(self, access_token: Any, subject: str) -> Mapping[str, Any]:
        """What the provider says about the bearer; nothing if it has no such endpoint."""
        place = self.document().get("userinfo_endpoint")
        if not place or not isinstance(access_token, str):
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        found: Mapping[str, Any] = self._sent("GET", place, headers=headers)
        if found.get("sub") != subject:
            raise _refused("the provider told of somebody else than the one who logged in")
        return found

    def _groups(self, given: Mapping[str, Any]) -> list[Any] | None:
        """The groups that `groups_url` tells for the tokens that were given; None if unset."""
        settings = self.settings
        if settings.groups_url is None:
            return None
        token = _token_for(settings.groups_scope, given)
        if token is None:
            log.warning("the provider gave no token for groups at %s", settings.groups_url)
            return []
        found = self._sent(
            "GET", settings.groups_url, headers={"Authorization": f"Bearer {token}"}, form=list
        )
        return list(found)

    # --- bearer tokens ---------------------------------------------------------------

    def bearer(self, token: str, now: float) -> Bearer | None:
        """Whose a bearer token is; None if it is not good, or not meant for this service.

        Raises:
            Unavailable: the provider cannot be reached.
        """
        try:
            if self.settings.bearer == "introspection":
                return self._introspected(token, now)
            if self.settings.bearer == "userinfo":
                claims = self._sent(
                    "GET",
                    self.endpoint("userinfo_endpoint"),
                    headers={"Authorization": f"Bearer {token}"},
                )
                if isinstance(claims.get("sub"), str):
                    return Bearer(client_of_claims(self.settings, claims), now, now + _DOCUMENT_S)
        except NotAuthenticated:
            return None
        return None

    def _introspected(self, token: str, now: float) -> Bearer | None:
        asked = {"token": token, "token_type_hint": "access_token"}
        if self.settings.introspection_include:
            asked["include"] = self.settings.introspection_include
        found = self._posted("introspection_endpoint", asked)
        if found.get("active") is not True or not isinstance(found.get("sub"), str):
            return None
        if str(found.get("token_type", "bearer")).lower() not in ("bearer", "access_token"):
            return None  # such as a refresh token, which only its client may use
        if not self._is_for_us(found):
            log.warning("a bearer token of the provider was made for another service")
            return None
        if found.get("iss", self.settings.issuer) != self.settings.issuer:
            return None
        expires = float(found.get("exp") or now + _DOCUMENT_S)
        if expires <= now - LEEWAY_S:
            return None
        claims: dict[str, Any] = dict(found)
        if "openid" in str(found.get("scope", "")).split():
            claims |= self._userinfo(token, found["sub"])
        groups = self._groups_of_bearer(token)
        return Bearer(
            client_of_claims(self.settings, claims, groups), float(found.get("iat") or now), expires
        )

    def _is_for_us(self, found: Mapping[str, Any]) -> bool:
        audience = found.get("aud")
        named = audience if isinstance(audience, list) else [audience or found.get("client_id")]
        return not self.settings.accepted_audiences.isdisjoint(str(name) for name in named)

    def _groups_of_bearer(self, token: str) -> list[Any] | None:
        if self.settings.groups_url is None:
            return None
        if not self.settings.dependent_tokens:
            return self._groups({"access_token": token, "scope": self.settings.groups_scope or ""})
        given = self._posted(
            "token_endpoint", {"grant_type": _DEPENDENT, "token": token}, form=list
        )
        return self._groups({"other_tokens": given})

    # --- requests --------------------------------------------------------------------

    def _posted(self, endpoint: str, form_fields: Mapping[str, str], form: type = dict) -> Any:
        place = self.endpoint(endpoint)
        fields, secret = dict(form_fields), self.settings.client_secret
        auth = None
        if secret is None:
            fields["client_id"] = self.settings.client_id
        else:
            auth = httpx.BasicAuth(_encoded(self.settings.client_id), _encoded(secret))
        return self._sent("POST", place, form=form, data=fields, auth=auth)

    def _sent(self, method: str, place: str, form: type = dict, **options: Any) -> Any:
        """The JSON that a request is answered with.

        Raises:
            NotAuthenticated: the provider refuses (a status of 4xx).
            Unavailable: it cannot be reached, or answers with something else.
        """
        try:
            answer = self._http.request(
                method,
                place,
                headers={"Accept": "application/json", **options.pop("headers", {})},
                **options,
            )
        except httpx.HTTPError as error:
            raise self._unreachable(type(error).__name__) from error
        if 400 <= answer.status_code < 500:
            raise _refused(f"the provider answers {answer.status_code} {_reason(answer)}".rstrip())
        if answer.status_code != 200:
            raise self._unreachable(f"status {answer.status_code}")
        try:
            found = answer.json()
        except ValueError as error:
            raise self._unreachable("no JSON") from error
        if not isinstance(found, form):
            raise self._unreachable("JSON of another form")
        return found

    def _unreachable(self, why: str) -> Unavailable:
        return Unavailable(
            f"The provider {self.settings.issuer!r} cannot be used: {why}.", hint="Try again later."
        )


def challenge_of(verifier: str) -> str:
    """What is told at first of a PKCE verifier (method ``S256``)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _token_for(scope: str | None, given: Mapping[str, Any]) -> str | None:
    """The access token for a scope, of those that a provider gave at once."""
    for one in [given, *(given.get("other_tokens") or ())]:
        if scope is None or scope in str(one.get("scope", "")).split():
            token = one.get("access_token")
            return token if isinstance(token, str) else None
    return None


def _encoded(text: str) -> str:
    """As RFC 6749, section 2.3.1 has it before HTTP's basic scheme."""
    from urllib.parse import quote_plus

    return quote_plus(text)


def _reason(answer: httpx.Response) -> str:
    """The error code of RFC 6749; nothing else of the answer is shown, it might hold secrets."""
    try:
        code = answer.json().get("error")
    except (ValueError, AttributeError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isalnum() else ""


def _refused(why: str) -> NotAuthenticated:
    return NotAuthenticated(f"The login did not succeed: {why}.", hint="Log in again.")
