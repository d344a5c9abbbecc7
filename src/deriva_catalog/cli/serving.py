"""``deriva-catalog serve``: its words, and what it prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..server.serving import Announcement

__all__ = ["add_serve", "serve"]

_MORE = """

Without options the catalogs of this machine are served to its own users, at
http://localhost:8080, with a link that logs you in.

  deriva-catalog serve                              to try it, or for one's own browser
  deriva-catalog serve --port 9000 --tls            with a certificate of this machine's own
  deriva-catalog serve --host 0.0.0.0 --cert chain.pem --key key.pem --workers 4
                                                    to a team, from this machine's disk
  deriva-catalog serve --database postgresql://deriva@db/deriva --unix-socket /run/deriva.sock
                                                    from PostgreSQL, behind nginx

Programs reach it with connect("localhost:8080", "digits") or ERMrest clients such as deriva-py.

Everything can stand in a file, too (service.toml beside the catalogs, or --config FILE), and in
the environment (DERIVA_SERVICE_PORT=9000). The command line goes before the environment, that
before the file. The manual lists all settings: limits, who may create catalogs, proxies.

Stop it with Ctrl-C or SIGTERM: running requests are finished, new ones refused.
"""
_FILES = ("unix_socket", "cert", "key", "home", "files", "tokens_file")
_SHOWN = 10


def add_serve(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    made = command("serve", "serve catalogs over HTTP", _MORE)
    add = made.add_argument
    add("--host", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, help="port to listen on; 0 for any (default: 8080)")
    add("--unix-socket", metavar="PATH", help="listen on a socket in the file system instead")
    add(
        "--tls",
        action="store_true",
        default=None,
        help="with a certificate that is made for this machine",
    )
    add("--cert", metavar="FILE", help="certificate chain in PEM")
    add("--key", metavar="FILE", help="its private key")
    add(
        "--insecure",
        action="store_true",
        default=None,
        help="serve other machines without TLS, as behind a proxy that speaks it",
    )
    add("--database", metavar="URL", help="serve the catalogs of a PostgreSQL database")
    add("--files", metavar="DIR", help="where the files (objects) of its catalogs lie")
    add("--objects", metavar="URL", help="store for the files of new catalogs: s3://bucket/prefix")
    add("--home", metavar="DIR", help="serve the catalogs below this directory")
    add("--workers", type=int, metavar="N", help="processes that share the work (default: 1)")
    add("--tokens-file", metavar="FILE", help="bearer tokens of programs, as digests")
    add("--access-log", metavar="FILE", help="write JSON lines there; '-' for standard error")
    add("--log-level", choices=("debug", "info", "warning", "error"), help="default: info")
    add("--config", metavar="FILE", help="settings in TOML (default: service.toml in the home)")


def serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from ..catalog.registry import default_home
    from ..server.configuration import read_configuration
    from ..server.serving import serve as run

    given = vars(options)
    words = {n: v for n, v in given.items() if n not in ("command", "json", "config")}
    words |= {n: Path(words[n]).expanduser() for n in _FILES if words.get(n) is not None}
    home = words.get("home") or default_home()
    file = None if options.config is None else Path(options.config).expanduser()
    configuration = read_configuration(home, file, os.environ, words)
    return run(configuration, _print_json if options.json else _print)


def _print_json(announcement: Announcement) -> None:
    told = {
        "url": announcement.url,
        "login_url": announcement.login_url,
        "user": announcement.user,
        "catalogs": list(announcement.catalogs),
        "certificate": None if announcement.certificate is None else str(announcement.certificate),
    }
    print(json.dumps(told), flush=True)


def _print(announcement: Announcement) -> None:
    _, _, address = announcement.url.partition("://")
    names = announcement.catalogs
    example = names[0] if names else "NAME"
    print(f"The catalogs in {announcement.place} are served at {announcement.url}")
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        print(f"  catalogs  {', '.join(names[:_SHOWN])}{more}")
    else:
        print("  catalogs  none yet; make one: deriva-catalog init NAME")
    if announcement.login_url is not None:
        print(f"  log in    {announcement.login_url}")
        print(f"            (in a browser, once, within an hour, as {announcement.user!r})")
        print(f"            deriva-catalog login {announcement.url} --own   (for programs)")
    else:
        print("  accounts  deriva-catalog user add NAME --database URL")
        print(f"  log in    deriva-catalog login {announcement.url}")
    print(f'  connect   connect("{address}", "{example}")')
    if announcement.certificate is not None:
        print(f"  trust     SSL_CERT_FILE={announcement.certificate}")
    print("  stop      Ctrl-C", flush=True)
    sys.stdout.flush()
