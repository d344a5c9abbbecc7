"""Arguments, commands and output of ``hamilton``."""

from __future__ import annotations

import argparse
import json
import logging
import pprint
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hamilton.cli.context import (
    Context,
    build_driver,
    module_at_revision,
    module_of_file,
    read_context,
)
from hamilton.graph_export import diff_graphs
from hamilton.graph_types import HamiltonGraph

__all__ = ["main"]

_LONGEST_NAME = 40
_EPILOG = """\
examples:
  hamilton build features.py training.py         can a dataflow be made of these modules?
  hamilton view features.py --output flow.svg    draw it
  hamilton diff features.py                      what changed since the last commit
  hamilton validate --context run.json features.py
                                                 can the outputs named there be computed?

exit status: 0 when the command did it; 1 when it failed; 2 for wrong arguments.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, 1 on failure, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(argv)
    for path in [*getattr(options, "modules", ()), getattr(options, "context", None)]:
        if path is not None and not path.exists():
            parser.error(f"Path {str(path)!r} does not exist.")
    log = logging.getLogger("hamilton")
    level = log.level
    log.setLevel(logging.DEBUG if options.verbose else logging.CRITICAL)
    command: Callable[[argparse.Namespace], Any] = options.run
    try:
        success, message = True, command(options)
    except Exception as error:
        # Whatever a user's module raises is the answer of the command.
        if options.verbose:
            raise
        success, message = False, {"error": f"{type(error).__name__}: {error}"}
    finally:
        log.setLevel(level)
    _tell(options, success, message)
    return 0 if success else 1


def _tell(options: argparse.Namespace, success: bool, message: Any) -> None:
    if options.json_out:
        answer = {"command": options.command, "success": success, "message": message}
        print(json.dumps(answer, default=str))
    elif success:
        pprint.pprint(message)
    else:
        print(f"hamilton {options.command}: {message['error'].strip()}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hamilton",
        description="Build, check, compare, draw and version dataflows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--verbose",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="tell everything, and show where an error comes from",
    )
    parser.add_argument("--json-out", action="store_true", help="answer with one JSON object")
    commands = parser.add_subparsers(dest="command", required=True)
    _add(commands, "build", _build, "build the dataflow of modules")
    _add(commands, "validate", _validate, "check that a context can be executed")
    _add(commands, "version", _version, "show the versions of nodes and dataflow")
    view = _add(commands, "view", _view, "draw the dataflow")
    view.add_argument("--output", "-o", type=Path, help="the picture; default dag_<name>.png")
    diff = _add(commands, "diff", _diff, "compare with a git revision")
    diff.add_argument("--git-reference", default="HEAD", help="the revision; default HEAD")
    diff.add_argument("--view", "-v", action="store_true", help="draw the difference too")
    diff.add_argument("--output", "-o", type=Path, help="the picture; default diff_<name>.png")
    cache = commands.add_parser("cache", help="remove values from a cache folder")
    cache.add_argument("path", type=Path, help="the cache folder")
    cache.add_argument("--max-size", type=int, help="bytes to keep at most")
    cache.add_argument("--max-age-s", type=float, help="seconds since its last use to keep a value")
    cache.set_defaults(run=_prune)
    browser = commands.add_parser("ui", help="look at recorded runs in the browser")
    browser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path("experiments"),
        help="the folder of the experiments; default ./experiments",
    )
    browser.add_argument("--host", default="127.0.0.1", help="address; default this machine only")
    browser.add_argument("--port", type=int, default=8241, help="port; 0 for any; default 8241")
    browser.add_argument("--no-open", action="store_true", help="do not open the browser")
    browser.set_defaults(run=_browse)
    return parser


def _add(commands: Any, name: str, run: Callable[..., Any], text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("modules", nargs="+", type=Path, help="Python files")
    command.add_argument(
        "--name", "-n", help="name of the dataflow; default the stems of the files"
    )
    command.add_argument(
        "--context",
        "-ctx",
        type=Path,
        required=name == "validate",
        help="a .json or .py file with HAMILTON_CONFIG, HAMILTON_FINAL_VARS, HAMILTON_INPUTS and "
        "HAMILTON_OVERRIDES",
    )
    command.set_defaults(run=run)
    return command


def _name(options: argparse.Namespace) -> str:
    name: str = options.name or "_".join(path.stem for path in options.modules)
    return name[:_LONGEST_NAME]


def _driver(options: argparse.Namespace, context: Context) -> Any:
    return build_driver([module_of_file(path) for path in options.modules], context)


def _build(options: argparse.Namespace) -> Any:
    _driver(options, read_context(options.context))
    return {"modules": [path.stem for path in options.modules]}


def _validate(options: argparse.Namespace) -> Any:
    context = read_context(options.context)
    dr = _driver(options, context)
    dr.validate_execution(context.final_vars, context.overrides, context.inputs)
    return context.as_dict()


def _version(options: argparse.Namespace) -> Any:
    graph = HamiltonGraph.from_graph(_driver(options, read_context(options.context)).graph)
    return {
        "nodes_hash": {node.name: node.version for node in graph.nodes},
        "dataflow_hash": graph.version,
    }


def _default_picture(options: argparse.Namespace, kind: str) -> Path:
    from hamilton.visualization.picture import default_format

    return Path(f"{kind}_{_name(options)}.{default_format()}")


def _view(options: argparse.Namespace) -> Any:
    context = read_context(options.context)
    dr = _driver(options, context)
    path = options.output or _default_picture(options, "dag")
    if context.final_vars:
        dr.visualize_execution(
            context.final_vars,
            path,
            inputs=context.inputs,
            overrides=context.overrides,
            bypass_validation=True,
        )
    else:
        dr.display_all_functions(path)
    return {"path": str(path)}


def _diff(options: argparse.Namespace) -> Any:
    context = read_context(options.context)
    old = [module_at_revision(path, options.git_reference) for path in options.modules]
    reference = build_driver([m for m in old if m is not None], context).graph
    # The views hold code versions, which must be taken before the files are imported again.
    before = _frozen(reference)
    current = _driver(options, context).graph
    diff = diff_graphs(_frozen(current), before)
    if options.view:
        _draw_diff(options, current, diff)
    return diff.as_dict()


def _frozen(graph: Any) -> HamiltonGraph:
    """Returns a view whose versions no longer depend on source files."""
    from hamilton.graph_export import graph_as_json, import_graph

    return import_graph(graph_as_json(graph))


def _draw_diff(options: argparse.Namespace, graph: Any, diff: Any) -> None:
    from hamilton.visualization.views import draw_all

    def style(*, node: Any, node_class: str) -> tuple[dict[str, str], str | None, str | None]:
        if node.name in diff.current_only:
            return {"fillcolor": "#90d890"}, node_class, "only here"
        if node.name in diff.edited:
            return {"fillcolor": "#f2e28c"}, node_class, "edited"
        return {}, node_class, None

    path = options.output or _default_picture(options, "diff")
    draw_all(graph, path, custom_style_function=style)


def _browse(options: argparse.Namespace) -> Any:
    import webbrowser

    from hamilton.runs.server import RunServer

    if not options.path.is_dir():
        raise ValueError(f"There is no folder {str(options.path)!r} with recorded runs.")
    with RunServer(options.path, options.host, options.port) as server:
        print(f"Runs of {options.path} at {server.url} (stop with Ctrl-C)", file=sys.stderr)
        if not options.no_open:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
        return {"url": server.url}


def _prune(options: argparse.Namespace) -> Any:
    from hamilton.caching.stores.sqlite import SQLiteMetadataStore, SQLiteResultStore

    store = SQLiteResultStore(SQLiteMetadataStore(options.path).database, options.path)
    if options.max_size is None and options.max_age_s is None:
        raise ValueError("Pass --max-size or --max-age-s: nothing says what to remove.")
    return {"removed": store.prune(options.max_size, options.max_age_s)}
