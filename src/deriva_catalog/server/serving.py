"""Serving catalogs until told to stop: what ``deriva-catalog serve`` does."""

from __future__ import annotations

import logging
import resource
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from ..catalog.opening import default_client
from ..catalog.registry import Registry, default_home
from ..errors import Unavailable
from ..objects.placing import try_place
from .accesslog import AccessLog
from .app import App
from .authn.listening import keep_address
from .authn.sessions import Sessions as Logins
from .authn.settings import read_settings
from .certificates import own_certificate
from .configuration import Configuration
from .metrics import Metrics
from .routing import ROUTES
from .running import listening, listening_unix, make_server
from .service import Service, Sessions
from .tokenfile import TokenFile
from .transactions import Transactions
from .workers import work_together

__all__ = ["Announcement", "serve"]

_MOST_FILES = 65_536
_EVERY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Announcement:
    """What there is to tell when a service has begun to listen.

    Attributes:
        url: Where it is.
        login_url: A link that logs this machine's own user in, once; None for a database.
        user: Who that is.
        catalogs: The identifiers and aliases of the first catalogs.
        place: The directory or database that they are in.
        certificate: The file that a client must trust, if the service made its own.
    """

    url: str
    login_url: str | None
    user: str
    catalogs: tuple[str, ...]
    place: str
    certificate: Path | None


def serve(configuration: Configuration, tell: Callable[[Announcement], None]) -> int:
    """Serve until told to stop by a signal; returns the exit status.

    Args:
        configuration: What and where.
        tell: Called once, when clients can connect.

    Raises:
        Unavailable: the address is in use, or the database or the store cannot be reached.
        BadRequest: a file of tokens or of settings is malformed, or the URL of the store for
            files.
    """
    _allow_many_files()
    _try_objects(configuration)
    certificate = None
    if configuration.tls:
        certificate, key = own_certificate(_home(configuration) / "tls")
        configuration = replace(configuration, tls=False, cert=certificate, key=key)
    with ExitStack() as stack:
        listener = stack.enter_context(closing(_listening(configuration)))
        if configuration.unix_socket is not None:
            stack.callback(configuration.unix_socket.unlink, missing_ok=True)
        announcement = _announcement(configuration, listener, certificate)
        metrics = Metrics(configuration.settings.workers)
        tell(announcement)

        def work(number: int) -> int:
            metrics.use(number)
            return _work(configuration, listener, metrics)

        if configuration.settings.workers == 1:
            return work(0)
        return work_together(
            configuration.settings.workers, work, configuration.settings.shutdown_seconds
        )


def _work(configuration: Configuration, listener: socket.socket, metrics: Metrics) -> int:
    """Serve in this process."""
    _log_to(sys.stderr, configuration.log_level)
    with ExitStack() as stack:
        logins = stack.enter_context(closing(_logins(configuration)))
        sessions: Sessions = logins
        if configuration.tokens_file is not None:
            sessions = TokenFile(configuration.tokens_file, logins)
        registry = stack.enter_context(closing(_registry(configuration)))
        service = Service(registry, sessions, ROUTES, configuration.settings)
        log = _access_log(configuration.access_log, stack)
        app = App(service, Transactions(service, log), metrics=metrics, access_log=log)
        server = make_server(
            app,
            cert=configuration.cert,
            key=configuration.key,
            behind_socket=configuration.unix_socket is not None,
        )
        server.run(sockets=[listener])
    return 0


# --- what is served ----------------------------------------------------------------------


def _home(configuration: Configuration) -> Path:
    return default_home() if configuration.home is None else configuration.home.absolute()


def _registry(configuration: Configuration) -> Registry:
    if configuration.database is None:
        made = Registry(_home(configuration))
    else:
        made = Registry.of_database(configuration.database, configuration.files)
    made.objects = configuration.objects
    return made


def _try_objects(configuration: Configuration) -> None:
    """See that the store for files can be used, before anybody counts on it.

    A process that has used a bucket must not fork, so before several workers another one tries.
    """
    if configuration.objects is None:
        return
    if configuration.settings.workers == 1:
        try_place(configuration.objects)
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        other.submit(try_place, configuration.objects).result()


def _logins(configuration: Configuration) -> Logins:
    settings = read_settings(_home(configuration), configuration.settings.origins)
    if configuration.database is None:
        return Logins.of_home(_home(configuration), settings)
    return Logins.of_database(configuration.database, settings)


def _announcement(
    configuration: Configuration, listener: socket.socket, certificate: Path | None
) -> Announcement:
    """What to tell; finding it out shows that everything can be reached."""
    url = _url(configuration, listener)
    user = default_client()
    login = None
    with closing(_registry(configuration)) as registry:
        names = tuple(c.aliases[0] if c.aliases else c.id for c in registry.catalogs())
        place = registry.places.shown
    if configuration.tokens_file is not None:
        TokenFile(configuration.tokens_file)
    with closing(_logins(configuration)) as logins:
        if configuration.unix_socket is None:  # no browser opens a link to a socket
            keep_address(logins.store, url)
        if configuration.database is None:
            login = f"{url}/authn/link?token={quote(logins.link_for(user))}"
    return Announcement(url, login, user, names, place, certificate)


def _url(configuration: Configuration, listener: socket.socket) -> str:
    if configuration.unix_socket is not None:
        return f"http+unix://{quote(str(configuration.unix_socket), safe='')}"
    scheme = "https" if configuration.is_secure else "http"
    host = configuration.host
    if host in _EVERY_ADDRESS:
        host = socket.gethostname()
    elif host in ("127.0.0.1", "::1"):
        host = "localhost"  # cookies of some clients do not reach an address
    elif ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{listener.getsockname()[1]}"


# --- what it runs on ---------------------------------------------------------------------


def _listening(configuration: Configuration) -> socket.socket:
    if configuration.unix_socket is not None:
        return listening_unix(configuration.unix_socket)
    return listening(configuration.host, configuration.port)


def _allow_many_files() -> None:
    """Let this process have as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log_to(stream: TextIO, level: str) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("deriva_catalog")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    server = logging.getLogger("uvicorn.error")
    server.handlers = [handler]
    server.setLevel("WARNING")
    server.propagate = False


def _access_log(place: str | None, stack: ExitStack) -> AccessLog | None:
    if place is None:
        return None
    if place == "-":
        return AccessLog(sys.stderr)
    try:
        return AccessLog(stack.enter_context(Path(place).open("a", encoding="utf-8")))
    except OSError as error:
        raise Unavailable(f"The access log {place!r} cannot be written: {error}.") from error
