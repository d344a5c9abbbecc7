"""The text of ``--help``: what the script does, its parameters, its options, examples.

Written without OmegaConf or PyYAML, so that it appears at once.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from flexlock.cli.options import make_parser
from flexlock.config.schema import Absence, Field
from flexlock.config.secrets import shown

__all__ = ["help_text"]

_NAME_WIDTH = 24
_WIDTH = 98


def help_text(prog: str, description: str, fields: Sequence[Field]) -> str:
    """Return the whole help text of a script.

    Args:
        prog: How the script is started.
        description: What it does.
        fields: Its parameters.
    """
    head = description.strip()
    parts = [head, _parameters(fields)] if head else [_parameters(fields)]
    return make_parser(prog, "\n\n".join(parts), _examples(prog, fields)).format_help()


def _parameters(fields: Sequence[Field]) -> str:
    if not fields:
        return "parameters: none are declared; -o may set any."
    return "\n".join(["parameters, set with -o NAME VALUE:", *map(_line, fields)])


def _line(field: Field) -> str:
    left = f"  {field.name}"
    facts = f"{field.type}, {_default(field)}"
    first = (
        f"{left:<{_NAME_WIDTH}}{facts}" if len(left) < _NAME_WIDTH else f"{left}\n{'':<24}{facts}"
    )
    if not field.doc:
        return first
    indent = " " * _NAME_WIDTH
    return (
        first
        + "\n"
        + textwrap.fill(field.doc, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    )


def _default(field: Field) -> str:
    if field.is_required:
        return "required"
    if field.default is Absence.OPTIONAL:
        return "optional"
    return f"default {_short(field.name, field.default)}"


def _short(name: str, value: Any) -> str:
    import enum
    from pathlib import PurePath

    if isinstance(value, enum.Enum):
        return value.name
    text = shown(name, str(value) if isinstance(value, PurePath) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _examples(prog: str, fields: Sequence[Field]) -> str:
    names = [field.name for field in fields] or ["param"]
    scalars = [f.name for f in fields if f.type in ("int", "float", "str")] or names
    first = next((name for name in scalars if name != "save_dir"), scalars[0])
    lines = [
        (f"{prog}", "run with the defaults"),
        (f"{prog} -o {first} 10", "change a parameter (also `-o {first}=10`)"),
        (f"{prog} --config conf.yml", "values from a file, which may set only some"),
        (f"{prog} --config stages.yml --experiment a.b", "one part of a file"),
        (f"{prog} --tasks list.txt --task_to {first}", "once for each line of a file"),
        (f"{prog} --tasks list.txt --task_to {first} --n_jobs=4", "the same, in parallel"),
    ]
    body = "\n".join(f"  {command}\n      {what.format(first=first)}" for command, what in lines)
    return (
        f"examples:\n{body}\n\n"
        "Options may be written with - or _ (--n_jobs, --n-jobs).\n"
        "exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted"
    )
