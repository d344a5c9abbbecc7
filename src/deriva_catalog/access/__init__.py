"""Who asks, and what they may do."""

from __future__ import annotations

from .decisions import Decisions, decisions_for, denied
from .identity import ANONYMOUS, EVERYBODY, Attribute, Client
from .scope import Scope

__all__ = [
    "ANONYMOUS",
    "EVERYBODY",
    "Attribute",
    "Client",
    "Decisions",
    "Scope",
    "decisions_for",
    "denied",
]
