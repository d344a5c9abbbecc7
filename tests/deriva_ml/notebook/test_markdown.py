"""An executed notebook as Markdown."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd

from deriva_ml.notebook.markdown import to_markdown

PIXEL = base64.b64encode(b"not really a picture").decode()


def shown(*outputs: dict[str, Any], source: str = "") -> str:
    cell = {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}}
    return to_markdown({"cells": [cell], "metadata": {}})


def data(**kinds: Any) -> dict[str, Any]:
    found = {name.replace("_", "/").replace("svg", "svg+xml"): v for name, v in kinds.items()}
    return {"output_type": "display_data", "data": found, "metadata": {}}


def test_frames_become_tables() -> None:
    frame = pd.DataFrame({"name": ["x|y", "a b"], "count": [1, 2]})
    html = frame.to_html()
    assert shown(data(text_html=html, text_plain="...")) == (
        "|  | name | count |\n| --- | --- | --- |\n| 0 | x\\|y | 1 |\n| 1 | a b | 2 |\n"
    )
    odd = pd.DataFrame(
        {"<b>": ["<script>x</script>", "&lt; & more"], "n": pd.array([pd.NA, 3], dtype="Int64")}
    )
    lines = shown(data(text_html=odd.to_html())).splitlines()
    assert lines[0] == "|  | &lt;b> | n |"
    assert lines[2:] == [
        "| 0 | &lt;script>x&lt;/script> | &lt;NA> |",
        "| 1 | &amp;lt; & more | 3 |",
    ]
    grouped = pd.DataFrame(
        {"n": [1, 2, 3]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    )
    lines = shown(data(text_html=grouped.to_html())).splitlines()
    assert lines[2:] == ["| a | 1 | 1 |", "|  | 2 | 2 |", "| b | 1 | 3 |"]


def test_text_around_tables_stays_and_styles_go() -> None:
    html = "<style>td {a: b}</style><p>Above &amp; more</p><table><tr><td>1<br>2</td></tr></table>x"
    text = shown(data(text_html=[html]))
    assert text == "Above & more\n\n|  |\n| --- |\n| 1 2 |\n\nx\n"
    assert shown(data(text_html="<p>1 &lt; 2</p>")) == "1 &lt; 2\n"


def test_images_are_inside_the_text() -> None:
    text = shown(data(image_png=PIXEL + "\n", text_plain="<Figure size 640x480>"))
    assert text == f"![Figure size 640x480](data:image/png;base64,{PIXEL})\n"
    assert "(data:image/svg+xml,%3Csvg%2F%3E)" in shown(data(image_svg="<svg/>"))
    cell = {
        "cell_type": "markdown",
        "source": ["![me](attachment:a.png)"],
        "attachments": {"a.png": {"image/png": PIXEL}},
    }
    assert f"![me](data:image/png;base64,{PIXEL})" in to_markdown({"cells": [cell], "metadata": {}})


def test_streams_are_one_block_as_a_terminal_shows_them() -> None:
    stream = {"output_type": "stream", "name": "stdout"}
    text = shown({**stream, "text": "1%\r50%\r"}, {**stream, "text": "100%\n\x1b[31mred\x1b[0m\n"})
    assert text == "```text\n100%\nred\n```\n"
    assert shown(source="'''\n```\n'''").startswith("````python\n")


def test_other_outputs_are_text_or_named() -> None:
    error = {
        "output_type": "error",
        "ename": "E",
        "evalue": "why",
        "traceback": ["\x1b[31mE\x1b[0m"],
    }
    assert shown(error) == "```text\nE\n```\n"
    assert shown({**error, "traceback": []}) == "```text\nE: why\n```\n"
    assert shown(data(text_markdown="**so**", text_plain="so")) == "**so**\n"
    assert shown(data(text_html="<b>bold</b>", text_plain="bold")) == "```text\nbold\n```\n"
    assert shown(data(text_html="<b>bold</b>")) == "bold\n"
    assert "only a notebook shows (application/x)" in shown(data(application_x={}))
    raw = {"cell_type": "raw", "source": "as it is"}
    assert to_markdown({"cells": [raw], "metadata": {}}) == "as it is\n"
