"""The ML schema: what it consists of, and making catalogs that have it."""

from __future__ import annotations

from .create import create_ml_catalog, create_ml_schema, initialize_ml_schema

__all__ = ["create_ml_catalog", "create_ml_schema", "initialize_ml_schema"]
