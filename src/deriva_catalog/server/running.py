"""Running the service: sockets, the HTTP server, starting and stopping."""

from __future__ import annotations

import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from ..errors import Unavailable
from .accesslog import AccessLog
from .app import App
from .service import Service
from .transactions import Transactions

if TYPE_CHECKING:
    import uvicorn

__all__ = ["Running", "listening", "listening_unix", "make_server"]

_QUEUED = 2048


class Running:
    """A service that answers on a socket, in a thread of this process, inside ``with``."""

    def __init__(
        self,
        service: Service,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        access_log: AccessLog | None = None,
    ) -> None:
        self._socket = listening(host, port)
        self._app = App(service, Transactions(service, access_log), access_log=access_log)
        self._server = make_server(self._app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="service"
        )

    @property
    def port(self) -> int:
        """The port that the service listens on."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._app.stop()
        self._server.should_exit = True
        self._thread.join()


def listening(host: str, port: int) -> socket.socket:
    """A socket that connections to an address queue at, from now on.

    Raises:
        Unavailable: the address is not of this machine, or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(_QUEUED)
    except OSError as error:
        made.close()
        raise Unavailable(
            f"The service cannot listen at {host}:{port}: {error}.",
            hint="Choose another port with --port, or stop what uses it.",
        ) from error
    return made


def listening_unix(place: Path) -> socket.socket:
    """A socket in the file system, which only this user and its group may connect to.

    Raises:
        Unavailable: the socket cannot be made there, or another service listens on it.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(place)
        made.bind(str(place))
        place.chmod(0o660)
        made.listen(_QUEUED)
    except OSError as error:
        made.close()
        raise Unavailable(
            f"The service cannot listen at {str(place)!r}: {error}.",
            hint="Choose another path with --unix-socket, or stop what uses it.",
        ) from error
    return made


def _remove_abandoned(place: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    if not place.exists() or not stat.S_ISSOCK(place.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(str(place))
        except ConnectionRefusedError:
            place.unlink()


def make_server(
    app: App,
    *,
    cert: Path | None = None,
    key: Path | None = None,
    behind_socket: bool = False,
) -> uvicorn.Server:
    """The HTTP server for an application.

    Args:
        app: What answers.
        cert: The certificate chain, if it speaks TLS ...
        key: ... and the private key.
        behind_socket: Whether clients come through a proxy and a socket in the file system:
            then the proxy's word is taken for who they are.

    Raises:
        Unavailable: the packages for it are not installed.
    """
    try:
        import uvicorn

        from .protocol import http_protocol
    except ImportError as error:
        raise Unavailable(
            "Serving catalogs needs packages that are not installed.",
            hint="Install them: pip install 'derivaml[server]'.",
        ) from error
    settings = app.service.settings
    proxies = ["*"] if behind_socket else list(settings.trusted_proxies)
    config = uvicorn.Config(
        app,
        http=http_protocol(
            head_seconds=settings.head_seconds,
            head_bytes=settings.head_bytes,
            answer_seconds=settings.answer_seconds,
        ),
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=int(settings.idle_seconds),
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        ssl_certfile=cert,
        ssl_keyfile=key,
    )

    class Server(uvicorn.Server):
        """Stops when told to by a signal, and calls that a success."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return

            def stop(number: int, frame: FrameType | None) -> None:
                app.stop()
                self.force_exit = self.should_exit and number == signal.SIGINT
                self.should_exit = True

            before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server(config)
