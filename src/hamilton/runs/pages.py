"""The pages of the run browser, as text. Whatever comes from a run is escaped here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from hamilton.runs.record import PICTURE, Artifact, RunRecord

__all__ = ["comparison_page", "error_page", "list_page", "run_page", "run_url"]

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
_COLUMNS = 6  # of parameters, and of metrics, in the list of runs


def run_url(run: RunRecord) -> str:
    """Returns the address of a run's page."""
    return f"/run/{quote(run.folder.parent.name, safe='')}/{quote(run.folder.name, safe='')}"


def _file_url(run: RunRecord, path: str) -> str:
    return f"/file{run_url(run)[4:]}/{quote(path)}"


def _page(title: str, body: str, trail: Sequence[tuple[str, str]] = ()) -> str:
    crumbs = "".join(f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in trail)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="stylesheet" href="/style.css"></head><body>'
        f'<header><a class="home" href="/">Runs</a><nav>{crumbs}</nav></header>'
        f"<main>{body}</main></body></html>\n"
    )


def error_page(title: str, text: str) -> str:
    """Returns a page that says what is wrong."""
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")


def _text(value: Any) -> str:
    """Returns a value of a run as escaped text."""
    if isinstance(value, float):
        return escape(f"{value:.6g}")
    if isinstance(value, str):
        return escape(value)
    return escape(json.dumps(value, ensure_ascii=False))


def _short(value: Any, limit: int = 40) -> str:
    text = value if isinstance(value, (str, float)) else json.dumps(value, ensure_ascii=False)
    return _text(text if not isinstance(text, str) or len(text) <= limit else text[:limit] + "…")


def _time(when: datetime) -> str:
    shown = when.strftime("%Y-%m-%d %H:%M:%S")
    return f'<time datetime="{escape(when.isoformat())}" title="UTC">{shown}</time>'


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _size(count: int | None) -> str:
    if count is None:
        return "–"
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def _badge(run: RunRecord) -> str:
    status = run.head.status
    shown = "not finished" if status == "running" else status
    return f'<span class="badge {escape(status)}">{escape(shown)}</span>'


# --- the list of runs ----------------------------------------------------------------------------


def list_page(
    runs: Sequence[RunRecord], experiment: str | None, sort: str, descending: bool
) -> str:
    """Returns the page that lists runs, of one experiment or of all.

    Args:
        runs: Every run, newest first.
        experiment: Show those of one experiment only.
        sort: ``started``, ``seconds``, ``parameter:<name>`` or ``metric:<name>``.
        descending: Sort from the largest down.
    """
    names = sorted({run.head.experiment for run in runs})
    shown = [run for run in runs if experiment is None or run.head.experiment == experiment]
    shown = _sorted(shown, sort, descending)
    body = [f"<h1>{escape(experiment or 'All runs')}</h1>", _tabs(names, experiment)]
    if shown:
        body.append(_runs_table(shown, experiment, sort, descending))
    else:
        body.append("<p class='none'>There are no runs here yet.</p>")
    return _page(experiment or "Runs", "".join(body))


def _tabs(names: Iterable[str], chosen: str | None) -> str:
    entries: list[tuple[str, str, bool]] = [("All", "/", chosen is None)]
    entries += [(n, "/?" + urlencode({"experiment": n}), n == chosen) for n in names]
    links = "".join(
        f'<a href="{escape(url)}"{" class=chosen" if here else ""}>{escape(text)}</a>'
        for text, url, here in entries
    )
    return f'<div class="tabs">{links}</div>'


def _sort_key(sort: str) -> Callable[[RunRecord], Any]:
    kind, _, name = sort.partition(":")
    if kind == "metric":
        return lambda run: run.metrics.get(name)
    if kind == "parameter":
        return lambda run: run.parameters.get(name)
    return (lambda run: run.head.seconds) if sort == "seconds" else (lambda run: run.head.started)


def _sorted(runs: Sequence[RunRecord], sort: str, descending: bool) -> list[RunRecord]:
    """Returns runs by a value of theirs; those without it come last either way."""
    key = _sort_key(sort)
    known = [run for run in runs if key(run) is not None]
    numbers = all(isinstance(key(run), (int, float, datetime)) for run in known)
    ordered = sorted(known, key=key if numbers else lambda run: _short(key(run), 200))
    unknown = [run for run in runs if key(run) is None]
    return [*(reversed(ordered) if descending else ordered), *unknown]


