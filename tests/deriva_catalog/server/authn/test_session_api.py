"""``/authn/session`` and what belongs to it, as clients see it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest

from authn_server import FORM, PASSWORD, LoginServer, cookie_of
from deriva_catalog.server.authn.accounts import add_to_group

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("target", ["/authn/session", "/authn/session/"])
def test_without_a_session_there_is_none(server: LoginServer, target: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        reply = server.client().request(method, target)
        assert (reply.status, reply.text) == (404, "No existing login session found.\n")
        assert reply.headers["content-type"].startswith("text/plain")


def test_a_login_gives_the_session_and_its_cookie(server: LoginServer) -> None:
    reply = server.log_in("kim")
    assert reply.status == 200
    assert re.fullmatch(
        r"webauthn=[\w-]+; Path=/; HttpOnly; SameSite=Lax", reply.headers["set-cookie"]
    )
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json == {
        "client": {"id": "kim", "display_name": "kim"},
        "attributes": [{"id": "kim", "display_name": "kim", "identities": ["kim"]}],
        "since": "2027-01-15T08:00:00Z",
        "expires": "2027-01-16T08:00:00Z",
        "seconds_remaining": 86400,
    }
    again = server.client().get("/authn/session/", Cookie=cookie_of(reply))
    assert again.json == reply.json


def test_the_same_by_json_and_with_a_name_in_other_letters(server: LoginServer) -> None:
    body = {"username": "KIM", "password": PASSWORD}
    assert server.client().post("/authn/session/", body).json["client"]["id"] == "kim"


def test_groups_are_attributes(server: LoginServer) -> None:
    add_to_group(server.sessions.store, "lab", ("ada",), now=0.0, title="The Lab")
    cookie = server.cookie("ada")
    found = server.client().get("/authn/session", Cookie=cookie).json
    assert {"id": "group:lab", "display_name": "The Lab"} in found["attributes"]


@pytest.mark.parametrize(
    ("name", "password"),
    [("kim", "mistaken"), ("nobody", PASSWORD), ("kim", PASSWORD + " "), ("ada\x00", PASSWORD)],
)
def test_a_wrong_login_is_401_and_sets_nothing(
    server: LoginServer, name: str, password: str
) -> None:
    reply = server.log_in(name, password)
    assert reply.status == 401
    assert reply.text.startswith("Access requires authentication. Detail: ")
    assert "set-cookie" not in reply.headers
    assert password not in reply.text


def test_who_is_logged_in_cannot_log_in_again(server: LoginServer) -> None:
    cookie = server.cookie("kim")
    reply = server.log_in("ada", Cookie=cookie)
    assert reply.status == 409
    assert "set-cookie" not in reply.headers
    assert server.client().get("/authn/session", Cookie=cookie).json["client"]["id"] == "kim"


def test_a_cookie_that_came_before_the_login_is_not_taken_over(server: LoginServer) -> None:
    planted = "webauthn=deriva_s_" + "A" * 43
    reply = server.log_in("kim", Cookie=planted)
    assert reply.status == 200
    assert cookie_of(reply) != planted
    assert server.client().get("/authn/session", Cookie=planted).status == 404


def test_a_session_ends_by_itself_unless_it_is_used_or_extended(server: LoginServer) -> None:
    begun = server.clock.now
    try:
        idle, used, extended = (server.cookie("kim") for _ in range(3))
        client = server.client()
        server.clock.now = begun + 20 * 3600
        assert client.get("/authn/session", Cookie=used).json["seconds_remaining"] == 86400
        reply = client.put("/authn/session", Cookie=extended)
        assert (reply.status, reply.json["expires"]) == (200, "2027-01-17T04:00:00Z")
        server.clock.now = begun + 25 * 3600
        assert client.get("/authn/session", Cookie=idle).status == 404
        assert client.get("/authn/session", Cookie=used).status == 200
        assert client.get("/authn/session", Cookie=extended).status == 200
    finally:
        server.clock.now = begun


def test_no_session_lasts_beyond_the_longest(server: LoginServer) -> None:
    begun = server.clock.now
    try:
        cookie = server.cookie("kim")
        for half_day in range(1, 60):
            server.clock.now = begun + half_day * 43200
            assert server.client().put("/authn/session", Cookie=cookie).status == 200
        server.clock.now = begun + 30 * 86400
        assert server.client().get("/authn/session", Cookie=cookie).status == 404
    finally:
        server.clock.now = begun


def test_logging_out_ends_the_session_and_removes_the_cookie(server: LoginServer) -> None:
    cookie = server.cookie("kim")
    other = server.cookie("kim")
    client = server.client()
    reply = client.delete("/authn/session?logout_url=/chaise/", Cookie=cookie)
    assert (reply.status, reply.json) == (200, {"logout_url": "/chaise/"})
    assert reply.headers["set-cookie"].startswith("webauthn=; Path=/; ")
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert client.get("/authn/session", Cookie=cookie).status == 404
    assert client.delete("/authn/session", Cookie=cookie).status == 404
    assert client.get("/authn/session", Cookie=other).status == 200
    assert client.delete("/authn/session/", Cookie=other).json == {"logout_url": "/"}


def test_a_form_with_a_referrer_leads_there(server: LoginServer) -> None:
    form = {"username": "kim", "password": PASSWORD, "referrer": "/chaise/record/#1/S:T"}
    reply = server.client().post("/authn/session", urlencode(form), Content_Type=FORM)
    assert (reply.status, reply.headers["location"]) == (303, "/chaise/record/#1/S:T")
    assert reply.headers["set-cookie"].startswith("webauthn=")


@pytest.mark.parametrize(
    "referrer",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1:1@evil.example/",
        "javascript:alert(1)",
        "/\n/evil.example",
        "http:///evil.example",
    ],
)
def test_no_login_leads_to_another_site(server: LoginServer, referrer: str) -> None:
    query = urlencode({"referrer": referrer})
    form = urlencode({"username": "kim", "password": PASSWORD, "referrer": referrer})
    assert server.client().get(f"/authn/preauth?{query}").status == 400
    assert server.client().get(f"/authn/login?{query}", Accept=HTML).status == 400
    reply = server.client().post("/authn/session", form, Content_Type=FORM)
    assert reply.status == 400
    assert "set-cookie" not in reply.headers
    cookie = server.cookie("kim")
    gone = server.client().delete(f"/authn/session?logout_url={query[9:]}", Cookie=cookie)
    assert gone.status == 400
    assert server.client().get("/authn/session", Cookie=cookie).status == 200


def test_preauth_tells_of_the_form(server: LoginServer) -> None:
    here = urlencode({"referrer": f"http://{server.host}/chaise/"})
    reply = server.client().get(f"/authn/preauth/?{here}")
    assert reply.json == {
        "authentication_type": "password",
        "login_form": {
            "method": "POST",
            "action": "/authn/session",
            "input_fields": [
                {"type": "text", "name": "username"},
                {"type": "password", "name": "password"},
            ],
        },
    }


def test_discovery_tells_of_the_ways(server: LoginServer) -> None:
    found = server.client().get("/authn/discovery").json
    assert found == {"oauth2_scopes": {}, "password": True}


def test_the_login_page_works_without_scripts(server: LoginServer) -> None:
    client = server.client()
    page = client.get("/authn/login?referrer=/chaise/%22%3E%3Cb%3E", Accept=HTML)
    assert page.status == 200
    assert "<script" not in page.text
    assert 'value="/chaise/&quot;&gt;&lt;b&gt;"' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    form = urlencode({"username": "kim", "password": "wrong", "referrer": "/chaise/"})
    wrong = client.post("/authn/session", form, Content_Type=FORM, Accept=HTML)
    assert wrong.status == 401
    assert "The name or the password is wrong." in wrong.text
    assert 'value="/chaise/"' in wrong.text
    right = client.post(
        "/authn/session",
        form.replace("wrong", PASSWORD.replace(" ", "+")),
        Content_Type=FORM,
        Accept=HTML,
    )
    assert (right.status, right.headers["location"]) == (303, "/chaise/")
    again = client.get("/authn/login", Accept=HTML, Cookie=cookie_of(right))
    assert "logged in as kim" in again.text


def test_a_login_link_works_once(server: LoginServer) -> None:
    secret = server.sessions.link_for("operator")
    client = server.client()
    for _ in range(2):  # looking at it does not use it up
        page = client.get(f"/authn/link?token={secret}", Accept=HTML)
        assert page.status == 200
        assert f'value="{secret}"' in page.text
    assert client.head(f"/authn/link?token={secret}").status == 200
    form = urlencode({"link": secret, "referrer": "/"})
    reply = client.post("/authn/session", form, Content_Type=FORM)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    found = client.get("/authn/session", Cookie=cookie_of(reply)).json
    assert found["client"] == {"id": "operator", "display_name": "operator"}
    assert client.post("/authn/session", form, Content_Type=FORM).status == 401


def test_a_login_link_that_is_too_old_is_none(server: LoginServer) -> None:
    secret = server.sessions.link_for("operator", seconds=10)
    body = json.dumps({"link": secret})
    server.clock.now += 11
    try:
        reply = server.client().post("/authn/session", body, Content_Type="application/json")
    finally:
        server.clock.now -= 11
    assert reply.status == 401
    assert server.client().get("/authn/link?token=nonsense", Accept=HTML).status == 404


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("username=kim", FORM, 400),
        ("", FORM, 400),
        ("username=%ff&password=x", FORM, 400),
        ("{", "application/json", 400),
        ('{"username": "kim", "password": "\\ud800"}', "application/json", 400),
        ('{"username": "\\u0000", "password": "x"}', "application/json", 401),
        ("[]", "application/json", 400),
        ('{"username": "kim", "password": 1}', "application/json", 400),
        ("username=kim&password=x", "text/plain", 415),
        ("x=" + "y" * 70_000, FORM, 413),
        ("&".join(f"a{n}=1" for n in range(60)), FORM, 400),
    ],
)
def test_a_malformed_login_is_refused(
    server: LoginServer, body: str, kind: str, status: int
) -> None:
    reply = server.client().post("/authn/session", body, Content_Type=kind)
    assert reply.status == status
    assert "set-cookie" not in reply.headers


def test_other_addresses_and_methods_are_told(server: LoginServer) -> None:
    client = server.client()
    assert client.get("/authn/nothing").status == 404
    assert client.get("/authn").status == 404
    assert client.get("/authn/session//").status == 404
    assert client.request("PATCH", "/authn/session").status == 405
    assert client.post("/authn/preauth", "").status == 405
    assert client.get("/authn/provider").status == 404
    assert client.get("/authn/callback?state=x&code=y").status == 404


def test_the_session_is_also_below_a_catalog(server: LoginServer) -> None:
    cookie = server.cookie("kim")
    client = server.client()
    for target in ("/ermrest/catalog/1/authn/session", "/ermrest/catalog/1/authn/session/"):
        assert client.get(target, Cookie=cookie).json["client"]["id"] == "kim"
        assert client.get(target).status == 404
    assert client.delete("/ermrest/catalog/1/authn/session", Cookie=cookie).status == 405
    assert client.get("/ermrest/catalog/1/authn/other", Cookie=cookie).status == 404


def test_head_is_get_without_a_body(server: LoginServer) -> None:
    reply = server.client().head("/authn/session", Cookie=server.cookie("kim"))
    assert (reply.status, reply.body) == (200, b"")
    assert "set-cookie" not in reply.headers
