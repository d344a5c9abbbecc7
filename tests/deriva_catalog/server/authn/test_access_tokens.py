"""Access tokens: made, used within their scope, revoked."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from authn_server import LoginServer
from catalog_server import Reply
from deriva_catalog.access import Client, Scope
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.errors import Forbidden
from deriva_catalog.server.authn.door import admit
from deriva_catalog.server.authn.secrets import digest_of
from deriva_catalog.server.authn.settings import AuthnSettings
from deriva_catalog.server.authn.tables import tokens
from deriva_catalog.server.messages import Answer, Request


@pytest.fixture(scope="module")
def cookie(server: LoginServer) -> str:
    return server.cookie("kim")


def made(server: LoginServer, cookie: str, **wanted: Any) -> dict[str, Any]:
    reply = create(server, cookie, **wanted)
    assert reply.status == 201
    found: dict[str, Any] = reply.json
    return found


def create(server: LoginServer, cookie: str, **wanted: Any) -> Reply:
    return server.client().post("/authn/token", {"name": "ci", **wanted}, Cookie=cookie)


def test_a_token_is_shown_once_and_only_its_hash_is_kept(server: LoginServer, cookie: str) -> None:
    token = made(server, cookie)
    secret = token.pop("token")
    assert secret.startswith("deriva_t_")
    assert token["last_used"] is None
    assert token["expires"] == "2027-04-15T08:00:00Z"
    listed = server.client().get("/authn/token", Cookie=cookie)
    assert token in listed.json
    assert secret not in listed.text
    with server.sessions.store.reading() as connection:
        kept = connection.execute(sa.select(tokens).where(tokens.c.id == token["id"])).one()
    assert kept.digest == digest_of(secret)
    assert all(secret not in str(value) for value in kept)


def test_a_token_works_as_bearer_and_as_cookie(server: LoginServer, cookie: str) -> None:
    token = made(server, cookie, days=1)
    as_bearer = server.client(token["token"]).get("/authn/session").json
    as_cookie = server.client().get("/authn/session", Cookie=f"webauthn={token['token']}").json
    assert as_bearer == as_cookie
    assert as_bearer["client"]["id"] == "kim"
    assert as_bearer["seconds_remaining"] == 86400
    listed = server.client().get("/authn/token", Cookie=cookie).json
    (known,) = [t for t in listed if t["id"] == token["id"]]
    assert known["last_used"] == "2027-01-15T08:00:00Z"


def test_the_cookie_wins_even_if_it_is_no_good(server: LoginServer, cookie: str) -> None:
    token = made(server, cookie)["token"]
    headers = {"Authorization": f"Bearer {token}", "Cookie": "webauthn=deriva_s_" + "A" * 43}
    assert server.client().get("/authn/session", **headers).status == 404


def test_a_token_ends_by_its_time_and_by_revoking(server: LoginServer, cookie: str) -> None:
    short, long = made(server, cookie, days=0.5), made(server, cookie, days=2)
    client = server.client(long["token"])
    server.clock.now += 43200
    try:
        assert server.client(short["token"]).get("/authn/session").status == 404
        assert client.get("/authn/session").status == 200
        fresh = server.cookie("kim")
        assert server.client().delete(f"/authn/token/{long['id']}", Cookie=fresh).status == 204
        assert server.client().delete(f"/authn/token/{long['id']}", Cookie=fresh).status == 404
        assert client.get("/authn/session").status == 404
    finally:
        server.clock.now -= 43200


def test_nobody_sees_or_revokes_the_tokens_of_another(server: LoginServer, cookie: str) -> None:
    token = made(server, cookie)
    ada = server.cookie("ada")
    assert server.client().get("/authn/token", Cookie=ada).json == []
    assert server.client().delete(f"/authn/token/{token['id']}", Cookie=ada).status == 404
    assert server.client().get("/authn/token").status == 401
    assert server.client(token["token"]).get("/authn/session").status == 200


def test_a_token_makes_no_tokens_and_no_session(server: LoginServer, cookie: str) -> None:
    client = server.client(made(server, cookie)["token"])
    assert client.post("/authn/token", {"name": "another"}).status == 403
    assert client.get("/authn/token").status == 403
    assert client.post("/authn/session", {"username": "kim", "password": "x"}).status == 409
    assert client.delete("/authn/session").status == 403
    assert client.put("/authn/session").json["expires"] == "2027-04-15T08:00:00Z"


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"days": 0},
        {"days": -1},
        {"days": 367},
        {"days": "7"},
        {"days": True},
        {"days": float("nan")},
        {"scope": []},
        {"scope": {"read_only": 1}},
        {"scope": {"catalogs": "1"}},
        {"scope": {"objects": ["/lab"]}},
        {"scope": {"admin": True}},
        {"color": "red"},
    ],
)
def test_what_is_not_understood_makes_no_token(
    server: LoginServer, cookie: str, wanted: dict[str, Any]
) -> None:
    before = server.client().get("/authn/token", Cookie=cookie).json
    assert create(server, cookie, **wanted).status == 400
    assert server.client().get("/authn/token", Cookie=cookie).json == before


# --- scopes ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogs(server: LoginServer) -> list[str]:
    for alias in ("one", "two"):
        server.service.registry.create(alias=alias, client="kim").close()
    return [c.id for c in server.service.registry.catalogs()]


def test_a_token_for_reading_changes_nothing(
    server: LoginServer, cookie: str, catalogs: list[str]
) -> None:
    secret = made(server, cookie, scope={"read_only": True})["token"]
    client = server.client(secret)
    schema = f"/ermrest/catalog/{catalogs[0]}/schema"
    assert client.get(schema).status == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        reply = client.request(method, f"{schema}/lab")
        assert reply.status == 403
        assert "access token is for reading" in reply.text
    assert client.get(f"{schema}/lab").status == 404
    assert client.get("/authn/session").json["scope"]["read_only"] is True
    catalog = f"/ermrest/catalog/{catalogs[0]}"
    question = client.post(f"{catalog}/query", "entity/public:ERMrest_Client")
    assert question.status == 200  # a question, only too long for an address
    assert client.post(f"{catalog}/rids", ["1-0000"]).json == {}
    assert client.post(f"{catalog}/leases", ["token"]).status == 403
    whole = server.client(made(server, cookie)["token"])
    assert whole.post(f"{schema}/lab").status == 201
    assert whole.delete(f"{schema}/lab").status == 204


def test_a_token_for_one_catalog_opens_no_other(
    server: LoginServer, cookie: str, catalogs: list[str]
) -> None:
    one, two = catalogs
    client = server.client(made(server, cookie, scope={"catalogs": [one]})["token"])
    for name in (one, "one", "%6Fne"):
        assert client.get(f"/ermrest/catalog/{name}/schema").status == 200
    assert client.post(f"/ermrest/catalog/{one}/schema/mine").status == 201
    for name in (two, "two", "none"):
        for tail in ("", "/", "/schema", "/schema/public"):
            reply = client.get(f"/ermrest/catalog/{name}{tail}")
            assert reply.status == 403
            assert "does not open catalog" in reply.text
    elsewhere = ["/ermrest/catalog", "/ermrest/alias", "/ermrest/alias/one", "/hatrac", "/id/1"]
    for target in elsewhere:
        assert client.post(target).status == 403
    assert client.get("/ermrest/").status == 200
    assert client.get("/authn/session").json["scope"]["catalogs"] == [one]


def test_a_token_for_objects_opens_what_is_below() -> None:
    scope = Scope(objects=("/hatrac/lab", "/hatrac/shared/a", "/hatrac/open/owner"))

    def send(method: str, target: str) -> None:
        client = Client("kim", scope=scope)
        admit(Request(method, target, {}, client, BytesIO()), AuthnSettings(), str)

    for target in ("/hatrac/lab", "/hatrac/lab/x:V", "/hatrac/l%61b/x;acl", "/hatrac/shared/a"):
        send("GET", target)
    for target in ("/hatrac", "/hatrac/", "/hatrac/labs", "/hatrac/shared", "/hatrac/shared%2Fa"):
        with pytest.raises(Forbidden):
            send("GET", target)
    with pytest.raises(Forbidden):
        send("GET", "/ermrest/catalog/1/schema")
    with pytest.raises(Forbidden):  # what follows the semicolon is no part of a name
        send("PUT", "/hatrac/open;acl/owner")


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("blank", [0, 2 << 20])
def test_a_token_for_objects_takes_no_others_by_renaming(
    server: LoginServer, kind: str, blank: int
) -> None:
    place = f"/hatrac/{kind.partition('/')[2]}-{blank}"

    def sent(method: str, target: str, body: bytes, kind: str, scope: Scope | None) -> Answer:
        client = Client(default_client(), scope=scope)
        headers = {"content-type": kind, "content-length": str(len(body))}
        return server.service.handle(Request(method, target, headers, client, BytesIO(body)))

    for name in (place, f"{place}/lab", f"{place}/secret"):
        made = sent("PUT", name, b"", "application/x-hatrac-namespace", None)
        assert made.status == 201
    for name in (f"{place}/secret/x", f"{place}/lab/x"):
        assert sent("PUT", name, b"data", "text/plain", None).status == 201
    scope = Scope(objects=(f"{place}/lab",))
    statuses = []
    for source in (f"{place}/secret/x", f"{place.removeprefix('/hatrac')}/secret/x"):
        document = b'{"command": "rename_from", "source_name": "%s"}' % source.encode()
        answer = sent("POST", f"{place}/lab/y", b" " * blank + document, kind, scope)
        statuses.append(answer.status)
    assert statuses == [403, 403]
    own = b'{"command": "rename_from", "source_name": "%s/lab/x"}' % place.encode()
    assert sent("POST", f"{place}/lab/y", own, kind, scope).status == 201


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_forged_or_cut_token_is_nobody(
    server: LoginServer, real: tuple[str, str], data: st.DataObject
) -> None:
    secret = data.draw(st.sampled_from(real))
    cut = data.draw(st.integers(0, len(secret) - 1))
    letter = data.draw(st.sampled_from("Aa0_-=. é"))
    forged = data.draw(
        st.sampled_from([secret[:cut], secret[:cut] + letter + secret[cut + 1 :], secret + letter])
    )
    if forged.strip() == secret:
        return
    for headers in (
        {"cookie": f"webauthn={forged}"},
        {"authorization": f"Bearer {forged}"},
    ):
        assert server.sessions.client_of(headers).is_anonymous


@pytest.fixture(scope="module")
def real(server: LoginServer) -> tuple[str, str]:
    cookie = server.cookie("kim")
    return cookie.partition("=")[2], made(server, cookie)["token"]
