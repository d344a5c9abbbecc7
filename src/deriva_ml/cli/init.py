"""``deriva-ml-init``: make a project that runs at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from deriva_ml import __version__

if TYPE_CHECKING:
    from deriva_ml.template import Made

__all__ = ["main"]

_PROGRAM = "deriva-ml-init"

_DESCRIPTION = """\
Make a project that runs at once: a model function, scripts that make the catalog and load data, a
notebook, configurations with an experiment and a sweep, tests, a CI file and a README with the
whole way. It becomes a git repository with a first commit, whose filter keeps the outputs of
notebooks out of it.
"""

_EPILOG = """\
examples:
  deriva-ml-init demo                make the directory 'demo', with a project of that name
  deriva-ml-init .                   in this directory, called like it
  deriva-ml-init demo --no-git       without a repository

In a repository that is already there, the project's files are added and not committed.

exit status: 0 when the project is made; 1 when git failed; 2 when files would be overwritten, the
name cannot be used, or something is missing. Unless it is 0, nothing was made.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = _parser().parse_args(argv)
    from deriva_ml.core.exceptions import (
        DerivaMLConfigurationError,
        DerivaMLDataError,
        DerivaMLException,
    )
    from deriva_ml.template import make_project

    try:
        made = make_project(given.directory, git=given.git)
    except (DerivaMLDataError, DerivaMLConfigurationError) as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2
    except DerivaMLException as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1
    print(_told(made, given.directory))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "directory",
        metavar="NAME",
        type=Path,
        help="the directory to make, or to put the project into; its last part is the name",
    )
    parser.add_argument(
        "--no-git", dest="git", action="store_false", help="make no repository, set up no filter"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _told(made: Made, given: Path) -> str:
    from deriva_ml.template import INDEXED, own_requirement

    lines = [f"The project {made.name!r} is in {made.directory}."]
    if made.repository is not None and not made.committed:
        lines.append(f"Its files are not committed to the repository {made.repository}.")
        if made.repository != made.directory:
            lines.append(
                "It has no repository of its own there: bump-version gives versions to that one. "
                "Make it in another place if it is not a part of that."
            )
    if made.directory != Path.cwd():
        lines.append(f"  cd {given}")
    lines += ["  python src/load.py", "  deriva-ml-run +experiment=quick"]
    lines.append("README.md there has the whole way.")
    wanted = own_requirement()
    if wanted != INDEXED:
        lines.append("Its set-up installs the DerivaML that made it after this line:")
        lines.append(f"  export DERIVAML={quote(wanted)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
