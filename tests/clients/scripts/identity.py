"""Who a client is: bearer tokens, cookies, the credential file, and names with passwords."""

from pathlib import Path

from deriva.core import (
    DEFAULT_CREDENTIAL_FILE,
    DerivaServer,
    format_credential,
    get_credential,
    write_credential,
)
from deriva.core.deriva_binding import DerivaClientContext
from deriva.core.ermrest_model import Column, Schema, Table, builtin_types
from told import GIVEN, outcome, server, tell


def who(connection):
    return connection.get_authn_session().json()["client"]["id"]


bearer = format_credential(oauth2_token=GIVEN.token)
cookie = format_credential(token=GIVEN.token)
write_credential(DEFAULT_CREDENTIAL_FILE, {GIVEN.host: cookie})
from_file = get_credential(GIVEN.host)
password = format_credential(username=GIVEN.account, password=GIVEN.password)
logged_in = server(password)
session = server(bearer).get_authn_session().json()
facts = {
    "bearer": who(server(bearer)),
    "cookie": who(server(cookie)),
    "file": who(server(from_file)),
    "password": who(logged_in),
    "wrong_password": outcome(server, format_credential(username=GIVEN.account, password="x")),
    "nobody": outcome(server(None).get_authn_session),
    "unknown_token": outcome(server(format_credential(oauth2_token="x")).get_authn_session),
    "attributes": sorted(a["id"] for a in session["attributes"]),
    "is_private": Path(DEFAULT_CREDENTIAL_FILE).stat().st_mode & 0o077,
}

# What each may do, and that rows say who wrote them.
catalog = logged_in.create_ermrest_catalog()
schema = catalog.getCatalogModel().create_schema(Schema.define("s"))
schema.create_table(Table.define("T", [Column.define("c", builtin_types.text)]))
catalog.getPathBuilder().s.T.insert([{"c": "x"}])
through_cookie = server(cookie).connect_ermrest(catalog.catalog_id)
anonymous = server(None).connect_ermrest(catalog.catalog_id)
facts["closed"] = [outcome(through_cookie.get, "/schema"), outcome(anonymous.get, "/schema")]
model = catalog.getCatalogModel()
model.acls["enumerate"] = ["*"]
model.acls["select"] = [GIVEN.group]
model.apply()
known = who(logged_in)
row = through_cookie.get("/entity/s:T").json()[0]
facts |= {
    "seen_by_a_group": [row["c"], row["RCB"] == known],
    "seen_by_nobody": [
        sorted(anonymous.getCatalogModel().schemas),
        outcome(anonymous.get, "/entity/s:T"),
    ],
    "owner": catalog.get("/").json()["acls"]["owner"] == [known],
    "cannot_change": outcome(through_cookie.post, "/entity/s:T", json=[{"c": "y"}]),
}

# What a client says about itself may be long, and anything.
chatty = DerivaServer(GIVEN.scheme, GIVEN.host, bearer)
chatty.dcctx = DerivaClientContext({"cid": "test", "action": "x" * 6000, "é": ["ü", {"a": None}]})
facts["context"] = who(chatty)
tell(**facts)
