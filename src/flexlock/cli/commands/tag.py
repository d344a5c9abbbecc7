"""``flexlock tag``: names for runs, kept in the repository with the code of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import existing_folder, make_parser, print_json
from flexlock.errors import ConfigError

_STATUSES = {
    0: "done",
    1: "there is no such run or tag, or the name is taken",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock tag paper/v1 results/train -m 'figure 3'": "name a run; gc will keep it",
    "flexlock tag -l": "list the names",
    "flexlock tag -d paper/v1": "take a name away; the run stays",
}


def main(argv: Sequence[str]) -> int:
    """Give, list or take away names of runs."""
    parser = make_parser(
        "tag",
        "Name a run. A name keeps the run, what it builds on, and their code: gc leaves them, and\n"
        "git does not collect their commits. To publish a run, use flexlock push.",
        _STATUSES,
        usage="flexlock tag NAME RUN [-m TEXT] | -l | -d NAME",
        examples=_EXAMPLES,
    )
    parser.add_argument("name", nargs="?", help="the name")
    parser.add_argument("run", nargs="?", type=Path, help="a run directory")
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="what it is for")
    parser.add_argument("-l", "--list", action="store_true", help="list the names")
    parser.add_argument("-d", "--delete", metavar="NAME", help="take this name away")
    parser.add_argument(
        "--in", dest="folder", metavar="DIR", type=existing_folder, default=Path(),
        help="a folder in the repository, for -l and -d (default: this one)",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    asked = [bool(arguments.name), arguments.list, arguments.delete is not None]
    if sum(asked) != 1 or (arguments.name and arguments.run is None):
        message = "Name a run, list the names, or delete one."
        raise ConfigError(message, hint="Write flexlock tag NAME RUN, -l, or -d NAME.")
    from flexlock.tags import delete_tag, list_tags, tag_run

    if arguments.delete is not None:
        delete_tag(arguments.delete, arguments.folder)
        tags, text = [], f"deleted {arguments.delete!r}"
    elif arguments.list:
        tags = list_tags(arguments.folder)
        text = "\n".join(f"{tag.name}  {tag.path}  {tag.message}".rstrip() for tag in tags)
    else:
        tags = [tag_run(arguments.name, arguments.run, arguments.message)]
        text = f"{tags[0].name} is the run {tags[0].run}"
    if arguments.json:
        facts = [{"name": t.name, "path": t.path, "run": t.run, "message": t.message} for t in tags]
        print_json({"tags": facts})
    elif text:
        print(text)
    return 0
