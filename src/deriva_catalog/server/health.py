"""What monitoring asks: whether the process lives, whether it can work, what it has done.

``/healthz`` is about the process alone, so that a lost database does not have it restarted.
``/readyz`` is about everything that it needs; a load balancer sends no requests while that is
503. ``/metrics`` is for those who may see it.
"""

from __future__ import annotations

from ..errors import CatalogError
from .messages import Answer, text_answer
from .metrics import CONTENT_TYPE, Metrics
from .service import Service

__all__ = ["HEALTH", "health_answer"]

HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
"""The paths that are answered here."""

_HEADERS = {"Cache-Control": "no-store"}


def health_answer(
    path: str, service: Service, metrics: Metrics, is_monitor: bool, is_stopping: bool
) -> Answer:
    """The answer to one of the paths `HEALTH`.

    Args:
        path: Which one.
        service: What may or may not be able to work.
        metrics: What it has done.
        is_monitor: Whether the sender may see metrics.
        is_stopping: Whether the service takes no new work.
    """
    if path == "/healthz":
        return text_answer("ok\n", headers=_HEADERS)
    if path == "/metrics":
        if not is_monitor:
            return text_answer(
                "Access forbidden. Detail: This address may not read the metrics; see "
                "'monitors' in the settings.\n",
                status=403,
                headers=_HEADERS,
            )
        return Answer(200, metrics.text().encode(), CONTENT_TYPE, _HEADERS)
    if is_stopping:
        return text_answer("stopping\n", status=503, headers=_HEADERS)
    try:
        service.registry.lookup("0")
    except CatalogError as error:
        return text_answer(f"{error.hint}\n", status=503, headers=_HEADERS)
    return text_answer("ready\n", headers=_HEADERS)
