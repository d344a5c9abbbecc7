"""``deriva-ml-run-notebook``: run a whole notebook as an execution that the catalog records.

Everything that can be wrong with the request is found before the kernel starts.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml import __version__

from .connection_options import add_identity, use_identity

if TYPE_CHECKING:
    from .notebook_request import Request

__all__ = ["main"]

_PROGRAM = "deriva-ml-run-notebook"

_DESCRIPTION = """\
Run all cells of a notebook in a fresh kernel, as an execution that the catalog records: its code,
its configuration, its inputs with their versions, and everything it makes. The executed notebook
and a Markdown version of it are uploaded with the outputs. When a cell fails, the execution is
marked as Failed with the traceback, and the notebook is uploaded as far as it came.

A notebook takes its configuration with run_notebook() in its first cell, and the words after the
options change it. It takes parameters from the cell that has the tag 'parameters'.
"""

_EXAMPLES = """\
words:
  group=option          choose another option         assets=different_weights
  key=value             change one value              threshold=0.25
  +key=value, ~key      add a value, remove a value

examples:
  deriva-ml-run-notebook notebooks/roc.ipynb                     as the project configured it
  deriva-ml-run-notebook notebooks/roc.ipynb --inspect           which parameters it takes
  deriva-ml-run-notebook notebooks/roc.ipynb -p folds 5 -p seed 1
  deriva-ml-run-notebook notebooks/roc.ipynb --file params.yaml  values from a file
  deriva-ml-run-notebook notebooks/roc.ipynb --list-configs      what there is to choose from
  deriva-ml-run-notebook notebooks/roc.ipynb --cfg job           show the configuration, run nothing
  deriva-ml-run-notebook notebooks/roc.ipynb assets=other deriva_ml=production
  deriva-ml-run-notebook notebooks/roc.ipynb dry_run=True        run it, record nothing
  deriva-ml-run-notebook notebooks/roc.ipynb --resume            take up a run that was interrupted

exit status: 0 when all cells ended well; 1 when a cell failed or something could not be uploaded;
2 when the request was wrong, and nothing was written; 130 when it was interrupted.
"""

_HYDRA_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= threading.TIMEOUT_MAX:
        msg = f"{text!r} is no positive number of seconds (for no limit, leave the option out)"
        raise argparse.ArgumentTypeError(msg)
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} NOTEBOOK.ipynb [options] [group=option | key=value ...]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("notebook", metavar="NOTEBOOK.ipynb", type=Path, help="the notebook to run")
    add(
        "--parameter",
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="value of a parameter, of the type that the cell declares; may be repeated",
    )
    add("--file", "-f", type=Path, metavar="F", help="parameters in YAML or JSON; they win over -p")
    add("--inspect", action="store_true", help="show the parameters, and stop")
    add("--host", metavar="H", help="host of the catalog: for the configuration, and as parameter")
    add("--catalog", metavar="C", help="number or name of the catalog: the same")
    add("--kernel", "-k", metavar="NAME", help="the kernel (default: that of this environment)")
    add("--log-output", action="store_true", help="show what the cells print, as they do")
    add("--cell-timeout", type=_seconds, metavar="S", help="fail a cell that runs longer (seconds)")
    add("--timeout", type=_seconds, metavar="S", help="fail the notebook if it runs longer")
    add("--list-configs", action="store_true", help="show what can be configured, and stop")
    add("--info", choices=_HYDRA_INFO, nargs="?", const="all", help="Hydra's own report, and stop")
    add("--cfg", choices=("job", "hydra", "all"), help="show the composed configuration, and stop")
    add(
        "--resume",
        action="store_true",
        help="take up the run of the same request that was interrupted; skip one that is complete",
    )
    add("--allow-dirty", action="store_true", help="do not warn of, or refuse, uncommitted changes")
    add("--strict-git", action="store_true", help="refuse to run with uncommitted changes")
    add("--quiet", "-q", action="store_true", help="print results, warnings and errors only")
    add("--debug", action="store_true", help="log everything; show every error with its traceback")
    add_identity(parser)
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    given = list(sys.argv[1:] if argv is None else argv)
    options, words = parser.parse_known_args(_ordered(given))
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        _set_rules(options, words)
        return _run(options, words, given, parser)
    except KeyboardInterrupt:
        print(f"{_PROGRAM}: interrupted before the notebook began.", file=sys.stderr)
        return 130
    except DerivaMLException as error:
        if options.debug:
            traceback.print_exception(error)
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2


def _ordered(words: list[str]) -> list[str]:
    """The words with the value of ``--info`` kept apart from a word that follows it."""
    return [
        "--info=all"
        if word == "--info" and (words[i + 1 : i + 2] or [""])[0] not in _HYDRA_INFO
        else word
        for i, word in enumerate(words)
    ]


def _set_rules(options: argparse.Namespace, words: Sequence[str]) -> None:
    """Tell this process and the kernel what the options ask for."""
    from ..core.overrides import says

    asked = {
        "DERIVA_ML_ALLOW_DIRTY": options.allow_dirty,
        "DERIVA_ML_STRICT_GIT": options.strict_git,
        "DERIVA_ML_QUIET": options.quiet,
        "DERIVA_ML_DEBUG": options.debug,
        "DERIVA_ML_DRY_RUN": says(words, "dry_run", "true"),
    }
    os.environ.update({name: "true" for name, is_asked in asked.items() if is_asked})
    use_identity(options)


def _run(
    options: argparse.Namespace,
    words: list[str],
    given: list[str],
    parser: argparse.ArgumentParser,
) -> int:
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.notebook.document import INSTALL, read_notebook
    from deriva_ml.notebook.parameters import declared_parameters, no_parameters

    document = read_notebook(options.notebook)
    if options.inspect:
        declared = declared_parameters(document)
        if declared is None:
            print(f"{_PROGRAM}: {no_parameters(document)}", file=sys.stderr)
            return 2
        for parameter in declared.values():
            print(parameter)
        return 0
    from .notebook_request import make_request

    flags = [flag for action in parser._actions for flag in action.option_strings]
    request = make_request(document, options, words, flags)
    if options.list_configs or options.info or options.cfg:
        return _show(request, options)
    try:
        from .notebook_run import run_request
    except ModuleNotFoundError as error:
        raise DerivaMLConfigurationError(
            f"Notebooks cannot be run, because {error.name} is missing: {INSTALL}"
        ) from error
    return run_request(request, options, [_PROGRAM, *given])


def _show(request: Request, options: argparse.Namespace) -> int:
    """Show what can be configured, or what is."""
    from deriva_ml.notebook.configuration import render_notebook_config

    name = request.configuration_name()
    if request.call is not None and request.call.overrides is None:
        print(
            f"{_PROGRAM}: what the notebook itself overrides is left out, because its text does "
            "not tell it.",
            file=sys.stderr,
        )
    if options.list_configs:
        from .notebook_listing import notebook_options_text

        print(notebook_options_text(name, request.all_words))
        return 0
    text = render_notebook_config(
        name, overrides=request.all_words, cfg_mode=options.cfg, info_mode=options.info
    )
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
