"""Logging in to a server from a program, and knowing who one is there.

What proves it is kept in the file of `deriva_catalog.catalog.credentials`, where all clients of
this user find it.
"""

from __future__ import annotations

from .logins import (
    Ways,
    log_in_by_device,
    log_in_by_link,
    log_in_by_password,
    log_in_by_token,
    log_in_in_browser,
    log_out,
    session_at,
    ways_to_log_in,
)
from .tokens import create_token, list_tokens, revoke_token

__all__ = [
    "Ways",
    "create_token",
    "list_tokens",
    "log_in_by_device",
    "log_in_by_link",
    "log_in_by_password",
    "log_in_by_token",
    "log_in_in_browser",
    "log_out",
    "revoke_token",
    "session_at",
    "ways_to_log_in",
]
