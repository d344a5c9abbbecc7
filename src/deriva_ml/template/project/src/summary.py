"""What was run, and what came out."""

from __future__ import annotations

import json

import pandas as pd
from deriva_ml import DerivaML

from catalog import open_catalog


def runs_frame(ml: DerivaML) -> pd.DataFrame:
    """Return one row for each completed training run, the best accuracy first."""
    rows = []
    for run in ml.find_executions(workflow_type="Training", status="Uploaded"):
        outputs = {kind: a for a in run.list_assets(asset_role="Output") for kind in a.asset_types}
        if "Metrics_File" not in outputs:  # the parent of a sweep
            continue
        lines = ml.catalog.objects.read(outputs["Metrics_File"].url).splitlines()
        last = json.loads(lines[-1]) if lines else {}  # a run of no epochs
        rows.append({"run": run.execution_rid, "what": run.description, **last})
    frame = pd.DataFrame(rows, columns=["run", "what", "epoch", "loss", "accuracy"])
    return frame.sort_values("accuracy", ascending=False, ignore_index=True)


if __name__ == "__main__":
    print(runs_frame(open_catalog()).to_string())
