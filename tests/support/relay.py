"""A relay between a client and a server, which cuts connections when it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Passes connections on to `target`, a port of this machine.

    Attributes:
        target: The port.
        cut_requests_after: Cut a connection after that many bytes of requests; None for never.
        cut_answers_after: The same, of answers.
        cuts: How often that may still happen.
        refuses: Whether connections are closed as soon as they are made.
    """

    target: int
    cut_requests_after: int | None = None
    cut_answers_after: int | None = None
    cuts: int = 1_000_000
    refuses: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> Relay:
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self.cut()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def cut(self) -> None:
        """Cut all connections that are open."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self.refuses:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            with self._lock:
                self._open |= {near, far}
            for source, target, name in (
                (near, far, "cut_requests_after"),
                (far, near, "cut_answers_after"),
            ):
                threading.Thread(
                    target=self._pass, args=(source, target, name), daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, name: str) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
                passed += len(piece)
                if self._is_over(getattr(self, name), passed):
                    break
        with self._lock:
            self._open -= {source, target}
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _is_over(self, limit: int | None, passed: int) -> bool:
        with self._lock:
            if limit is None or passed <= limit or self.cuts <= 0:
                return False
            self.cuts -= 1
            return True
