"""Where events of OpenLineage go: to a file, or to a service."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLUnavailableError,
)

if TYPE_CHECKING:
    from deriva_ml.core.session import Session

__all__ = ["Event", "FileTransport", "HttpTransport", "Transport", "chosen_transport"]

Event = dict[str, Any]
"""One event, as a JSON document."""

_FILE = "openlineage.jsonl"
_ENDPOINT = "api/v1/lineage"
_TIMEOUT_S = 10.0


class Transport(Protocol):
    """Something that takes events."""

    def send(self, events: Iterable[Event]) -> None:
        """Take events, in order."""
        ...


@dataclass(frozen=True, slots=True)
class FileTransport:
    """Appends events to a file, one JSON document a line; several processes may do so at once."""

    path: Path

    def send(self, events: Iterable[Event]) -> None:
        """Append the events.

        Raises:
            DerivaMLUnavailableError: The file cannot be written.
        """
        lines = [json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in events]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                for line in lines:
                    # One write to a file opened for appending is not mixed with another's.
                    os.write(handle, line.encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise DerivaMLUnavailableError(
                f"Events of OpenLineage cannot be appended to {str(self.path)!r}: {error}."
            ) from error


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """Sends events to a service, one request each.

    Attributes:
        url: The address of the service, without the path.
        api_key: Sent as a bearer token.
        endpoint: The path.
        timeout_s: Seconds to wait for an answer.
    """

    url: str
    api_key: str | None = None
    endpoint: str = _ENDPOINT
    timeout_s: float = _TIMEOUT_S

    def send(self, events: Iterable[Event]) -> None:
        """Send the events; the first that is not taken ends it.

        Raises:
            DerivaMLUnavailableError: The service cannot be reached, or is not able to answer.
            DerivaMLException: It refuses an event.
        """
        import httpx

        place = f"{self.url.rstrip('/')}/{self.endpoint.lstrip('/')}"
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            with httpx.Client(timeout=self.timeout_s, headers=headers) as client:
                for event in events:
                    answer = client.post(place, json=event)
                    if answer.status_code >= 500:
                        raise DerivaMLUnavailableError(
                            f"{place!r} answered {answer.status_code} to an event: "
                            f"{answer.text[:200]!r}. Send the events again later."
                        )
                    if not answer.is_success:
                        raise DerivaMLException(
                            f"{place!r} refused an event with {answer.status_code}: "
                            f"{answer.text[:200]!r}. Check the address and the key."
                        )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DerivaMLUnavailableError(
                f"Events of OpenLineage cannot be sent to {place!r}: {error}. Check the address "
                "and the network."
            ) from error


def chosen_transport(
    session: Session, path: str | Path | None, url: str | None, api_key: str | None
) -> Transport:
    """Where events go: what was given, else what the environment says, else a file.

    The environment variables are those of OpenLineage's own clients: ``OPENLINEAGE_URL``,
    ``OPENLINEAGE_ENDPOINT`` and ``OPENLINEAGE_API_KEY``. The file is ``openlineage.jsonl`` in the
    working directory.

    Raises:
        DerivaMLConfigurationError: Both a file and an address are given.
    """
    if path is not None and url is not None:
        raise DerivaMLConfigurationError(
            f"Events of OpenLineage go to a file ({str(path)!r}) or to a service ({url!r}); give "
            "one of them."
        )
    given = url or (None if path is not None else os.environ.get("OPENLINEAGE_URL"))
    if given:
        key = api_key or os.environ.get("OPENLINEAGE_API_KEY")
        endpoint = os.environ.get("OPENLINEAGE_ENDPOINT") or _ENDPOINT
        return HttpTransport(given, key, endpoint)
    return FileTransport(Path(path) if path is not None else session.working_dir / _FILE)
