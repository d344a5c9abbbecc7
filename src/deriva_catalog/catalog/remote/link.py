"""What the views of one catalog share: the connection, the transactions, what is known of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import BadRequest, Unavailable
from ...model.documents import read_model
from ...model.elements import Model
from .connection import Connection, Content, Received, Repeat, Sender, context_header
from .frames import FEATURE, SEGMENT
from .resources import encoded
from .transactions import Transactions

__all__ = ["Link"]

_MODELS_KEPT = 32
_JSON = {"Accept": "application/json"}


class Link:
    """One catalog of a server, as the threads of a process use it.

    Args:
        connection: The server.
        name: The identifier or alias that the catalog was asked for under.

    Raises:
        NotFound: there is no such catalog.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.target = f"/ermrest/catalog/{encoded(name)}"
        self._context = context_header("use", catalog=name)
        document = connection.send(
            "GET", self.target, headers=_JSON | self._context, repeat=Repeat.SAFE
        ).json()
        if not isinstance(document, dict) or "id" not in document:
            raise Unavailable(
                f"{connection.host.origin}{self.target} is no catalog.",
                hint="Check that the address is that of a catalog server.",
            )
        self.id = str(document.get("alias_target") or document["id"])
        self.features: Mapping[str, Any] = document.get("features") or {}
        self.transactions = Transactions(connection, f"{self.target}/{SEGMENT}", self.id)
        self._lock = threading.Lock()
        self._models: dict[str | None, tuple[str, Model]] = {}

    @property
    def url(self) -> str:
        """The address of the catalog."""
        return self.connection.host.origin + f"/ermrest/catalog/{encoded(self.id)}"

    def has(self, feature: str) -> bool:
        """Whether the server says that it has a feature."""
        return bool(self.features.get(feature))

    def require_transactions(self) -> None:
        """Refuse to go on when the server has none.

        Raises:
            BadRequest: so it is.
        """
        if not self.has(FEATURE):
            raise BadRequest(
                f"The server {self.connection.host.origin} has no transactions over several "
                f"requests: its catalogs do not name the feature {FEATURE!r}.",
                hint="Write in single requests, or use a server that has it.",
                feature=FEATURE,
            )

    # --- requests --------------------------------------------------------------------

    @property
    def sender(self) -> Sender:
        """What carries this thread's requests."""
        return self.transactions.current or self.connection

    def send(
        self,
        method: str,
        tail: str = "",
        *,
        at: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request about the catalog, or its snapshot `at`; `tail` is what follows it."""
        if method not in ("GET", "HEAD"):
            self.transactions.refuse_waiting_for_itself()
        return self.sender.send(
            method,
            self._whole(tail, at),
            headers=_JSON | self._context | dict(headers or {}),
            content=content,
            repeat=repeat,
        )

    def get(
        self, tail: str = "", *, at: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Received:
        """Ask for something."""
        return self.send("GET", tail, at=at, headers=headers, repeat=Repeat.SAFE)

    def stream(
        self,
        method: str,
        tail: str,
        *,
        at: str | None,
        headers: Mapping[str, str],
        content: Content = b"",
    ) -> Iterator[bytes]:
        """Ask for something that comes in pieces."""
        headers = self._context | dict(headers)
        return self.sender.stream(method, self._whole(tail, at), headers=headers, content=content)

    def _whole(self, tail: str, at: str | None) -> str:
        moment = "" if at is None else f"@{at}"
        return f"{self.target}{moment}/{tail}" if tail else f"{self.target}{moment}"

    # --- the model -------------------------------------------------------------------

    def model(self) -> Model:
        """The current model: one request, without a body if it is known already."""
        transaction = self.transactions.current
        if transaction is None:
            return self._asked_model(None)
        # Nobody else changes it meanwhile. Its entity tag does not tell our own changes apart.
        if transaction.model is None and not transaction.changes_model:
            transaction.model = self._asked_model(None)
        elif transaction.model is None:
            transaction.model = read_model(self.get("schema").json())
        return transaction.model

    def model_at(self, at: str) -> Model:
        """The model of a snapshot, as it is recorded now; likewise one request."""
        return self._asked_model(at)

    def _asked_model(self, at: str | None) -> Model:
        known = self._models.get(at)
        headers = {} if known is None else {"If-None-Match": known[0]}
        received = self.get("schema", at=at, headers=headers)
        if received.status == 304 and known is not None:
            return known[1]
        model = read_model(received.json())
        etag = received.headers.get("etag")
        if etag is not None:
            with self._lock:
                while len(self._models) >= _MODELS_KEPT:
                    del self._models[next(iter(self._models))]
                self._models[at] = (etag, model)
        return model

    def changed_model(self) -> None:
        """Forget the model: this thread has changed it."""
        transaction = self.transactions.current
        if transaction is not None:
            transaction.model = None
            transaction.changes_model = True

    # --- life ------------------------------------------------------------------------

    def close(self) -> None:
        """Release connections."""
        self.transactions.close()
        self.connection.close()
