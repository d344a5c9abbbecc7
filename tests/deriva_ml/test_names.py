"""Every name of the reference is there, typed, documented, and takes what it must take."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import pytest

from deriva_ml import execution
from deriva_ml.core import definitions, exceptions
from deriva_ml.execution.state_machine import InvalidTransitionError

from .spec_names import BASES, ENUMS, NAMES

_WORD = re.compile(r"(\w+)(\([^()]*(?:\(\)[^()]*)*\))?")


@dataclass(frozen=True)
class Name:
    """One name of the reference: where it is, and the parameters that it must take."""

    home: str
    name: str
    parameters: str | None

    def __str__(self) -> str:
        return f"{self.home}{'.' if ':' in self.home else ':'}{self.name}"


def _names() -> Iterator[Name]:
    home = ""
    for line in NAMES.splitlines():
        if line.startswith("["):
            home = line.strip("[]")
        else:
            for name, parameters in _WORD.findall(line):
                yield Name(home, name, parameters[1:-1] if parameters else None)


EVERY = {str(name): name for name in _names()}


@cache
def _owner(home: str) -> Any:
    module, _, owner = home.partition(":")
    found = importlib.import_module(module)
    return getattr(found, owner) if owner else found


# --- what is wrong with a name -----------------------------------------------------------


def _wrong(name: Name) -> list[str]:
    try:
        owner = _owner(name.home)
    except (ImportError, AttributeError) as error:
        return [f"absent: {error}"]
    if inspect.isclass(owner):
        return _wrong_member(owner, name)
    if not hasattr(owner, name.name):
        return ["absent"]
    found = getattr(owner, name.name)
    if inspect.isfunction(found):
        return _wrong_function(found, name.parameters)
    if inspect.isclass(found) and found.__module__.startswith("deriva_ml"):
        return _undocumented(found)
    return []


def _wrong_member(owner: type, name: Name) -> list[str]:
    found = inspect.getattr_static(owner, name.name, None)
    if isinstance(found, property):
        if found.fget is None or "return" not in found.fget.__annotations__:
            return ["untyped"]
        return _undocumented(found)
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    if inspect.isfunction(found):
        return _wrong_function(found, name.parameters, own=name.name.startswith("__"))
    if found is not None or name.name in _fields(owner):
        return []
    return ["absent"]


def _fields(owner: type) -> set[str]:
    """Names of fields, and of attributes that ``__init__`` and what it calls set."""
    found = set(getattr(owner, "model_fields", ())) | set(
        getattr(owner, "model_computed_fields", ())
    )
    if dataclasses.is_dataclass(owner):
        found |= {f.name for f in dataclasses.fields(owner)}
    for each in owner.__mro__:
        found |= set(inspect.get_annotations(each))
        if each.__module__.startswith("deriva_ml"):
            source = inspect.getsource(each)
            found |= set(re.findall(r"self\.(\w+)\b(?:: [^=\n]+)? = ", source))
    return found


def _wrong_function(function: Any, wanted: str | None, own: bool = False) -> list[str]:
    signature = inspect.signature(function)
    parameters = {n: p for n, p in signature.parameters.items() if n not in ("self", "cls")}
    wrong = [] if own else _undocumented(function)
    untyped = [n for n, p in parameters.items() if p.annotation is inspect.Parameter.empty]
    if signature.return_annotation is inspect.Signature.empty:
        untyped.append("return")
    if untyped:
        wrong.append(f"untyped: {', '.join(untyped)}")
    if wanted is not None:
        wrong += _wrong_parameters(wanted, parameters)
    return wrong


def _undocumented(found: Any) -> list[str]:
    return [] if (inspect.getdoc(found) or "").strip() else ["no docstring"]


def _wrong_parameters(wanted: str, have: dict[str, inspect.Parameter]) -> list[str]:
    """Those of the reference that are absent, in another place, or have another default."""
    given = ast.parse(f"f({_as_call(wanted)})", mode="eval").body
    assert isinstance(given, ast.Call)
    kinds = inspect.Parameter
    places = [
        n for n, p in have.items() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    wrong = []
    before_star = True
    position = 0
    for keyword in given.keywords:
        name = str(keyword.arg)
        if name == "STAR":
            before_star = False
            continue
        parameter = have.get(name)
        if parameter is None and not any(p.kind is kinds.VAR_KEYWORD for p in have.values()):
            wrong.append(f"no parameter {name!r}")
        elif before_star and places[position : position + 1] != [name]:
            wrong.append(f"{name!r} is not at place {position}")
        elif parameter is not None and not isinstance(keyword.value, ast.Name):
            default = ast.literal_eval(keyword.value)
            if parameter.default != default:
                wrong.append(f"the default of {name!r} is {parameter.default!r}, not {default!r}")
        position += 1
    return wrong


def _as_call(parameters: str) -> str:
    """``a, b=1, *, c`` as keywords of a call: ``a=given, b=1, STAR=given, c=given``."""
    parts = [p.strip() for p in re.split(r",(?![^(]*\))", parameters) if p.strip()]
    named = ["STAR" if p == "*" else p for p in parts]
    return ", ".join(p if "=" in p else f"{p}=given" for p in named)


# --- the walk ----------------------------------------------------------------------------


def test_the_table_is_long() -> None:
    assert len(EVERY) > 900


def test_every_name_is_there_typed_and_documented() -> None:
    wrong = {text: _wrong(name) for text, name in EVERY.items()}
    found = {text: faults for text, faults in wrong.items() if faults}
    assert {text: f for text, f in found.items() if not _left_out(text)} == {}


def test_the_list_of_what_is_not_built_is_of_names_in_the_table() -> None:
    homes = {name.home for name in EVERY.values()}
    assert {name for name in LEFT_OUT if name not in EVERY and name not in homes} == set()


def _left_out(text: str) -> bool:
    return text in LEFT_OUT or EVERY[text].home in LEFT_OUT


def test_the_exceptions_are_a_tree() -> None:
    above: list[type] = []
    for line in BASES.strip().splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.strip()
        found = getattr(exceptions, name)
        del above[depth:]
        assert all(issubclass(found, base) for base in above), name
        assert str(found.__new__(found, "text")) in ("", "text")
        above.append(found)
    assert InvalidTransitionError is exceptions.InvalidTransitionError


@pytest.mark.parametrize("name", ENUMS)
def test_enumerations_have_their_members(name: str) -> None:
    enumeration: type[Enum] = getattr(definitions, name)
    for member in ENUMS[name].split():
        key, _, value = member.partition("=")
        assert enumeration[key].value == (value or enumeration[key].value)
    if name == "UploadState":
        assert [m.value for m in enumeration] == list(range(8))


ALIASES = {
    "deriva_ml.core.base:DerivaML": {
        "restore_execution": "resume_execution",
        "list_workflows": "find_workflows",
        "list_feature_values": "feature_values",
        "retrieve_rid": "resolve_rid",
        "domain_path": "pathBuilder",
        "domain_schema": "default_schema",
        "add_workflow": "create_workflow",
        "increment_dataset_version": "create_dataset",
    },
    "deriva_ml.dataset:Dataset": {"increment_dataset_version": "release", "rid": "dataset_rid"},
    "deriva_ml.dataset:DatasetBag": {"list_feature_values": "feature_values"},
    "deriva_ml.dataset:DatasetVersion": {"increment_version": "next_release"},
    "deriva_ml.execution:Execution": {"upload_execution_outputs": "commit_output_assets"},
    "deriva_ml.execution:Workflow": {"rid": "workflow_rid"},
}
"""Older names, and those that stand beside them now."""


@pytest.mark.parametrize("home", ALIASES)
def test_older_names_stand_beside_the_present_ones(home: str) -> None:
    owner = _owner(home)
    known = _fields(owner) | set(dir(owner))
    for older, now in ALIASES[home].items():
        assert {older, now} <= known
        assert _wrong(Name(home, older, None)) == []


def test_one_class_has_the_fields_of_both_asset_configurations() -> None:
    config = execution.AssetRIDConfig("1-ABC", "masks", cache=True)
    assert (config.rid, config.description, config.cache) == ("1-ABC", "masks", True)
    assert execution.AssetSpecConfig("1-ABC", True).cache
    states = {status.value: status.execution_status.value for status in definitions.Status}
    assert (states["Pending"], states["Completed"]) == ("Created", "Uploaded")


# --- left out ----------------------------------------------------------------------------
# Names that would be empty shells here. Nothing is staged in a model, so that there is nothing to
# apply: what changes it is written at once. What the reference keeps in a database of the working
# directory, an execution's journal and the cache of downloads keep here.

LEFT_OUT: set[str] = {
    "deriva_ml.model:DerivaModel.apply",
    "deriva_ml.local_db:PagedFetcher",
    "deriva_ml.local_db:ManifestStore",
    "deriva_ml.local_db:Workspace.working_db_path",
    "deriva_ml.local_db:Workspace.engine",
    "deriva_ml.local_db:Workspace.local_schema",
    "deriva_ml.local_db:Workspace.build_local_schema",
    "deriva_ml.local_db:Workspace.attach_slice",
    "deriva_ml.local_db:Workspace.manifest_store",
    "deriva_ml.local_db:Workspace.execution_state_store",
    "deriva_ml.local_db:Workspace.import_legacy_manifests",
}
