"""The client's side of transactions over a WebSocket.

While a thread has a transaction open, all that it asks of the catalog goes through it, so that it
sees what it has written. Controls that begin or end a part are sent without waiting for their
answers, which come before the next one that is waited for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from ...errors import CatalogError, Conflict, Unavailable
from ...model.elements import Model
from .connection import Connection, Content, Received, Repeat
from .failures import error_of
from .frames import PIECE, SUBPROTOCOL, Control, pack, unpack

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["RemoteTransaction", "Transactions"]

_CLOSE_S = 1.0
_KEPT = 4
_open_here = threading.local()
"""Which catalogs this thread has a transaction open on: URL -> its owner."""


class Transactions:
    """The transactions on one catalog: one a thread at most, and connections kept for the next."""

    def __init__(self, connection: Connection, target: str, catalog: str) -> None:
        self._connection = connection
        self._target = target
        self._catalog = catalog
        self._local = threading.local()
        self._lock = threading.Lock()
        self._idle: list[tuple[int, ClientConnection]] = []

    @property
    def current(self) -> RemoteTransaction | None:
        """The transaction that this thread has open."""
        found: RemoteTransaction | None = getattr(self._local, "current", None)
        if found is not None and found.pid != os.getpid():
            return None  # a fork inside a transaction: it belongs to the parent
        return found

    @contextmanager
    def opened(self) -> Iterator[RemoteTransaction]:
        """A transaction, or a part of the one that this thread has open.

        Raises:
            Conflict: this thread has one open on the same catalog through another object.
            Unavailable: the connection was lost; then nothing was kept.
        """
        outer = self.current
        if outer is not None:
            with outer.part():
                yield outer
            return
        self.refuse_waiting_for_itself()
        begun = self._begun()
        self._local.current = begun
        _owners()[self._key] = self
        try:
            yield begun
        except BaseException:
            begun.undo()
            raise
        else:
            begun.commit()
        finally:
            self._local.current = None
            del _owners()[self._key]
            self._keep(begun)

    def refuse_waiting_for_itself(self) -> None:
        """Refuse to write beside a transaction of this thread, which would wait for its end.

        Raises:
            Conflict: there is one.
        """
        owner = _owners().get(self._key)
        if owner is not None and owner is not self:
            raise Conflict(
                f"This thread has a transaction open on catalog {self._catalog!r} through another "
                "object: writing beside it would wait for itself.",
                hint="Write through the object that the transaction was opened on.",
            )

    @property
    def _key(self) -> str:
        return self._connection.host.origin + self._target

    def _begun(self) -> RemoteTransaction:
        while (kept := self._take()) is not None:
            begun = RemoteTransaction(kept, self._connection, self._catalog)
            try:
                begun.begin()
            except Unavailable:
                if begun.is_usable:
                    raise
                continue  # it was closed while nobody used it
            return begun
        begun = RemoteTransaction(self._dial(), self._connection, self._catalog)
        begun.begin()
        return begun

    def _take(self) -> ClientConnection | None:
        with self._lock:
            while self._idle:
                pid, socket = self._idle.pop()
                if pid == os.getpid():
                    return socket
        return None

    def _keep(self, ended: RemoteTransaction) -> None:
        with self._lock:
            if ended.is_usable and len(self._idle) < _KEPT:
                self._idle.append((os.getpid(), ended.socket))
                return
        ended.close()

    def _dial(self) -> ClientConnection:
        from websockets.exceptions import InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect

        host, wait = self._connection.host, self._connection.timeouts
        try:
            dialled = connect(
                f"{host.websocket_origin}{self._target}",
                additional_headers=self._connection.authentication(),
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                ssl=self._connection.tls(),
                proxy=None if self._connection.is_loopback else True,
                open_timeout=wait.connect_s,
                close_timeout=_CLOSE_S,
                compression=None,
                max_size=None,
                user_agent_header="derivaml",
            )
            # What is entered is the connection, whichever way a release makes it.
            return dialled.__enter__()
        except InvalidStatus as error:
            answer = error.response
            raise error_of(
                answer.status_code,
                {name.lower(): value for name, value in answer.headers.raw_items()},
                bytes(answer.body or b""),
                asked=f"GET {self._key}",
                host=host.netloc,
            ) from error
        except (OSError, InvalidHandshake) as error:
            raise Unavailable(
                f"A transaction on catalog {self._catalog!r} of {host.origin} cannot be begun: "
                f"{error}.",
                hint="Check that the server runs, and that a proxy before it lets WebSockets pass.",
            ) from error

    def close(self) -> None:
        """Close the connections that no transaction uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for pid, socket in idle:
            if pid == os.getpid():
                socket.close()


