"""What the service says about itself.

Source: ERMrest, "Service advertisement".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..catalog.local import FEATURES
from .messages import Answer, Request, json_answer
from .requests import wrong_method
from .service import Service

__all__ = ["VERSION", "advertise"]

VERSION = "0.5.0"
"""The version of the protocol that is spoken."""


def advertise(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``GET /ermrest/``."""
    if request.method != "GET":
        raise wrong_method(request, "GET")
    return json_answer({"version": VERSION, "features": dict(FEATURES)})
