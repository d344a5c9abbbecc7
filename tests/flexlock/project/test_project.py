"""Names, defaults, checks, pipelines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flexlock import Project, py2cfg, read_lock
from flexlock.errors import ConfigError
from flexlock.target import load_function

NODES = {
    "root": "results",
    "prepare": {"_target_": "steps.prepare", "save_dir": "${root}/prepare"},
    "group": {"train": {"_target_": "steps.train", "lr": 0.5, "save_dir": "${root}/train"}},
    "never": {"_target_": "steps.never"},
}


class TestDefaults:
    def test_kinds(self, project: Path) -> None:
        Path("conf.yml").write_text(yaml.safe_dump(NODES, sort_keys=False))
        Path("conf.json").write_text(json.dumps(NODES))
        Path("conf.py").write_text(
            "from flexlock import py2cfg\nfrom steps import prepare\n"
            f"defaults = {NODES!r}\nother = {{'again': py2cfg(prepare, times=3)}}\n"
        )
        for defaults in (NODES, "conf.yml", Path("conf.json"), "conf.py", "conf.defaults"):
            found = Project(defaults)
            assert found.names == ["prepare", "group.train", "never"]
            assert found.get("prepare").save_dir == "results/prepare"
        assert Project("conf.py:other").get("again").times == 3
        assert Project().names == []
        with pytest.raises(ConfigError, match="no config file"):
            Project("nothing.yml")

    def test_node_by_itself(self, project: Path) -> None:
        node = Project(NODES).get("group.train")
        assert dict(node) == {
            "_target_": "steps.train", "lr": 0.5, "save_dir": "results/train",
            "source": Path("results/prepare/out.txt"),
        }  # fmt: skip

    def test_signatures(self, project: Path) -> None:
        tree = {"p": py2cfg(load_function("steps.prepare"), times=3)}
        assert Project(tree).get("p").times == 3

    def test_check_says_what_is_wrong_and_runs_nothing(self, project: Path) -> None:
        bad = {
            "good": NODES["prepare"],
            "root": "results",
            "typo": {"_target_": "steps.prepare", "tims": 1},
            "gone": {"_target_": "steps.nothing"},
            "open": {"_target_": "steps.prepare", "text": "${nowhere}"},
            "half": {"_target_": "steps.train"},
        }
        found = Project(bad).check()
        assert [text.split(":")[0] for text in found] == ["typo", "gone", "open", "half"]
        assert "'tims'" in found[0]
        assert Project(bad).check("good") == []
        assert not Path("results").exists()

    def test_snapshot(self, project: Path) -> None:
        nodes = {**NODES, "api_token": "canary"}
        written = Project(nodes).save_snapshot("kept").read_text()
        assert "canary" not in written
        assert yaml.safe_load(written)["group"]["train"]["save_dir"] == "${root}/train"


class TestPipeline:
    def items(self, *rates: float) -> list[list[object]]:
        return [
            [
                {"_target_": "steps.prepare", "text": "ab", "save_dir": None, "times": 2},
                {"_target_": "steps.train", "lr": rate, "source": "steps.py"},
            ]
            for rate in rates
        ]

    def test_stages_in_order_and_blocked_behind_failures(self, project: Path) -> None:
        project_ = Project(NODES)
        items = [["prepare", "group.train"], ["group.train", "never"]]
        Path("results/prepare").mkdir(parents=True)
        found = project_.submit_pipeline([items[0]], root="pipe")
        assert [[r.status for r in item] for item in found] == [["SUCCESS", "SUCCESS"]]
        assert found[0][1].loss == 2
        assert found[0][1].save_dir == Path("results/train")
        item = read_lock(Path("pipe/item-0000"))
        assert [stage["name"] for stage in item.result] == ["prepare", "group.train"]
        Path("results/prepare/out.txt").unlink()
        found = project_.submit_pipeline([items[1]], root="other")
        assert [r.status for r in found[0]] == ["FAILED", "BLOCKED"]
        assert "FileNotFoundError" in (found[0][0].error or "")
        assert "earlier stage" in (found[0][1].error or "")

    def test_items_side_by_side(self, project: Path) -> None:
        stages = [[{"_target_": "steps.fit", "model": {"_target_": "steps.Model", "size": n},
                    "save_dir": None, "place": "${save_dir}"}] for n in range(3)]  # fmt: skip
        found = Project().submit_pipeline(stages, root="pipe", n_jobs=2)
        assert [r.size for (r,) in found] == [0, 1, 2]
        assert [r.place for (r,) in found] == [f"pipe/item-{n:04}/0-fit" for n in range(3)]
        assert [r.save_dir for (r,) in found] == [Path(f"pipe/item-{n:04}/0-fit") for n in range(3)]

    def test_again(self, project: Path) -> None:
        items = [["prepare", "group.train"]]
        runs = Project(NODES)
        (project / "helper.py").write_text("")
        runs.submit_pipeline(items, root="pipe")
        (again,) = runs.submit_pipeline(items, root="pipe")
        assert [r.status for r in again] == ["CACHED", "CACHED"]
        (forced,) = runs.submit_pipeline(items, root="pipe", force=True)
        assert [r.status for r in forced] == ["SUCCESS", "SUCCESS"]
        (reused,) = runs.submit_pipeline(items, root="another", reuse="exact")
        assert [r.status for r in reused] == ["CACHED", "CACHED"]

    def test_what_is_refused(self, project: Path) -> None:
        runs = Project(NODES)
        secret = {"_target_": "steps.fit", "model": 1, "api_token": "canary"}
        for items in ([[]], [["prepare", "prepare"]], [["nothing"]], [[secret]],
                      [[{"_target_": "steps.train"}]]):  # fmt: skip
            with pytest.raises(ConfigError):
                runs.submit_pipeline(items, root="pipe")
        assert not Path("pipe").exists()
        (dry,) = runs.submit_pipeline([["prepare"]], root="pipe", dry_run=True)
        assert [r.status for r in dry] == ["SKIPPED"]
        assert not Path("pipe").exists()


def test_functions_of_a_script(project: Path) -> None:
    (project / "study.py").write_text(
        "from flexlock import Project, py2cfg\n"
        "def square(x=2, save_dir='results/square'):\n    return x * x\n"
        "if __name__ == '__main__':\n"
        "    runs = Project({'square': py2cfg(square)})\n"
        "    found = runs.submit('square', sweep=[3, 4], sweep_target='x', n_jobs=2, quiet=True)\n"
        "    print([r.result for r in found], runs.submit('square', isolated=True).result)\n"
    )
    done = subprocess.run(
        [sys.executable, "study.py"], capture_output=True, text=True, check=False, cwd=project,
        env={**__import__("os").environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
    )  # fmt: skip
    assert done.stdout == "[9, 16] 4\n", done.stderr
