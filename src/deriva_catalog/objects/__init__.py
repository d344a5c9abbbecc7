"""Files of a catalog: named and versioned, their bytes stored once under their SHA-256."""

from .content import Content, ContentStore, Source, hash_file
from .names import encode_part, parse_name
from .store import Database, ObjectFinding, ObjectStore, ObjectVersion, Upload
from .tables import create_tables

__all__ = [
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
]
