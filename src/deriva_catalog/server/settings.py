"""What can be set about a service, with what it is when nothing is said."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a service; times are in seconds, sizes in bytes.

    Attributes:
        creators: Roles that may create catalogs and aliases; ``*`` is everybody who is logged in.
        query_seconds: How long a read may take before it is refused.
        body_bytes: The largest body of a request.
        memory_bytes: Bodies beyond this size wait in a temporary file.
        head_bytes: The largest head of a request: its target and headers.
        head_seconds: How long a head may take to come.
        body_seconds: How long a body may take to come ...
        slowest_bytes_per_second: ... beside the time that its bytes need at this pace.
        answer_seconds: How long a client may take to accept the next part of an answer.
        idle_seconds: How long a connection is kept that nothing is asked on.
        shutdown_seconds: How long running requests may go on after the service was told to stop.
        threads: How many requests of one process are worked on at the same time.
        waiting: How many more may wait for that, before others are refused.
        workers: How many processes share the work.
        registry_seconds: How long what is known about a catalog's name may be reused when
            other processes may change it.
        export_hours: How long results of exports are kept.
        record_page: The page of a row, where ``/id/...`` sends browsers; ``{catalog}`` (with the
            snapshot), ``{schema}``, ``{table}`` and ``{rid}`` stand in it for what they say.
        upload_days: How long an upload in chunks may rest before it expires.
        signed_url_seconds: How long a URL is good that a reader of a file in a bucket is sent to;
            0 streams all files through the service.
        catalogs: How many catalogs a process keeps open, with connections to their databases.
        transactions: How many transactions over several requests a process has open at once.
        transaction_seconds: How long a client may do nothing while it has one open.
        connection_seconds: How long a connection for them may stay without one.
        compress: Whether large answers to other machines are compressed.
        origins: Origins (``https://chaise.example.org``) whose pages may use the service.
        trusted_proxies: Addresses or networks of proxies whose word is taken for who sends a
            request, and whether by TLS.
        monitors: Addresses or networks that may read ``/metrics``.
    """

    creators: tuple[str, ...] = ("*",)
    query_seconds: float = 15.0
    body_bytes: int = 1000 * _MEGABYTE
    memory_bytes: int = _MEGABYTE
    head_bytes: int = 64 * 1024
    head_seconds: float = 30.0
    body_seconds: float = 30.0
    slowest_bytes_per_second: float = 1000.0
    answer_seconds: float = 60.0
    idle_seconds: float = 75.0
    shutdown_seconds: float = 30.0
    threads: int = 32
    waiting: int = 1000
    workers: int = 1
    export_hours: float = 24.0
    record_page: str | None = None
    catalogs: int = 32
    transactions: int = 64
    transaction_seconds: float = 60.0
    connection_seconds: float = 300.0
    registry_seconds: float = 0.25
    upload_days: float = 30.0
    signed_url_seconds: float = 0.0
    compress: bool = True
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ("127.0.0.0/8", "::1")
