"""Reading the members of documents that callers send, with the refusals of the protocol.

Source: ERMrest, "The model: operations" (creation: required and default members).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import BadRequest, Conflict
from .acls import AclSubject, check_acl_bindings, check_acls
from .documents import copy_json
from .elements import ColumnType
from .literals import text_encoder
from .names import check_name
from .typenames import Family, family, is_serial
from .values import encoder

__all__ = [
    "ACTIONS",
    "as_document",
    "as_list",
    "check_home",
    "converted_default",
    "default_value",
    "metadata",
    "name_list",
    "read_action",
    "read_constraint_name",
    "read_nullok",
]

ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def as_document(value: Any, what: str) -> Mapping[str, Any]:
    """The value itself if it is a JSON object.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, Mapping):
        raise BadRequest(f"A {what} is described by an object, not {_cut(value)}.")
    return value


def as_list(document: Mapping[str, Any], member: str, what: str) -> list[Any]:
    """A member that is a list; an absent one is empty.

    Raises:
        BadRequest: it is no list.
    """
    value = document.get(member, [])
    if not isinstance(value, (list, tuple)):
        raise BadRequest(f"{member!r} of a {what} is a list, not {_cut(value)}.")
    return list(value)


def name_list(value: Any, member: str) -> tuple[str, ...]:
    """A non-empty list of different names.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, (list, tuple)) or not value:
        raise BadRequest(f"{member!r} is a non-empty list of column names, not {_cut(value)}.")
    if not all(isinstance(name, str) for name in value) or len(set(value)) != len(value):
        raise BadRequest(f"{member!r} names each column once, as text; found {_cut(value)}.")
    return tuple(value)


def metadata(document: Mapping[str, Any], subject: AclSubject | None) -> dict[str, Any]:
    """The members given of comment, annotations, acls and acl_bindings, checked and copied.

    Args:
        document: What the caller sent.
        subject: The kind of element whose ACLs are allowed; None for a key, which has none.

    Raises:
        BadRequest: a member is of the wrong kind.
        Conflict: an ACL has a name that this kind of element does not know.
    """
    found: dict[str, Any] = {}
    if "comment" in document and subject != "catalog":
        comment = document["comment"]
        if comment is not None and not isinstance(comment, str):
            raise BadRequest(f"A comment is text or null, not {_cut(comment)}.")
        found["comment"] = comment
    if "annotations" in document:
        annotations = document["annotations"]
        if not isinstance(annotations, Mapping):
            raise BadRequest(f"Annotations are an object, not {_cut(annotations)}.")
        found["annotations"] = copy_json(annotations)
    if subject is not None and "acls" in document:
        found["acls"] = check_acls(subject, document["acls"])
    if subject in ("table", "column", "foreign key") and "acl_bindings" in document:
        found["acl_bindings"] = copy_json(check_acl_bindings(subject, document["acl_bindings"]))
    return found


def check_home(document: Mapping[str, Any], schema: str, table: str | None = None) -> None:
    """Check that a document does not name another place than where it is used.

    Raises:
        Conflict: its `schema_name` or `table_name` is another one.
    """
    places = [("schema_name", schema)]
    if table is not None:
        places.append(("table_name", table))
    for member, expected in places:
        given = document.get(member)
        if given is not None and given != expected:
            raise Conflict(f"The document says {member} {given!r} where {expected!r} is meant.")


def read_constraint_name(document: Mapping[str, Any]) -> str | None:
    """The name that a key or foreign key document asks for; None when it asks for none.

    Raises:
        BadRequest: `names` is no list of pairs.
    """
    names = document.get("names")
    if names is None or names == []:
        return None
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in names
    ):
        raise BadRequest(f"'names' is a list of [schema, name] pairs, not {_cut(names)}.")
    return check_name(names[0][1], "constraint")


def read_action(document: Mapping[str, Any], member: str) -> str:
    """The referential action in `member`, in upper case; absent or null is NO ACTION.

    Raises:
        BadRequest: there is no such action.
    """
    value = document.get(member)
    if value is None:
        return "NO ACTION"
    action = value.upper() if isinstance(value, str) else None
    if action not in ACTIONS:
        raise BadRequest(f"{member!r} is one of {', '.join(ACTIONS)}, not {_cut(value)}.")
    return action


def read_nullok(document: Mapping[str, Any]) -> bool:
    """Whether a column document allows NULL; absent or null is yes.

    Raises:
        BadRequest: it is no boolean.
    """
    value = document.get("nullok")
    if value is None:
        return True
    if not isinstance(value, bool):
        raise BadRequest(f"'nullok' is true or false, not {_cut(value)}.")
    return value


def default_value(value: Any, column_type: ColumnType, column: str) -> Any:
    """The default of a column as a canonical JSON value; None when there is none.

    A serial column has its sequence for a default, and shows none.

    Raises:
        BadRequest, Conflict: the value is none of the column's type.
    """
    if value is None or is_serial(column_type):
        return None
    stored = encoder(column_type, column)(value)
    if isinstance(stored, str) and family(column_type) in (Family.JSON, Family.ARRAY):
        return json.loads(stored)
    return stored


def converted_default(value: Any, column_type: ColumnType, column: str) -> Any:
    """The default that a column of another type becomes when it is given `column_type`.

    Raises:
        BadRequest, Conflict: the value cannot be converted.
    """
    if value is None:
        return None
    if isinstance(value, str) and family(column_type) in (Family.JSON, Family.ARRAY):
        stored = text_encoder(column_type, column)(value)
        return json.loads(stored) if isinstance(stored, str) else stored
    if isinstance(value, (dict, list)) and family(column_type) is Family.TEXT:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return default_value(value, column_type, column)


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
