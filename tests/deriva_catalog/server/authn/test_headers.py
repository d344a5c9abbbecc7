"""Cookies, tokens, origins and referrers in the headers of a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.errors import BadRequest, Forbidden
from deriva_catalog.server.authn.headers import (
    cookie,
    credential_in,
    refuse_other_origins,
    safe_referrer,
    set_cookie,
)

COOKIE = {"cookie": "webauthn=secret"}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (None, False)),
        ({"cookie": "a=b; webauthn=S; c=d"}, ("S", True)),
        ({"cookie": 'webauthn="S"'}, ("S", True)),
        ({"cookie": "webauthn="}, (None, False)),
        ({"cookie": "xwebauthn=S"}, (None, False)),
        ({"authorization": "Bearer T"}, ("T", False)),
        ({"authorization": "bearer  T "}, ("T", False)),
        ({"authorization": "Basic T"}, (None, False)),
        ({"authorization": "Bearer"}, (None, False)),
        ({"cookie": "webauthn=S", "authorization": "Bearer T"}, ("S", True)),
        ({"cookie": "webauthn=", "authorization": "Bearer T"}, ("T", False)),
    ],
)
def test_the_cookie_goes_before_the_token(
    headers: dict[str, str], found: tuple[str | None, bool]
) -> None:
    assert credential_in(headers) == found


@given(st.text(), st.text())
def test_no_header_is_too_strange(cookies: str, authorization: str) -> None:
    secret, by_cookie = credential_in({"cookie": cookies, "authorization": authorization})
    assert secret is None or secret in (cookies if by_cookie else authorization)


def test_a_cookie_is_kept_from_scripts_and_from_plain_http() -> None:
    made = set_cookie("webauthn", "S", secure=True)
    assert made == "webauthn=S; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert cookie({"cookie": made}, "webauthn") == "S"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://lab.example:8081"},
        {"origin": "https://lab.example.evil.example"},
        {"origin": "https://lab.example@evil.example"},
        {"origin": "https://lab.example:bad"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_origin_changes_nothing_with_a_cookie(headers: dict[str, str]) -> None:
    sent = {"host": "lab.example", **COOKIE, **headers}
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        with pytest.raises(Forbidden, match="another site"):
            refuse_other_origins(method, sent)
    refuse_other_origins("GET", sent)
    without = {name: value for name, value in sent.items() if name != "cookie"}
    refuse_other_origins("POST", {**without, "authorization": "Bearer T"})
    with pytest.raises(Forbidden, match="another site"):
        refuse_other_origins("GET", without, always=True)


def test_a_page_without_tls_is_another_origin_to_a_service_with_it() -> None:
    sent = {"host": "lab.example", **COOKIE}
    more: dict[str, Any]
    for more in ({"secure": True}, {"public_url": "https://lab.example"}):
        with pytest.raises(Forbidden, match="another site"):
            refuse_other_origins("POST", {**sent, "origin": "http://lab.example:443"}, **more)
        with pytest.raises(Forbidden, match="another site"):
            refuse_other_origins("POST", {**sent, "origin": "http://lab.example"}, **more)
        refuse_other_origins("POST", {**sent, "origin": "https://lab.example"}, **more)
    # A proxy may speak TLS without telling so.
    refuse_other_origins("POST", {**sent, "origin": "https://lab.example"}, secure=False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://lab.example"},
        {"origin": "http://lab.example"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "https://friend.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_our_own_pages_trusted_ones_and_programs_may(headers: dict[str, str]) -> None:
    sent = {"host": "lab.example", **COOKIE, **headers}
    refuse_other_origins("POST", sent, trusted=("https://friend.example",), always=True)


def test_behind_a_proxy_the_public_url_counts() -> None:
    sent = {"host": "10.0.0.1:8080", **COOKIE, "origin": "https://lab.example"}
    with pytest.raises(Forbidden):
        refuse_other_origins("POST", sent)
    refuse_other_origins("POST", sent, public_url="https://lab.example")


@pytest.mark.parametrize(
    "referrer",
    ["/", "/chaise/record/#1/S:T/RID=1-000A", "https://lab.example/x?y=z#f", "http://LAB.example/"],
)
def test_a_place_of_this_service_is_a_referrer(referrer: str) -> None:
    assert safe_referrer(referrer, {"host": "lab.example"}) == referrer


def test_without_a_referrer_it_is_the_top() -> None:
    assert safe_referrer(None, {}) == "/"
    assert safe_referrer("", {}) == "/"


@given(st.text(alphabet="/\\:@.?#aA \t\nhtps%", max_size=30))
def test_what_is_taken_as_a_referrer_is_a_path_or_this_host(referrer: str) -> None:
    try:
        found = safe_referrer(referrer, {"host": "lab.example"})
    except BadRequest:
        return
    assert found.startswith("/")
    assert found[1:2] not in ("/", "\\")