class RemoteTransaction:
    """One writing transaction; what is sent through it is part of it."""

    def __init__(self, socket: ClientConnection, connection: Connection, catalog: str) -> None:
        self.socket = socket
        self.pid = os.getpid()
        self.model: Model | None = None
        self.changes_model = False
        self._connection = connection
        self._catalog = catalog
        self._unread = 0
        self._lost: Unavailable | None = None
        self._snaptime = ""

    @property
    def snaptime(self) -> str:
        """The snapshot that this transaction will be, if it commits."""
        return self._snaptime

    @property
    def is_usable(self) -> bool:
        """Whether the connection is in order and may serve another transaction."""
        return self._lost is None and not self._unread

    # --- life ------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin; waits until no other transaction on the catalog is open."""
        self._snaptime = str(self._control("begin")["snaptime"])

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that is undone as a whole when it fails."""
        self._post("begin")
        try:
            yield
        except BaseException:
            self.model = None
            if self._lost is None:
                self._post("undo")
            raise
        else:
            self._post("release")

    def commit(self) -> None:
        """Keep what was done.

        Raises:
            CatalogError: it cannot be kept, such as for a reference to nothing; it is undone.
            Unavailable: the connection was lost; the message says whether that is certain.
        """
        self._control("commit")

    def undo(self) -> None:
        """Undo what was done, as the end of the connection would."""
        if self._lost is not None:
            return
        try:
            self._control("undo")
        except CatalogError as error:
            self._lost = self._lost or Unavailable(str(error))

    def close(self) -> None:
        """Close the connection; a transaction that has not ended is undone."""
        self.socket.close()

    # --- messages --------------------------------------------------------------------

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request and take its answer; see `Connection.send`. It is never repeated."""
        del repeat
        header = {"method": method, "target": target, "headers": dict(headers or {})}
        return self._asked(header, content, f"{method} {target:.200}")[1]

    def stream(
        self, method: str, target: str, *, headers: Mapping[str, str], content: Content = b""
    ) -> Iterator[bytes]:
        """Send a request and yield the pieces of its answer, which is kept in memory meanwhile."""
        yield self.send(method, target, headers=headers, content=content).body

    def _control(self, control: Control) -> dict[str, Any]:
        return self._asked({"control": control}, b"", control)[0]

    def _post(self, control: Control) -> None:
        """Send a control and leave its answer for later."""
        with self._exchange(control):
            self._put({"control": control}, b"")
            self._unread += 1

    def _asked(
        self, header: dict[str, Any], content: Content, asked: str
    ) -> tuple[dict[str, Any], Received]:
        """Send a message and take the answers up to its own; the first failure is raised."""
        failed: CatalogError | None = None
        with self._exchange(asked):
            self._put(header, content)
            self._unread += 1
            while self._unread:
                answer, received = self._answer()
                self._unread -= 1
                if received.status >= 400 and failed is None:
                    failed = error_of(
                        received.status,
                        received.headers,
                        received.body,
                        asked=asked,
                        host=self._connection.host.netloc,
                    )
        if failed is not None:
            raise failed
        return answer, received

    def _put(self, header: dict[str, Any], content: Content) -> None:
        for body, more in _with_more(content):
            self.socket.send(pack({**header, "more": True} if more else header, body))
            header = {}

    def _answer(self) -> tuple[dict[str, Any], Received]:
        wait = self._connection.timeouts.read_s
        first, piece = unpack(self.socket.recv(timeout=wait))
        pieces, header = [piece], first
        while header.get("more"):
            header, piece = unpack(self.socket.recv(timeout=wait))
            pieces.append(piece)
        return first, Received(first["status"], first.get("headers", {}), b"".join(pieces))

    @contextmanager
    def _exchange(self, what: str) -> Iterator[None]:
        """Watch over a message and its answer: after a failure the connection is of no use."""
        from websockets.exceptions import ConnectionClosed

        if self._lost is not None:
            raise self._lost
        try:
            yield
        except ConnectionClosed as error:
            self._fail(what, error)
        except TimeoutError as error:
            self._fail(what, error)
        except BaseException:  # such as an interrupt: the answer would be taken for the next one
            self._lost = Unavailable(f"The transaction on {self._catalog!r} was interrupted.")
            self.socket.close()
            raise

    def _fail(self, what: str, error: Exception) -> NoReturn:
        why = str(error) or "no answer came in time"
        closed = getattr(error, "rcvd", None)
        if closed is not None and closed.reason:
            why = closed.reason
        if what == "commit":
            end = "It may have been kept or not: look before you repeat it."
        else:
            end = "Nothing of it was kept; do it again."
        self._lost = Unavailable(
            f"The transaction on catalog {self._catalog!r} of {self._connection.host.origin} was "
            f"lost: {why.rstrip('.')}.",
            hint=end,
        )
        self.socket.close()
        raise self._lost from error


def _owners() -> dict[str, Transactions]:
    found: dict[str, Transactions] | None = getattr(_open_here, "owners", None)
    if found is None:
        found = _open_here.owners = {}
    return found


def _with_more(content: Content) -> Iterator[tuple[bytes, bool]]:
    """The pieces of a body, each with whether another one follows."""
    held: bytes | None = None
    for piece in _cut([content] if isinstance(content, bytes) else content):
        if held is not None:
            yield held, True
        held = piece
    yield held or b"", False


def _cut(pieces: Any) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, max(len(piece), 1), PIECE):
            yield piece[start : start + PIECE]
