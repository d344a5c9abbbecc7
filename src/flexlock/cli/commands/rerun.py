"""``flexlock rerun``: run a run again from its sheet, and compare what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.cli.command import exiting_with, make_parser, print_json
from flexlock.config.overrides import Override, take_overrides
from flexlock.errors import ConfigError

if TYPE_CHECKING:
    from flexlock.rerunning import RerunReport

_STATUSES = {
    0: "identical: every output has the same bytes, and the result is the same",
    1: "something differs",
    2: "wrong use, or it cannot be run again",
}
_EXAMPLES = {
    "flexlock rerun results/train": "in a fresh work tree that is removed afterwards",
    "flexlock rerun results/train --into /tmp/again": "keep the second run there",
    'flexlock rerun results/train -o api_token "$TOKEN"': "with a secret that is not in the sheet",
    "flexlock rerun paper/v1 --repo git@host:group/project.git": "pull pushed runs, then run them",
}


def main(argv: Sequence[str]) -> int:
    """Run a run again and say what is identical and what differs."""
    parser = make_parser(
        "rerun",
        "Run a run again: its code in a fresh work tree, its config, its data; then compare what\n"
        "it leaves, hash by hash. The first run and the user's files stay as they are.\n"
        "RUN may be the tag of pushed runs: they are pulled first.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("run", help="a run directory, a run.lock, or the tag of pushed runs")
    parser.add_argument("--into", metavar="DIR", type=Path, help="a new folder that keeps it")
    parser.add_argument(
        "-o", "--override", metavar="NAME VALUE", nargs="*", dest="shown_only",
        help="values of the config that are not in the sheet; repeatable",
    )  # fmt: skip
    parser.add_argument("--repo", metavar="URL", help="of a tag: the main repository")
    parser.add_argument("--store", metavar="WHERE", help="of a tag: where the data is")
    parser.add_argument("-q", "--quiet", action="store_true", help="not what the function prints")
    overrides, rest = take_overrides(argv)
    arguments = parser.parse_args(rest)
    values = dict(_value(override) for override in overrides)
    with exiting_with(2):
        reports = _reports(arguments, values)
    if arguments.json:
        print_json({"runs": [report.to_json() for report in reports]})
    else:
        print("\n".join(map(str, reports)))
    return 0 if all(report.is_identical for report in reports) else 1


def _reports(arguments: Any, values: dict[str, Any]) -> list[RerunReport]:
    from flexlock.rerunning import rerun, rerun_tag

    quiet = arguments.quiet or arguments.json
    is_tag = not Path(arguments.run).exists()
    if not is_tag:
        if arguments.repo or arguments.store:
            message = "--repo and --store are for the tag of pushed runs; this is a run."
            raise ConfigError(message, hint="Leave them out.")
        return [rerun(arguments.run, into=arguments.into, overrides=values, quiet=quiet)]
    return rerun_tag(
        arguments.run,
        repo=arguments.repo,
        store=arguments.store,
        into=arguments.into,
        overrides=values,
        quiet=quiet,
    )


def _value(override: Override) -> tuple[str, Any]:
    from flexlock.config.scalars import settle

    if override.action != "set":
        message = f"A run that is run again cannot {override.action} the key {override.key!r}."
        raise ConfigError(message, hint="Only set values, as in -o NAME VALUE.")
    return override.key, settle(override.value)
