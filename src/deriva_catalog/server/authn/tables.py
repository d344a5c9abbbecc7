"""The tables that logins need. Times are seconds since 1970; secrets are kept as hashes only."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "FORMAT",
    "METADATA",
    "accounts",
    "addresses",
    "attempts",
    "clients",
    "form",
    "groups",
    "links",
    "members",
    "pending",
    "sessions",
    "tokens",
]

METADATA = sa.MetaData()
FORMAT = 1
"""The form of these tables, as the table ``format`` has it."""

form = sa.Table("format", METADATA, sa.Column("version", sa.Integer, primary_key=True))
"""One row: which version of this package can read the tables."""

clients = sa.Table(
    "client",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("display_name", sa.Text),
    sa.Column("full_name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("identities", sa.Text, nullable=False),  # JSON: linked identities, the id first
    sa.Column("attributes", sa.Text, nullable=False),  # JSON: groups that a provider told of
    sa.Column("locked", sa.Boolean, nullable=False),
)
"""Whoever could log in, now or once. A row is never removed: its id may own catalogs and rows."""

accounts = sa.Table(
    "account",
    METADATA,
    sa.Column("folded", sa.Text, primary_key=True),  # the name without differences of case
    sa.Column("client", sa.ForeignKey("client.id"), nullable=False, unique=True),
    sa.Column("password", sa.Text),  # Argon2; NULL: no password opens it
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("last_login", sa.Float),
)
"""Accounts of this service; the id of such a client is its login name."""

groups = sa.Table(
    "user_group",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
)

members = sa.Table(
    "membership",
    METADATA,
    sa.Column("group_name", sa.ForeignKey("user_group.name", ondelete="CASCADE"), primary_key=True),
    sa.Column("member", sa.Text, primary_key=True, index=True),  # a client's id, or an identity
)

sessions = sa.Table(
    "session",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("client", sa.ForeignKey("client.id"), nullable=False, index=True),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("extended", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False, index=True),
)

tokens = sa.Table(
    "token",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("client", sa.ForeignKey("client.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # JSON
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False, index=True),
    sa.Column("last_used", sa.Float),
)
"""Personal access tokens."""

links = sa.Table(
    "login_link",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("client", sa.ForeignKey("client.id"), nullable=False),
    sa.Column("expires", sa.Float, nullable=False, index=True),
)
"""Links that log somebody in once."""

pending = sa.Table(
    "pending_login",
    METADATA,
    sa.Column("state", sa.Text, primary_key=True),  # its digest
    sa.Column("browser", sa.Text, nullable=False),  # the digest of the cookie of who began
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("referrer", sa.Text, nullable=False),
    sa.Column("expires", sa.Float, nullable=False, index=True),
)
"""Logins that were sent to the provider and have not come back."""

attempts = sa.Table(
    "attempt",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("until", sa.Float, nullable=False, index=True),
)
"""Failed logins, counted by account and address until a time, when they are forgotten."""

addresses = sa.Table(
    "address",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),  # always 1
    sa.Column("url", sa.Text, nullable=False),
)
"""One row: where a service of these logins listened when it last began to."""
