"""``flexlock graph``: how the runs below a folder build on each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import existing_folder, make_parser, print_json

_STATUSES = {0: "printed", 2: "wrong use"}
_EXAMPLES = {
    "flexlock graph results --format mermaid": "for a Markdown page",
    "flexlock graph results --format dot | dot -Tsvg > runs.svg": "a picture, with Graphviz",
}


def main(argv: Sequence[str]) -> int:
    """Print the graph of runs."""
    parser = make_parser(
        "graph",
        "Print how runs build on each other: an edge from each earlier run to its user.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", type=existing_folder, default=Path(),
        help="the folder (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("json", "mermaid", "dot"), help="(default: mermaid; --json is json)"
    )
    arguments = parser.parse_args(argv)
    from flexlock.errors import ConfigError
    from flexlock.listing import run_graph

    form = arguments.format or ("json" if arguments.json else "mermaid")
    if arguments.json and form != "json":
        message = f"--json and --format {form} contradict each other."
        raise ConfigError(message, hint="Leave one of them out.")
    graph = run_graph(arguments.folder)
    if form == "json":
        print_json(graph.to_json())
    else:
        print(graph.to_text("dot" if form == "dot" else "mermaid"))
    return 0
