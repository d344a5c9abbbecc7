"""Files of a catalog: named and versioned, their bytes stored once under their SHA-256."""

from .asking import Asker
from .content import Content, ContentStore, Source, hash_file
from .database import Database
from .names import encode_part, parse_name
from .store import ObjectStore
from .tables import create_tables, upgrade_tables
from .versions import ObjectFinding, ObjectVersion, Upload

__all__ = [
    "Asker",
    "Content",
    "ContentStore",
    "Database",
    "ObjectFinding",
    "ObjectStore",
    "ObjectVersion",
    "Source",
    "Upload",
    "create_tables",
    "encode_part",
    "hash_file",
    "parse_name",
    "upgrade_tables",
]
