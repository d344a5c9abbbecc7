"""The directories that runs of notebooks are kept in."""

from __future__ import annotations

import json
import os
from pathlib import Path

from deriva_ml.notebook.keeping import let_go, new_place, places_of, ran_whole

LONG_AGO = 1_000_000_000


def test_what_no_execution_belongs_to_is_kept_for_some_days(tmp_path: Path) -> None:
    with new_place(tmp_path) as first:
        first.notebook.write_text("{}")
        first.who.write_text(json.dumps({"execution_rid": "1-AB"}))
    assert [p.directory for p in places_of(tmp_path, "1-AB")] == [first.directory]
    os.utime(first.directory, (LONG_AGO, LONG_AGO))
    with new_place(tmp_path):
        assert first.notebook.exists()  # its execution may be taken up
    let_go(first)
    assert places_of(tmp_path, "1-AB") == []
    with new_place(tmp_path) as running:
        assert first.notebook.exists()
        assert first.told() == f"{first.notebook} (kept for 7 days)"
        for directory in (first.directory, running.directory):
            os.utime(directory, (LONG_AGO, LONG_AGO))
        with new_place(tmp_path):
            assert not first.directory.exists()
            assert running.directory.exists()


def test_whether_all_cells_were_run(tmp_path: Path) -> None:
    with new_place(tmp_path) as place:
        assert not ran_whole(place)
        for states, whole in ((["completed"], True), (["completed", "pending"], False)):
            cells = [
                {"cell_type": "code", "metadata": {"papermill": {"status": state}}}
                for state in states
            ]
            place.notebook.write_text(
                json.dumps({"cells": [*cells, {"cell_type": "markdown", "metadata": {}}]})
            )
            assert ran_whole(place) is whole
        place.notebook.write_text('{"cells": [')
        assert not ran_whole(place)
