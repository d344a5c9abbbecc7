"""``deriva-catalog user`` and ``group``: who may log in to the service of this machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import print_json, print_table
from .passwords import new_password

if TYPE_CHECKING:
    from ..server.authn.sessions import Sessions
    from ..server.authn.storage import AuthnStore

__all__ = ["USER_COMMANDS", "add_users"]

_USER = """

For whoever keeps the service: it works on the files (or the database) of the catalogs, on the
machine where they are, while the service runs or not. People who log in with a provider such as
Globus need no account.

  deriva-catalog user add kim --full-name 'Kim Doe'    asks for a password
  deriva-catalog user add robot --no-password          only tokens and login links open it
  deriva-catalog user link kim --url https://catalog.example.org
                                                       a link that logs kim in, once, within an
                                                       hour
  deriva-catalog user lock https://auth.globus.org/ID  shuts out somebody, also of a provider

The login name is what access control lists name. A catalog is its owner's alone until they say
what others may do, in Python; the manual's page 'Who may do what' has the rest:

  from deriva_catalog import connect
  from deriva_catalog.interface import Address
  catalog = connect("localhost", "digits")
  catalog.set_acl(Address(), "select", ["kim", "group:curators"])        may read
  catalog.set_acl(Address("lab", "Image"), "insert", ["kim"])            may add rows to a table
"""
_GROUP = """

Access control lists name a group 'group:NAME' ('deriva-catalog user --help' shows how). Members are
login names, or the ids of people who come from a provider, as 'whoami' shows them.

  deriva-catalog group add curators kim ada            makes the group if it is not there
  deriva-catalog group add curators https://auth.globus.org/ID
  deriva-catalog group remove curators ada             takes ada out
  deriva-catalog group remove curators                 removes the group
