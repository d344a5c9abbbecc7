"""Telling catalogs apart, also those that have the same address one after the other."""

from __future__ import annotations

import uuid

from deriva_catalog.interface import Address, Catalog

__all__ = ["give_identity", "identity_of"]

_TAG = "tag:deriva-ml.org,2026:catalog-identity"


def give_identity(catalog: Catalog) -> None:
    """Give a catalog an identity that no other has; one that it has already stays."""
    if _TAG not in catalog.model.annotations:
        catalog.set_annotation(Address(), _TAG, str(uuid.uuid4()))


def identity_of(catalog: Catalog) -> str:
    """What tells a catalog from others: where it is, and what it was given when it was made.

    The address counts too, since a catalog that was copied may go on differently from there.
    """
    return f"{catalog.url}#{catalog.model.annotations.get(_TAG, '')}"
