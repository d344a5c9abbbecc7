"""Running the service: sockets, the HTTP server, starting and stopping."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import Unavailable
from .accesslog import AccessLog
from .app import App
from .service import Service
from .transactions import Transactions

if TYPE_CHECKING:
    import uvicorn

__all__ = ["Running"]


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
        self._service = service
        self._socket = listening(host, port)
        self._app = App(service, Transactions(service), access_log=access_log)
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
        made.listen(2048)
    except OSError as error:
        made.close()
        raise Unavailable(
            f"The service cannot listen at {host}:{port}: {error}.",
            hint="Choose another port with --port, or stop what uses it.",
        ) from error
    return made


def make_server(app: App) -> uvicorn.Server:
    """The HTTP server for an application.

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
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=int(settings.idle_seconds),
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
    )
    return uvicorn.Server(config)
