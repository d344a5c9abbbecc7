"""What the web pages of a catalog show as a whole: their title, and the menu of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deriva_catalog.interface import Address
from deriva_catalog.model.elements import Table
from deriva_ml.feature.definition import find_features
from deriva_ml.model.annotation_builders import TAG_CHAISE_CONFIG
from deriva_ml.model.associations import association_of
from deriva_ml.model.catalog import DerivaModel

from .exceptions import translated
from .session import Session

__all__ = ["apply_catalog_annotations", "chaise_config", "refresh_menu"]

_ML_TABLES = (
    "Workflow",
    "Execution",
    "Execution_Metadata",
    "Execution_Asset",
    "Dataset",
    "Dataset_Version",
    "File",
)
Entry = dict[str, Any]


def chaise_config(
    model: DerivaModel, catalog_id: str, navbar_brand_text: str, head_title: str
) -> dict[str, Any]:
    """The configuration of the web pages: titles, and a menu of the catalog's tables.

    Args:
        model: The catalog's tables.
        catalog_id: Its number.
        navbar_brand_text: The title in the bar above every page.
        head_title: The title of the browser's window.
    """
    return {
        "headTitle": head_title,
        "navbarBrandText": navbar_brand_text,
        "systemColumnsDisplayEntry": ["RID"],
        "systemColumnsDisplayCompact": ["RID"],
        "showFaceting": True,
        "hideTableOfContents": False,
        "shareCite": {"acls": {"show": ["*"], "enable": ["*"]}},
        "navbarMenu": {"newTab": False, "children": list(_menu(model, catalog_id))},
    }


def _menu(model: DerivaModel, catalog_id: str) -> Iterable[Entry]:
    def entry(table: Table, name: str | None = None) -> Entry:
        url = f"/chaise/recordset/#{catalog_id}/{table.schema}:{table.name}"
        return {"name": name or table.name.replace("_", " "), "url": url}

    def menu(name: str, entries: Iterable[Entry]) -> Iterable[Entry]:
        children = list(entries)
        if children:
            yield {"name": name, "children": children}

    schemas = model.schemas
    users = schemas["public"].tables if "public" in schemas else {}
    known = (
        ("ERMrest_Client", "Users"),
        ("ERMrest_Group", "Groups"),
        ("ERMrest_RID_Lease", "RID Lease"),
    )
    yield from menu("User Info", (entry(users[t], title) for t, title in known if t in users))
    ml = schemas[model.ml_schema].tables
    yield from menu("Deriva-ML", (entry(ml[t]) for t in _ML_TABLES if t in ml))
    pages = schemas["WWW"].tables if "WWW" in schemas else {}
    yield from menu("WWW", (entry(pages[t]) for t in ("Page", "File") if t in pages))
    for schema in sorted(model.domain_schemas):
        tables = schemas[schema].tables.values()
        plain = sorted((t for t in tables if _is_plain(model, t)), key=lambda t: t.name)
        yield from menu(schema, (entry(t) for t in plain))
    yield from menu("Vocabulary", (entry(t) for t in model.find_vocabularies()))
    own = [t for t in model.find_assets() if t.schema != model.ml_schema]
    yield from menu("Assets", (entry(t) for t in own))
    features = find_features(model)
    yield from menu("Features", (entry(f.feature_table, str(f)) for f in features))
    yield {"name": "Catalog Registry", "url": "/chaise/recordset/#0/ermrest:registry"}
    yield {"name": "Documentation", "url": "/docs/"}


def _is_plain(model: DerivaModel, table: Table) -> bool:
    """Whether a table of the user is neither a vocabulary nor files, links or values."""
    special = model.is_vocabulary(table) or model.is_asset(table)
    return not special and association_of(table) is None


@translated()
def apply_catalog_annotations(session: Session, navbar_brand_text: str, head_title: str) -> None:
    """Write the configuration of the web pages, with a menu of the tables there are now.

    Raises:
        DerivaMLReadOnlyError: The session is on a snapshot.
    """
    with session.transaction():
        config = chaise_config(session.model, session.catalog.id, navbar_brand_text, head_title)
        session.catalog.set_annotation(Address(), TAG_CHAISE_CONFIG, config)


def refresh_menu(session: Session) -> None:
    """Bring the menu to the tables there are, in the caller's transaction, if there is a menu."""
    config = session.model.model.annotations.get(TAG_CHAISE_CONFIG)
    if isinstance(config, dict) and "navbarMenu" in config:
        made = chaise_config(session.model, session.catalog.id, "", "")
        menu = {**config, "navbarMenu": made["navbarMenu"]}
        session.catalog.set_annotation(Address(), TAG_CHAISE_CONFIG, menu)
