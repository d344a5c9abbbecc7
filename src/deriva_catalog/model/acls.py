"""The form of access control documents: which names each kind of element may have.

Source: ERMrest, "Access control: static ACLs" (shape) and "dynamic ACL bindings".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..errors import BadRequest, Conflict

__all__ = [
    "ACL_NAMES",
    "BINDING_TYPES",
    "AclSubject",
    "check_acl",
    "check_acl_bindings",
    "check_acls",
]

AclSubject = Literal["catalog", "schema", "table", "column", "foreign key"]

_OUTER = ("owner", "create", "enumerate", "write", "insert", "update", "delete", "select")
ACL_NAMES: Mapping[str, tuple[str, ...]] = {
    "catalog": _OUTER,
    "schema": _OUTER,
    "table": tuple(name for name in _OUTER if name != "create"),
    "column": ("enumerate", "write", "insert", "update", "select"),
    "foreign key": ("enumerate", "write", "insert", "update"),
}
BINDING_TYPES: Mapping[str, tuple[str, ...]] = {
    "table": ("owner", "update", "delete", "select"),
    "column": ("owner", "update", "delete", "select"),
    "foreign key": ("owner", "insert", "update"),
}
_OPERATORS = (
    *("=", "::lt::", "::leq::", "::gt::", "::geq::"),
    *("::regexp::", "::ciregexp::", "::ts::", "::null::"),
)


def check_acls(subject: AclSubject, document: Any) -> dict[str, tuple[str, ...]]:
    """The ACLs of a document as they are kept.

    Raises:
        BadRequest: it is no object of lists of role texts, or gives a right to everybody
            that anonymous clients cannot have.
        Conflict: a name is no ACL of this kind of element.
    """
    if not isinstance(document, Mapping):
        raise BadRequest(f"The acls of a {subject} are an object of lists, not {document!r}.")
    return {name: check_acl(subject, name, roles) for name, roles in document.items()}


def check_acl(subject: AclSubject, name: str, roles: Any) -> tuple[str, ...]:
    """One list of roles as it is kept; raises as `check_acls` does."""
    if name not in ACL_NAMES[subject]:
        raise Conflict(
            f"A {subject} has no ACL called {name!r}.",
            hint=f"Its ACLs are {', '.join(ACL_NAMES[subject])}.",
        )
    checked = _roles(roles, f"The ACL {name!r} of a {subject}")
    public = {"enumerate", "select"}
    if subject == "foreign key":
        public |= {"insert", "update"}
    if "*" in checked and name not in public:
        raise BadRequest(
            f"The ACL {name!r} of a {subject} cannot contain '*'.",
            hint="Anonymous clients never receive this right.",
        )
    return checked


def _roles(roles: Any, what: str) -> tuple[str, ...]:
    if not isinstance(roles, (list, tuple)) or not all(isinstance(role, str) for role in roles):
        raise BadRequest(f"{what} is a list of role texts, not {roles!r}.")
    return tuple(roles)


def check_acl_bindings(subject: AclSubject, document: Any) -> dict[str, Any]:
    """The ACL bindings of a document with their defaults filled in.

    Only the form is checked here: whether the columns and foreign keys that a projection
    names exist is a question to the model. `projection_type` stays absent when not given,
    because its default depends on the type of the projected column.

    Raises:
        BadRequest: a binding has not the form of one.
    """
    if not isinstance(document, Mapping):
        raise BadRequest(f"The acl_bindings of a {subject} are an object, not {document!r}.")
    return {name: _binding(subject, name, binding) for name, binding in document.items()}


def _binding(subject: AclSubject, name: str, binding: Any) -> Any:
    what = f"The ACL binding {name!r} of a {subject}"
    if binding is False:
        if subject != "column":
            raise BadRequest(f"{what} cannot be false: only a column inherits bindings.")
        return False
    if not isinstance(binding, Mapping):
        raise BadRequest(f"{what} is an object, not {binding!r}.")
    types = binding.get("types")
    allowed = BINDING_TYPES[subject]
    if not (isinstance(types, (list, tuple)) and types and all(t in allowed for t in types)):
        raise BadRequest(f"{what} needs 'types', some of {', '.join(allowed)}; found {types!r}.")
    _check_projection(what, binding.get("projection"))
    checked = dict(binding)
    checked["types"] = list(types)
    checked["scope_acl"] = list(_roles(binding.get("scope_acl", ["*"]), f"{what}: its scope_acl"))
    if checked.get("projection_type", "") is None:
        del checked["projection_type"]
    if checked.get("projection_type", "acl") not in ("acl", "nonnull"):
        raise BadRequest(f"{what}: 'projection_type' is 'acl' or 'nonnull'.")
    if not isinstance(binding.get("comment", ""), (str, type(None))):
        raise BadRequest(f"{what}: 'comment' is text.")
    return checked


def _check_projection(what: str, projection: Any) -> None:
    if isinstance(projection, str) and projection:
        return
    if not isinstance(projection, (list, tuple)) or not projection:
        raise BadRequest(f"{what} needs a 'projection': a column name or a list ending in one.")
    if not isinstance(projection[-1], str):
        raise BadRequest(f"{what}: its projection ends in a column name, not {projection[-1]!r}.")
    for element in projection[:-1]:
        if not isinstance(element, Mapping):
            raise BadRequest(f"{what}: {element!r} is no element of a projection.")
        if "outbound" in element or "inbound" in element:
            _check_join(what, element)
        else:
            _check_filter(what, element)


def _check_join(what: str, element: Mapping[str, Any]) -> None:
    if "outbound" in element and "inbound" in element:
        raise BadRequest(f"{what}: a join is 'outbound' or 'inbound', not both.")
    for member in ("alias", "context"):
        if not isinstance(element.get(member), (str, type(None))):
            raise BadRequest(f"{what}: {member!r} is text, not {element[member]!r}.")
    for direction in ("outbound", "inbound"):
        constraint = element.get(direction)
        if direction in element and not (
            isinstance(constraint, (list, tuple))
            and len(constraint) == 2
            and all(isinstance(part, str) for part in constraint)
        ):
            raise BadRequest(f"{what}: '{direction}' is [schema, constraint], not {constraint!r}.")


def _check_filter(what: str, element: Mapping[str, Any]) -> None:
    if not isinstance(element.get("negate", False), bool):
        raise BadRequest(f"{what}: 'negate' is true or false, not {element['negate']!r}.")
    for junction in ("and", "or"):
        if junction in element:
            terms = element[junction]
            if not isinstance(terms, (list, tuple)) or not terms:
                raise BadRequest(f"{what}: {junction!r} is a non-empty list of filters.")
            for term in terms:
                if not isinstance(term, Mapping):
                    raise BadRequest(f"{what}: {term!r} is no filter.")
                _check_filter(what, term)
            return
    column = element.get("filter")
    named = isinstance(column, str) or (
        isinstance(column, (list, tuple)) and column and all(isinstance(c, str) for c in column)
    )
    if not named:
        raise BadRequest(f"{what}: {dict(element)!r} is neither a join nor a filter.")
    operator = element.get("operator", "=")
    if operator not in _OPERATORS:
        raise BadRequest(f"{what}: {operator!r} is no operator.")
    if operator != "::null::" and "operand" not in element:
        raise BadRequest(f"{what}: the filter on {column!r} has no 'operand'.")
