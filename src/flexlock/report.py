"""One HTML page about many runs: no script, no file beside it, nothing from the network.

Everything that comes from a run is escaped: names, errors and results may hold any text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from flexlock.listing import FoundRun
from flexlock.lock.record import REUSED, RepoState, RunLock
from flexlock.lock.yamlfile import dump, to_data

__all__ = ["report_html"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
       padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
         vertical-align: top; }
pre, code { font: 13px/1.4 ui-monospace, monospace; }
pre { background: var(--soft); overflow-x: auto; padding: .6rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
.complete { color: #17803d; } .running { color: #1d63c9; } .recorded { color: #666; }
.failed, .lost, .corrupt, .interrupted { color: #c02626; font-weight: 600; }
"""


def report_html(runs: Sequence[FoundRun], *, title: str = "Runs", root: Path | None = None) -> str:
    """Return a page with a table of runs and a part for each.

    Args:
        runs: The runs, as `find_runs` gives them.
        title: The heading.
        root: The folder that shown paths start from.
    """
    anchors = {run.lock.id: f"run{n}" for n, run in enumerate(runs) if run.lock}
    counts = Counter(run.status.name for run in runs)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no runs"
    made = datetime.now(UTC).isoformat(timespec="seconds")
    rows = "\n".join(_row(n, run, root) for n, run in enumerate(runs))
    parts = "\n".join(_part(n, run, root, anchors) for n, run in enumerate(runs))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # A page that was tampered with could still load nothing and run nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(told)}; made {escape(made)}</p>\n"
        "<table>\n<thead><tr><th>started</th><th>run</th><th>status</th><th>function</th>"
        f"<th>result</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n{parts}\n"
        "</body>\n</html>\n"
    )


def _row(number: int, run: FoundRun, root: Path | None) -> str:
    lock = run.lock
    cells = (
        escape(lock.timestamp[:19].replace("T", " ") if lock else ""),
        f'<a href="#run{number}">{escape(_shown(run.path, root))}</a>',
        _status(run),
        escape(lock.caller.function or "" if lock else ""),
        f"<code>{escape(_short(lock.result if lock else None))}</code>",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _part(number: int, run: FoundRun, root: Path | None, anchors: dict[str, str]) -> str:
    head = f'<section id="run{number}">\n<h2>{escape(_shown(run.path, root))}</h2>\n'
    why = f"<p>{escape(run.status.why)}</p>\n" if run.status.why else ""
    if run.lock is None:
        return f"{head}<p>{_status(run)}</p>\n{why}</section>"
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in _facts(run, anchors)
    )
    trees = "".join(
        f"<details{' open' if name == 'config' else ''}><summary>{name}</summary>"
        f"<pre>{escape(_yaml(tree))}</pre></details>\n"
        for name, tree in (("config", run.lock.config), ("result", run.lock.result))
        if tree not in (None, {})
    )
    return f"{head}{why}<dl>{facts}</dl>\n{trees}</section>"


def _facts(run: FoundRun, anchors: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield names and what is said under them, as HTML."""
    lock = run.lock
    assert lock is not None
    yield "id", f"<code>{escape(lock.id)}</code>"
    yield "status", _status(run)
    yield "started", escape(lock.timestamp)
    if lock.caller.argv:
        yield "command", f"<code>{escape(' '.join(lock.caller.argv))}</code>"
    if lock.note:
        yield "note", escape(lock.note)
    for name, state in lock.repos.items():
        yield "code", f"{escape(name)}: <code>{escape(_code(state))}</code>"
    for name, data in lock.data.items():
        yield "data", _hashed(name, data.path, data.algorithm, data.hash)
    for name, output in lock.outputs.items():
        yield "output", _hashed(name, output.path, output.algorithm, output.hash)
    yield from _links(lock, anchors)
    if lock.env and lock.env.python:
        yield "python", escape(f"{lock.env.python} on {lock.env.platform}")
    for warning in lock.warnings:
        yield "warning", escape(warning)


def _links(lock: RunLock, anchors: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, prev in lock.prevs.items():
        if prev.direct:
            yield "builds on", _link(f"{name} ({prev.path})", anchors.get(prev.id or ""))
    reused = lock.extra.get(REUSED)
    if reused is not None:
        yield "not run, done as", _link(str(reused), anchors.get(str(reused)))


def _link(text: str, anchor: str | None) -> str:
    return f'<a href="#{anchor}">{escape(text)}</a>' if anchor else escape(text)


def _hashed(name: str, path: str, algorithm: str | None, digest: str | None) -> str:
    told = f"{algorithm}:{digest[:16]}" if digest else "no hash"
    return f"{escape(name)}: {escape(path)} <code>{escape(told)}</code>"


def _code(state: RepoState) -> str:
    if state.tree is None:
        return state.reason or "unknown"
    changed = " with changes that are not committed" if state.is_dirty else ""
    return f"{(state.base or state.commit or 'no commit')[:12]}, tree {state.tree[:12]}{changed}"


def _status(run: FoundRun) -> str:
    name = run.status.name
    return f'<span class="{escape(name)}">{escape(name)}</span>'


def _yaml(tree: Any) -> str:
    return dump(to_data(tree, lambda place: None)).rstrip()


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root) and path != root:
        return str(path.relative_to(root))
    return str(path)
