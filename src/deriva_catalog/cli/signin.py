"""``deriva-catalog login``, ``logout``, ``whoami`` and ``token``: this user at servers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .output import print_json, print_table
from .passwords import password_of, secret_from

if TYPE_CHECKING:
    from ..catalog.signin.native import Prompt

__all__ = ["SIGNIN_COMMANDS", "add_signin"]

_LOGIN = """

HOST is what is written in connect(): 'catalog.example.org', 'localhost:8080', or a URL. What
proves who you are is kept in ~/.deriva/credential.json, where DerivaML, deriva-py and this command
find it; only you can read it.

  deriva-catalog login catalog.example.org             asks for a name and a password, or opens
                                                       the browser, as the server has it
  deriva-catalog login catalog.example.org --device    shows a code for a browser elsewhere, as
                                                       over SSH
  deriva-catalog login catalog.example.org --token     asks for an access token that you have
  deriva-catalog login localhost:8080 --own            as this machine's own user, at a service
                                                       of this machine's own catalogs
  deriva-catalog login 'http://localhost:8080/authn/link?token=...'
                                                       by a login link

Scripts and CI need no login: set DERIVA_HOST to the host and DERIVA_TOKEN to an access token.
"""
_LOGOUT = """

Ends the session at the server and forgets the credential. An access token is only forgotten here;
'token revoke' makes it useless everywhere.
"""
_WHOAMI = """

Tells your id, which is what access control lists name, your groups, and how long the login lasts.
Without HOST: all hosts that you have a credential for. The exit status is 1 if you are not
logged in.
"""
_TOKEN = """

A token stands for you, with all your rights or a part of them, until it ends or is revoked. Its
secret is shown once, when it is made.

  deriva-catalog token create HOST nightly --days 30 --catalog 7
  deriva-catalog token create HOST dashboard --read-only
  deriva-catalog token list HOST
  deriva-catalog token revoke HOST 1a2b3c4d
"""

_HOST = "the server, as it was written to log in"

Command = Callable[[argparse.Namespace], int]


def add_signin(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    login = command("login", "log in to a server", _LOGIN)
    login.add_argument("host", metavar="HOST", help="the server, or a login link")
    login.add_argument("--name", help="the login name; default: asked for")
    way = login.add_mutually_exclusive_group()
    way.add_argument("--password-stdin", action="store_true", help="read the password from a pipe")
    way.add_argument("--token", action="store_true", help="ask for an access token")
    way.add_argument("--token-stdin", action="store_true", help="read an access token from a pipe")
    way.add_argument("--device", action="store_true", help="enter a code in a browser elsewhere")
    way.add_argument("--browser", action="store_true", help="log in in this machine's browser")
    way.add_argument(
        "--own", action="store_true", help="at a service of this machine's catalogs, as its user"
    )
    logout = command("logout", "log out of a server", _LOGOUT)
    logout.add_argument("host", metavar="HOST", help=_HOST)
    whoami = command("whoami", "tell who you are at a server", _WHOAMI)
    whoami.add_argument("host", metavar="HOST", nargs="?", help="default: all that you know")
    _add_token(command("token", "make, list and revoke access tokens", _TOKEN))


def _add_token(token: argparse.ArgumentParser) -> None:
    actions = token.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a token and show its secret, once")
    create.add_argument("host", metavar="HOST", help=_HOST)
    create.add_argument("name", metavar="NAME", help="what it is for")
    create.add_argument(
        "--days", type=float, help="how long it is good (default: as the server has it, 90)"
    )
    create.add_argument("--read-only", action="store_true", help="it can change nothing")
    create.add_argument(
        "--catalog",
        action="append",
        default=[],
        metavar="ID",
        help="it opens only this catalog (may be repeated)",
    )
    create.add_argument(
        "--objects",
        action="append",
        default=[],
        metavar="NAME",
        help="it opens only objects at or below this name ('/hatrac/lab')",
    )
    listed = actions.add_parser("list", help="list your tokens, without their secrets")
    listed.add_argument("host", metavar="HOST", help=_HOST)
    revoke = actions.add_parser("revoke", help="make a token useless")
    revoke.add_argument("host", metavar="HOST", help=_HOST)
    revoke.add_argument("id", metavar="ID", help="as 'token list' shows it")
    for action in (create, listed, revoke):
        # SUPPRESS: '--json' before the action counts too.
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
        )


# --- login, logout, whoami ---------------------------------------------------------------


def _login(options: argparse.Namespace) -> int:
    session = _logged_in(options)
    if options.json:
        print_json(session)
    else:
        _tell_session(options.host.partition("/authn/")[0], session)
    return 0


def _logged_in(options: argparse.Namespace) -> Mapping[str, Any]:
    """Log in as the options say, or as the server has it."""
    from ..catalog import signin

    host: str = options.host
    base, is_link, secret = host.partition("/authn/link?token=")
    if is_link:
        return signin.log_in_by_link(base, secret)
    if options.own:
        return signin.log_in_by_link(host, _own_link())
    if options.token or options.token_stdin:
        token = secret_from(f"Access token for {host}: ", from_stdin=options.token_stdin)
        return signin.log_in_by_token(host, token)
    if options.device:
        return signin.log_in_by_device(host, _tell_code)
    ways = signin.ways_to_log_in(host)
    named = options.name or options.password_stdin
    if options.browser or (not named and not ways.password and ways.native is not None):
        return signin.log_in_in_browser(host, _open_page)
    name = options.name or _asked_name(host)
    password = password_of(f"{name} at {host}", from_stdin=options.password_stdin)
    return signin.log_in_by_password(host, name, password)


def _own_link() -> str:
    """A login link of this machine's own user, which its service will know."""
    from contextlib import closing

    from ..catalog.opening import default_client
    from ..catalog.registry import default_home
    from ..server.authn.sessions import Sessions

    with closing(Sessions.of_home(default_home())) as sessions:
        return sessions.link_for(default_client(), seconds=60)


