"""The options of ``deriva-ml-run`` and its help. Nothing but the standard library is imported."""

from __future__ import annotations

import argparse
from pathlib import Path

from deriva_ml import __version__

from .connection_options import add_identity

__all__ = ["LIST", "PROGRAM", "option_words", "parser"]

PROGRAM = "deriva-ml-run"
LIST = "list"
"""What ``--info`` alone means."""

_HYDRA_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")

_DESCRIPTION = """\
Run a model as an execution that the catalog records: its code, its configuration, its inputs
with their versions, and everything it makes.

The configuration is Python: modules in a package (src/configs) put options into groups
(deriva_ml, datasets, assets, workflow, model_config), and one main configuration names the
default of each. The words after the options change that for one run.
"""

_EXAMPLES = """\
words:
  group=option          choose another option         datasets=small
  key=value             change one value              model_config.epochs=25
  +experiment=name      use a preset of options       +experiment=quick
  +multirun=name        run a sweep that the project named
  +key=value, ~key      add a value, remove a value

examples:
  deriva-ml-run --list-configs                         what there is to choose from
  deriva-ml-run --dry-run                              check everything, record nothing
  deriva-ml-run model_config=quick                     one run
  deriva-ml-run -m model_config.learning_rate=0.1,0.01 a run for each value
  deriva-ml-run --tasks rates.txt --task_to model_config.learning_rate --n_jobs 4
                                                       a run for each line of a file, four at once
  deriva-ml-run --host data.example.org --catalog 7    the same on another catalog
  deriva-ml-run --cfg job                              show the configuration, run nothing

exit status: 0 when all went well; 1 when the model or a job of a sweep failed; 2 when what was
asked for cannot be done, and nothing was written; 130 after Ctrl-C.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options; overrides are the words that it leaves."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [options] [group=option | key=value ...]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_places(made)
    add_identity(made)
    _add_rules(made)
    _add_sweeps(made)
    _add_reports(made)
    return made


def option_words(options: argparse.Namespace, words: list[str]) -> None:
    """Give a word back that ``--info`` has taken for its value (``--info key=value``)."""
    if options.info is not None and options.info not in (LIST, *_HYDRA_INFO):
        words.insert(0, options.info)
        options.info = LIST


def _add_places(to: argparse.ArgumentParser) -> None:
    add = to.add_argument_group("where").add_argument
    add("--host", metavar="H", help="host of the catalog, in place of the configured one")
    add("--catalog", metavar="C", help="number or name of the catalog")
    add(
        *("--config-dir", "-c"),
        metavar="DIR",
        type=Path,
        default=Path("src/configs"),
        help="package with the configuration (default: src/configs)",
    )
    add(
        "--config-name",
        metavar="NAME",
        default="deriva_model",
        help="main configuration (default: deriva_model)",
    )


def _add_rules(to: argparse.ArgumentParser) -> None:
    add = to.add_argument_group("how").add_argument
    add("--dry-run", action="store_true", help="check everything, record nothing: dry_run=True")
    add(
        "--resume",
        action="store_true",
        help="take up what was begun here: skip the completed, continue the interrupted",
    )
    add(
        "--allow-dirty",
        action="store_true",
        help="do not warn of uncommitted changes, nor refuse them (they are recorded)",
    )
    add("--strict-git", action="store_true", help="refuse to run with uncommitted changes")
    add("--quiet", "-q", action="store_true", help="print results and errors only")
    add("--debug", action="store_true", help="log everything; show every error with its traceback")


def _add_sweeps(to: argparse.ArgumentParser) -> None:
    add = to.add_argument_group("many runs").add_argument
    add("--multirun", "-m", action="store_true", help="run once for each combination of a,b values")
    add(
        "--tasks",
        metavar="FILE",
        action="append",
        default=[],
        help="run once for each line, item or row (.txt, .yaml, .json, .jsonl, .csv, .tsv)",
    )
    add(
        *("--task_to", "--task-to"),
        metavar="KEY",
        help="the key that a line is for, such as model_config.learning_rate",
    )
    add(
        *("--n_jobs", "--n-jobs"),
        metavar="N",
        type=int,
        help="runs at a time on this machine, -1 for one a core (default: 1)",
    )
    add(
        *("--slurm_config", "--slurm-config"),
        metavar="FILE",
        type=Path,
        help="run on Slurm, as the YAML file says",
    )


def _add_reports(to: argparse.ArgumentParser) -> None:
    add = to.add_argument_group("instead of running").add_argument
    add("--list-configs", action="store_true", help="show groups, options and named sweeps")
    add(
        "--info",
        nargs="?",
        const=LIST,
        metavar="WHAT",
        help=f"alone: as --list-configs; with {', '.join(_HYDRA_INFO)}: Hydra's own report",
    )
    add("--cfg", choices=("job", "hydra", "all"), help="show the composed configuration")
    add("--resolve", action="store_true", help="with --cfg: show values in place of references")
    add("--package", "-p", metavar="PACKAGE", help="with --cfg: show only this part")
    add("--version", action="version", version=f"%(prog)s {__version__}")
