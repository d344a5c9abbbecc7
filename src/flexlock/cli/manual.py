"""The page of the manual about commands, made of their help texts.

python -m flexlock.cli.manual > docs/locks/commands.md
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

from flexlock.cli.help_text import help_text
from flexlock.cli.program import COMMANDS, main
from flexlock.config.schema import Field

__all__ = ["commands_page"]

_COLUMNS = "100"
_INTRODUCTION = """\
# Run locks: commands

This page is made of the commands' own help: `python -m flexlock.cli.manual`.

`flexlock COMMAND` looks after runs; `flexlock-run`, `flexlock-diff` and `flexlock-status` are other
names of three of them. Every command has `--json`, whose output carries a `schema_version`. Options
may be written with `_` or `-` inside. A line on stderr says what is wrong with a command.
"""
_SCRIPTS = """\
## Decorated scripts

A script with `clicfg` has these options; its own parameters are listed by its `--help`.
"""


def commands_page() -> str:
    """Return the page as Markdown, the same on every terminal."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _COLUMNS
    try:
        return "\n".join(_parts())
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _parts() -> Iterator[str]:
    yield _INTRODUCTION
    yield _fenced(_printed("--help"))
    for name in COMMANDS:
        yield f"## flexlock {name}\n"
        yield _fenced(_printed(name, "--help"))
    yield _SCRIPTS
    parameters = [
        Field("param", "int", 1, "how often"),
        Field("save_dir", "str", "results/process"),
    ]
    yield _fenced(help_text("python process.py", "What the function does.", parameters))


def _printed(*words: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main(words)
    return printed.getvalue()


def _fenced(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"```text\n{lines}\n```\n"


if __name__ == "__main__":
    print(commands_page(), end="")