"""

Command = Callable[[argparse.Namespace], int]
Adder = Callable[[str, str], argparse.ArgumentParser]

_USUAL_URL = "http://localhost:8080"
_MEMBER = "a login name, or the id of somebody of a provider"


def add_users(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    user = _adder(command("user", "manage the accounts of the service of this machine", _USER))
    add = user("add", "make an account")
    add.add_argument("name", metavar="NAME", help="the login name")
    add.add_argument("--full-name", metavar="TEXT", help="the person's name")
    add.add_argument("--email", help="where the person is reached")
    secret = add.add_mutually_exclusive_group()
    secret.add_argument(
        "--no-password", action="store_true", help="only tokens and login links open it"
    )
    secret.add_argument("--password-stdin", action="store_true", help="read it from a pipe")
    add.add_argument(
        "--again",
        action="store_true",
        help="the name was used before, by the same person: what it owned belongs to it",
    )
    user("list", "list the accounts")
    passwd = user("passwd", "give an account another password; its sessions end")
    passwd.add_argument("name", metavar="NAME")
    passwd.add_argument("--password-stdin", action="store_true", help="read it from a pipe")
    lock = user("lock", "shut somebody out; sessions end, tokens do not work")
    lock.add_argument("name", metavar="NAME|ID", help=_MEMBER)
    unlock = user("unlock", "let somebody in again")
    unlock.add_argument("name", metavar="NAME|ID", help=_MEMBER)
    remove = user("remove", "remove an account, its sessions and tokens")
    remove.add_argument("name", metavar="NAME")
    link = user("link", "make a link that logs somebody in, once")
    link.add_argument("name", metavar="NAME")
    link.add_argument(
        "--url",
        help="where people reach the service (default: 'public_url' of authn.toml, or else where "
        f"it was last started, or else {_USUAL_URL})",
    )
    group = _adder(command("group", "manage groups of people", _GROUP))
    joined = group("add", "put people into a group")
    joined.add_argument("name", metavar="GROUP", help="made if it is not there")
    joined.add_argument("members", metavar="MEMBER", nargs="*", help=_MEMBER)
    joined.add_argument("--title", help="what people read; default: its name")
    left = group("remove", "take people out of a group, or remove it")
    left.add_argument("name", metavar="GROUP")
    left.add_argument(
        "members",
        metavar="MEMBER",
        nargs="*",
        help="who leaves; without any, the group itself goes",
    )
    group("list", "list the groups and their members")


def _adder(parser: argparse.ArgumentParser) -> Adder:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        place = made.add_mutually_exclusive_group()
        place.add_argument(
            "--home",
            metavar="DIR",
            help="the directory of the catalogs (default: those of this machine)",
        )
        place.add_argument(
            "--database", metavar="URL", help="or the PostgreSQL database that is served"
        )
        made.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
        )
        return made

    return add


@contextmanager
def _logins(options: argparse.Namespace) -> Iterator[Sessions]:
    from ..catalog.registry import default_home
    from ..server.authn.sessions import Sessions

    if options.database is not None:
        found = Sessions.of_database(options.database)
    else:
        home = default_home() if options.home is None else Path(options.home).expanduser()
        found = Sessions.of_home(home)
    try:
        yield found
    finally:
        found.close()


def _done(options: argparse.Namespace, text: str, **facts: Any) -> int:
    if options.json:
        print_json({"name": options.name, **facts})
    else:
        print(text)
    return 0


def _user(options: argparse.Namespace) -> int:
    with _logins(options) as logins:
        return _USER_ACTIONS[options.action](options, logins)


def _group(options: argparse.Namespace) -> int:
    with _logins(options) as logins:
        return _GROUP_ACTIONS[options.action](options, logins.store)


# --- accounts ----------------------------------------------------------------------------


def _add(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import add_account

    password = None
    if not options.no_password:
        password = new_password(options.name, from_stdin=options.password_stdin)
    add_account(
        logins.store,
        options.name,
        password,
        now=time.time(),
        full_name=options.full_name,
        email=options.email,
        again=options.again,
    )
    return _done(options, f"{options.name} can log in now.", added=True)


def _list_users(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import list_accounts

    found = list_accounts(logins.store)
    if options.json:
        print_json([asdict(account) for account in found])
        return 0
    if not found:
        print("There are no accounts yet. Make one: deriva-catalog user add NAME")
        return 0
    rows = [
        (
            a.name,
            a.full_name or "",
            a.email or "",
            "locked" if a.locked else "password" if a.has_password else "no password",
            _shown_time(a.last_login),
        )
        for a in found
    ]
    print_table(("name", "full name", "email", "state", "last login"), rows)
    return 0


def _passwd(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import set_password

    password = new_password(options.name, from_stdin=options.password_stdin)
    set_password(logins.store, options.name, password)
    return _done(options, f"{options.name} has another password.", changed=True)


def _lock(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import lock_client

    locked = options.action == "lock"
    lock_client(logins.store, options.name, locked=locked)
    text = f"{options.name} is shut out." if locked else f"{options.name} can log in again."
    return _done(options, text, locked=locked)


def _remove(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import remove_account

    remove_account(logins.store, options.name)
    return _done(options, f"The account {options.name} is removed.", removed=True)


def _link(options: argparse.Namespace, logins: Sessions) -> int:
    from ..server.authn.accounts import client_named
    from ..server.authn.listening import known_address

    client = client_named(logins.store, options.name)
    assert client.id is not None
    told = options.url or logins.settings.public_url
    base = told or known_address(logins.store) or _USUAL_URL
    url = f"{base.rstrip('/')}/authn/link?token={logins.link_for(client.id)}"
    return _done(options, url, url=url)


# --- groups ------------------------------------------------------------------------------


def _join(options: argparse.Namespace, store: AuthnStore) -> int:
    from ..server.authn.accounts import add_to_group

    members = tuple(options.members)
    add_to_group(store, options.name, members, now=time.time(), title=options.title)
    return _done(options, f"Lists name this group 'group:{options.name}'.", added=members)


def _leave(options: argparse.Namespace, store: AuthnStore) -> int:
    from ..server.authn.accounts import remove_from_group, remove_group

    if options.members:
        remove_from_group(store, options.name, tuple(options.members))
        return _done(options, f"{options.name} stays without them.", removed=options.members)
    remove_group(store, options.name)
    return _done(options, f"The group {options.name} is removed.", removed=True)


def _list_groups(options: argparse.Namespace, store: AuthnStore) -> int:
    from ..server.authn.accounts import list_groups

    found = list_groups(store)
    if options.json:
        print_json([asdict(group) for group in found])
    elif not found:
        print("There are no groups yet. Make one: deriva-catalog group add GROUP MEMBER")
    else:
        rows = [(f"group:{g.name}", g.title, ", ".join(g.members)) for g in found]
        print_table(("role", "title", "members"), rows)
    return 0


def _shown_time(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="minutes")


_USER_ACTIONS: dict[str, Callable[[argparse.Namespace, Sessions], int]] = {
    "add": _add,
    "list": _list_users,
    "passwd": _passwd,
    "lock": _lock,
    "unlock": _lock,
    "remove": _remove,
    "link": _link,
}
_GROUP_ACTIONS: dict[str, Callable[[argparse.Namespace, AuthnStore], int]] = {
    "add": _join,
    "remove": _leave,
    "list": _list_groups,
}

USER_COMMANDS: dict[str, Command] = {"user": _user, "group": _group}
"""The commands by name."""