def _asked_name(host: str) -> str:
    from ..errors import BadRequest

    if not sys.stdin.isatty():
        raise BadRequest("There is no terminal to type a name at.", hint="Give it with --name.")
    return input(f"Name at {host}: ").strip()


def _tell_code(prompt: Prompt) -> None:
    print(f"Open {prompt.short_url} in a browser and enter {prompt.code}", file=sys.stderr)
    if prompt.url != prompt.short_url:
        print(f"or open {prompt.url}", file=sys.stderr)


def _open_page(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        print(f"Open this page in a browser of this machine:\n{url}", file=sys.stderr)


def _logout(options: argparse.Namespace) -> int:
    from ..catalog import signin

    gone = signin.log_out(options.host)
    if options.json:
        print_json({"host": options.host, "logged_out": gone})
    else:
        print(f"You are logged out of {options.host}." if gone else "You were not logged in there.")
    return 0


def _whoami(options: argparse.Namespace) -> int:
    from ..catalog import signin
    from ..catalog.credentials import known_hosts

    if options.host is None:
        return _everywhere(known_hosts(), as_json=options.json)
    session = signin.session_at(options.host)
    if options.json:
        print_json(session)
    elif session is None:
        print(f"You are not logged in at {options.host}.", file=sys.stderr)
    else:
        _tell_session(options.host, session)
    return 0 if session is not None else 1


def _everywhere(hosts: list[str], *, as_json: bool) -> int:
    from ..catalog import signin
    from ..errors import CatalogError

    found: dict[str, Any] = {}
    for host in hosts:
        try:
            session = signin.session_at(host)
            found[host] = session["client"]["id"] if session else None
        except CatalogError as error:
            found[host] = {"problem": error.message}
    if as_json:
        print_json(found)
    elif not found:
        print("You are not logged in anywhere. Log in: deriva-catalog login HOST", file=sys.stderr)
    else:
        rows = [
            (host, who["problem"] if isinstance(who, dict) else who or "not logged in any more")
            for host, who in found.items()
        ]
        print_table(("host", "you are"), rows)
    return 0 if found else 1


def _tell_session(host: str, session: Mapping[str, Any]) -> None:
    client = session["client"]
    name = client.get("full_name") or client.get("display_name") or client["id"]
    print(f"You are {name} at {host}")
    print(f"  id      {client['id']}")
    for attribute in session.get("attributes", ()):
        if attribute["id"] != client["id"]:
            what = "also" if attribute.get("identities") else "group"
            print(f"  {what:<6}  {attribute['id']}  {attribute.get('display_name') or ''}".rstrip())
    scope = session.get("scope")
    if scope:
        limits = ["only reading"] if scope["read_only"] else []
        limits += [f"only catalog {c}" for c in scope["catalogs"]]
        limits += [f"only {name}" for name in scope["objects"]]
        print(f"  token   {', '.join(limits)}")
    if session.get("expires"):
        print(f"  until   {session['expires']}")


# --- tokens ------------------------------------------------------------------------------


def _token(options: argparse.Namespace) -> int:
    return _TOKEN_ACTIONS[options.action](options)


def _create(options: argparse.Namespace) -> int:
    from ..catalog import signin

    made = signin.create_token(
        options.host,
        options.name,
        days=options.days,
        read_only=options.read_only,
        catalogs=options.catalog,
        objects=options.objects,
    )
    if options.json:
        print_json(made)
    else:
        print(made["token"])
        print(
            f"This is token {made['id']}, good until {made['expires']}. It is not shown again.",
            file=sys.stderr,
        )
    return 0


def _list(options: argparse.Namespace) -> int:
    from ..catalog import signin

    found = signin.list_tokens(options.host)
    if options.json:
        print_json(found)
        return 0
    if not found:
        print("You have no tokens there. Make one: deriva-catalog token create HOST NAME")
        return 0
    rows = [
        (t["id"], t["name"], _shown_scope(t["scope"]), t["expires"], t["last_used"] or "never")
        for t in found
    ]
    print_table(("id", "name", "scope", "expires", "last used"), rows)
    return 0


def _shown_scope(scope: Mapping[str, Any]) -> str:
    places = [*(f"catalog {c}" for c in scope["catalogs"]), *scope["objects"]]
    parts = (["read only"] if scope["read_only"] else []) + places
    return ", ".join(parts) or "everything"


def _revoke(options: argparse.Namespace) -> int:
    from ..catalog import signin

    signin.revoke_token(options.host, options.id)
    if options.json:
        print_json({"revoked": options.id})
    else:
        print(f"Token {options.id} is revoked.")
    return 0


_TOKEN_ACTIONS: dict[str, Command] = {"create": _create, "list": _list, "revoke": _revoke}

SIGNIN_COMMANDS: dict[str, Command] = {
    "login": _login,
    "logout": _logout,
    "whoami": _whoami,
    "token": _token,
}
"""The commands by name."""