def _differing(runs: Sequence[RunRecord]) -> list[str]:
    """Returns names of parameters, those whose values differ between runs first."""
    names = list(dict.fromkeys(name for run in runs for name in run.parameters))
    values = {n: {_short(run.parameters.get(n), 200) for run in runs} for n in names}
    return sorted(names, key=lambda name: len(values[name]) < 2)


def _runs_table(
    runs: Sequence[RunRecord], experiment: str | None, sort: str, descending: bool
) -> str:
    parameters = _differing(runs)[:_COLUMNS]
    metrics = list(dict.fromkeys(n for run in runs for n in run.metrics))[:_COLUMNS]

    def head(text: str, key: str, kind: str = "") -> str:
        here = key == sort
        query = {"sort": key, "order": "asc" if here and descending else "desc"}
        if experiment is not None:
            query["experiment"] = experiment
        arrow = (" ↓" if descending else " ↑") if here else ""
        url = escape("/?" + urlencode(query))
        return f'<th class="{kind}"><a href="{url}">{escape(text)}{arrow}</a></th>'

    columns = [
        "<th></th>",
        head("Started (UTC)", "started"),
        "" if experiment is not None else "<th>Experiment</th>",
        "<th>State</th>",
        head("Took", "seconds", "number"),
        *(head(name, f"parameter:{name}") for name in parameters),
        *(head(name, f"metric:{name}", "metric number") for name in metrics),
    ]
    rows = "".join(_row(run, experiment, parameters, metrics) for run in runs)
    return (
        '<form action="/compare" method="get"><div class="wide"><table class="runs">'
        f"<thead><tr>{''.join(columns)}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p><button type="submit">Compare the chosen runs</button></p></form>'
    )


def _row(
    run: RunRecord, experiment: str | None, parameters: Sequence[str], metrics: Sequence[str]
) -> str:
    key = escape(f"{run.folder.parent.name}/{run.folder.name}")
    cells = [
        f'<td><input type="checkbox" name="run" value="{key}" aria-label="choose {key}"></td>',
        f'<td><a href="{escape(run_url(run))}">{_time(run.head.started)}</a></td>',
        "" if experiment is not None else f"<td>{escape(run.head.experiment)}</td>",
        f"<td>{_badge(run)}</td>",
        f'<td class="number">{_duration(run.head.seconds)}</td>',
        *(
            f"<td>{_short(run.parameters[n]) if n in run.parameters else ''}</td>"
            for n in parameters
        ),
        *(
            f'<td class="number">{_text(run.metrics[n]) if n in run.metrics else ""}</td>'
            for n in metrics
        ),
    ]
    return f"<tr>{''.join(cells)}</tr>"


# --- one run -------------------------------------------------------------------------------------


def run_page(run: RunRecord) -> str:
    """Returns the page of a run."""
    head = run.head
    title = f"{head.experiment} · {head.started:%Y-%m-%d %H:%M:%S}"
    facts = {
        "State": _badge(run),
        "Started": _time(head.started) + " UTC",
        "Took": _duration(head.seconds),
        "Requested": escape(", ".join(head.requested)),
        "Modules": escape(", ".join(head.modules)),
        "Version": f"<code>{escape(head.version[:16])}</code>",
        "Python": escape(head.python),
        "Run": f"<code>{escape(head.run_id)}</code>",
        "Folder": f"<code>{escape(str(run.folder))}</code>",
    }
    body = [
        f"<h1>{escape(title)}</h1>",
        _facts(facts),
        _error(run),
        '<div class="columns">',
        _values("Metrics", run.metrics),
        _values("Configuration", head.config),
        _values("Inputs", head.inputs),
        _values("Overrides", head.overrides),
        _values("Results", run.results),
        "</div>",
        _picture(run),
        _artifacts(run),
        _nodes(run),
    ]
    experiment = "/?" + urlencode({"experiment": head.experiment})
    return _page(title, "".join(body), [(head.experiment, experiment)])


def _facts(facts: Mapping[str, str]) -> str:
    entries = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items() if v)
    return f'<dl class="facts">{entries}</dl>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _values(title: str, values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_text(value)}</td></tr>'
        for name, value in values.items()
    )
    return _section(title, f'<table class="values">{rows}</table>')


def _error(run: RunRecord) -> str:
    error = run.head.error
    if error is None:
        return ""
    where = f" in node <b>{escape(error.node)}</b>" if error.node else ""
    return (
        f'<section class="error"><h2>{escape(error.type)}{where}</h2>'
        f"<p>{escape(error.message)}</p>"
        f"<details><summary>Traceback</summary><pre>{escape(error.traceback)}</pre></details>"
        "</section>"
    )


