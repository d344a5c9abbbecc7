"""Changing the ACLs, ACL bindings and comments of elements, one at a time or all at once.

Source: ERMrest, "Access control" (resources); "Comments and annotations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NotFound
from .acls import ACL_NAMES, BINDING_TYPES, AclSubject, check_acl, check_acls
from .address import Address
from .alteration import alter
from .changes import ModelChange
from .documents import copy_json
from .elements import Column, ForeignKey, Key, Model, Schema, Table
from .inputs import as_document
from .lookup import Element, find_element

__all__ = [
    "acl_bindings_of",
    "acl_names",
    "acls_of",
    "set_acl",
    "set_acl_binding",
    "set_acl_bindings",
    "set_acls",
    "set_annotations",
    "set_comment",
]


def acl_names(element: Element) -> tuple[str, ...]:
    """The names of the ACLs that an element can have.

    Raises:
        NotFound: it is a key, which has none.
    """
    return ACL_NAMES[_subject(element)]


def acls_of(element: Element) -> dict[str, list[str]]:
    """The ACLs that are set on an element; of a catalog all, since nothing is inherited there.

    Raises:
        NotFound: it is a key, which has none.
    """
    names = acl_names(element)
    assert not isinstance(element, Key), "a key has no names of ACLs"
    if isinstance(element, Model):
        return {name: list(element.acls.get(name, ())) for name in names}
    return {name: list(roles) for name, roles in element.acls.items()}


def acl_bindings_of(element: Element) -> dict[str, Any]:
    """The ACL bindings of a table, column or foreign key.

    Raises:
        NotFound: it is something else, which has none.
    """
    if isinstance(element, (Table, Column, ForeignKey)):
        found: dict[str, Any] = copy_json(element.acl_bindings)
        return found
    kinds = ", ".join(BINDING_TYPES)
    raise NotFound("This element has no ACL bindings.", hint=f"Only these have: {kinds}.")


def set_acls(model: Model, address: Address, acls: Any, *, version: int) -> ModelChange:
    """Replace all ACLs of an element; names that are not given are inherited then.

    Raises:
        NotFound, UnknownName: there is no such element, or it is a key.
        BadRequest: a list is none, or gives to everybody what that cannot.
        Conflict: a name is no ACL of this kind of element.
    """
    subject = _subject(find_element(model, address, inside=True))
    return alter(model, address, {"acls": check_acls(subject, acls)}, version=version)


def set_acl(
    model: Model, address: Address, name: str, roles: Sequence[str] | None, *, version: int
) -> ModelChange:
    """Set one ACL of an element; None unsets it.

    Raises as `set_acls` does, and `NotFound` if what is to be unset can never be set.
    """
    element = find_element(model, address, inside=True)
    acls: dict[str, Any] = dict(acls_of(element))
    if roles is not None:
        acls[name] = check_acl(_subject(element), name, roles)
    elif name in acl_names(element):
        acls.pop(name, None)
    else:
        raise NotFound(f"A {_subject(element)} has no ACL called {name!r}.")
    return alter(model, address, {"acls": acls}, version=version)


def set_acl_bindings(model: Model, address: Address, bindings: Any, *, version: int) -> ModelChange:
    """Replace all ACL bindings of an element.

    Raises:
        NotFound, UnknownName: there is no such element, or it cannot have bindings.
        BadRequest: a binding is malformed, or its path does not connect.
        Conflict: a binding names an unknown column or foreign key.
    """
    acl_bindings_of(find_element(model, address, inside=True))
    return alter(model, address, {"acl_bindings": bindings}, version=version)


def set_acl_binding(
    model: Model, address: Address, name: str, binding: Any, *, version: int
) -> ModelChange:
    """Set one ACL binding of an element; None removes it. Raises as `set_acl_bindings` does."""
    bindings = acl_bindings_of(find_element(model, address, inside=True))
    bindings[name] = binding
    if binding is None:
        del bindings[name]
    return alter(model, address, {"acl_bindings": bindings}, version=version)


def set_annotations(
    model: Model, address: Address, annotations: Any, *, version: int
) -> ModelChange:
    """Replace all annotations of an element.

    Raises:
        NotFound, UnknownName: there is no such element.
        BadRequest: it is no object.
    """
    find_element(model, address, inside=True)
    given: Mapping[str, Any] = as_document(annotations, "set of annotations")
    return alter(model, address, {"annotations": given}, version=version)


def set_comment(
    model: Model, address: Address, comment: str | None, *, version: int
) -> ModelChange:
    """Set the comment of an element; None removes it.

    Raises:
        NotFound, UnknownName: there is no such element, or it is the catalog.
        BadRequest: the comment is no text.
    """
    if isinstance(find_element(model, address, inside=True), Model):
        raise NotFound(
            "A catalog has no comment.", hint="Set an annotation on it, or its description."
        )
    return alter(model, address, {"comment": comment}, version=version)


def _subject(element: Element) -> AclSubject:
    match element:
        case Model():
            return "catalog"
        case Schema():
            return "schema"
        case Table():
            return "table"
        case Column():
            return "column"
        case ForeignKey():
            return "foreign key"
        case Key():
            raise NotFound("A key has no ACLs.", hint="It is visible if all of its columns are.")