def _picture(run: RunRecord) -> str:
    if not (run.folder / PICTURE).is_file():
        return ""
    url = escape(_file_url(run, PICTURE))
    return _section(
        "Dataflow", f'<a class="graph" href="{url}"><img src="{url}" alt="The dataflow"></a>'
    )


def _artifacts(run: RunRecord) -> str:
    if not run.artifacts:
        return ""
    rows = "".join(_artifact(run, artifact) for artifact in run.artifacts)
    table = (
        "<table><thead><tr><th>File</th><th>Saver</th><th class=number>Size</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    pictures = "".join(
        f'<a href="{escape(_file_url(run, a.path))}"><img src="{escape(_file_url(run, a.path))}" '
        f'alt="{escape(a.path)}"></a>'
        for a in run.artifacts
        if _is_inside(run, a) and a.path.lower().endswith(_IMAGES)
    )
    gallery = f'<div class="gallery">{pictures}</div>' if pictures else ""
    return _section("Artifacts", table + gallery)


def _is_inside(run: RunRecord, artifact: Artifact) -> bool:
    place = run.folder / artifact.path
    return place.is_relative_to(run.folder) and place.is_file()


def _artifact(run: RunRecord, artifact: Artifact) -> str:
    name = f"<code>{escape(artifact.path)}</code>"
    if _is_inside(run, artifact):
        name = f'<a href="{escape(_file_url(run, artifact.path))}">{name}</a>'
    return (
        f"<tr><td>{name}</td><td>{escape(artifact.kind)}</td>"
        f"<td class=number>{_size(artifact.size)}</td></tr>"
    )


def _nodes(run: RunRecord) -> str:
    if not run.nodes:
        return ""
    longest = max(node.seconds for node in run.nodes) or 1.0
    tasks = any(node.task_id for node in run.nodes)
    rows = "".join(
        f"<tr{'' if node.ok else ' class=failed'}><td>{escape(node.name)}</td>"
        f"{f'<td>{escape(node.task_id or chr(8211))}</td>' if tasks else ''}"
        f"<td>{'ok' if node.ok else 'failed'}</td>"
        f'<td class="number">{_duration(node.seconds)}</td>'
        f'<td class="bar"><meter max="{longest:.6g}" value="{node.seconds:.6g}"></meter></td></tr>'
        for node in run.nodes
    )
    head = "<th>Node</th>" + ("<th>Task</th>" if tasks else "")
    return _section(
        "Nodes",
        f"<table><thead><tr>{head}<th>State</th><th class=number>Took</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>",
    )


# --- several runs beside one another -------------------------------------------------------------


def comparison_page(runs: Sequence[RunRecord]) -> str:
    """Returns the page that shows runs beside one another, what differs marked."""
    if len(runs) < 2:
        return error_page("Nothing to compare", "Choose two runs or more in the list.")
    links = "".join(
        f'<th><a href="{escape(run_url(run))}">{_time(run.head.started)}</a><br>{_badge(run)}</th>'
        for run in runs
    )
    versions = _beside({"version": [run.head.version[:16] for run in runs]})
    body = (
        '<h1>Comparison</h1><div class="wide"><table class="comparison">'
        f"<thead><tr><th></th>{links}</tr></thead><tbody>"
        f"{_group('Metrics', _columns([run.metrics for run in runs]), len(runs))}"
        f"{_group('Parameters', _columns([run.parameters for run in runs]), len(runs))}"
        f'<tr><th class="group" colspan="{len(runs) + 1}">Code</th></tr>{versions}'
        "</tbody></table></div>"
    )
    return _page("Comparison", body)


def _columns(values: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for entry in values for name in entry)
    return {name: [entry.get(name, "") for entry in values] for name in names}


def _group(title: str, rows: Mapping[str, Sequence[Any]], count: int) -> str:
    if not rows:
        return ""
    return f'<tr><th class="group" colspan="{count + 1}">{title}</th></tr>{_beside(rows)}'


def _beside(rows: Mapping[str, Sequence[Any]]) -> str:
    found = []
    for name, values in rows.items():
        differs = len({_text(value) for value in values}) > 1
        cells = "".join(f"<td>{_text(value)}</td>" for value in values)
        mark = ' class="differs"' if differs else ""
        found.append(f'<tr{mark}><th scope="row">{escape(name)}</th>{cells}</tr>')
    return "".join(found)
