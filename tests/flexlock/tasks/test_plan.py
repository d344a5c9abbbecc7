"""A plan says what the tasks of a queue run, without secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from omegaconf import DictConfig

from flexlock.config.building import to_config
from flexlock.errors import TaskError
from flexlock.lock.record import DataState, RepoState, RunLock
from flexlock.target import Target
from flexlock.tasks.plan import SECRETS, Plan, make_plan, read_plan, write_plan
from flexlock.tasks.queue.sqlite import SqliteQueue


def fit(cfg: DictConfig) -> int:
    return int(cfg.param) * 2


def plan_of(base: dict[str, object], tree: str = "t", data: str = "d") -> tuple[Plan, str]:
    config = to_config(base)
    lock = RunLock(
        *("id", "2026"),
        repos={"main": RepoState("x", tree=tree)},
        data={"in": DataState("x", algorithm="a", hash=data)},
    )
    target = Target.of(fit)
    return make_plan(target, fit, config, written=config, lock=lock, save_dir="out")


def test_a_plan_comes_back_from_its_queue(tmp_path: Path) -> None:
    plan, secret = plan_of({"param": 1, "where": Path("a/b"), "inner": {"x": [1, None]}})
    queue = SqliteQueue(tmp_path / "q")
    write_plan(queue, plan)
    again = read_plan(queue, plan.id)
    queue.close()
    assert again == plan
    assert again.load_base(secret) == to_config(
        {"param": 1, "where": Path("a/b"), "inner": {"x": [1, None]}}
    )
    assert again.load_function()(to_config({"param": 21})) == 42


def test_config_code_and_data_make_another_plan() -> None:
    plans = [
        plan_of({"param": 1})[0],
        plan_of({"param": 2})[0],
        plan_of({"param": 1}, tree="u")[0],
        plan_of({"param": 1}, data="e")[0],
    ]
    assert len({plan.id for plan in plans}) == 4
    assert len({plan.config for plan in plans}) == 2
    assert plan_of({"param": 1})[0].id == plans[0].id


def test_secrets_are_not_in_a_plan_and_do_not_make_another_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEXLOCK_KEY_FILE", str(tmp_path / "key"))
    base = {"api_token": "canary-91", "url": "https://u:canary-91@host", "plain": "x"}
    plan, secret = plan_of(base)
    assert "canary-91" not in plan.base
    assert plan.load_base(secret) == to_config(base)
    monkeypatch.setenv(SECRETS, secret)
    assert plan.load_base() == to_config(base)
    other, _ = plan_of({**base, "api_token": "canary-92", "url": "https://u:canary-92@host"})
    assert other.id == plan.id


def test_a_missing_secret_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, _ = plan_of({"api_token": "canary-91"})
    monkeypatch.delenv(SECRETS, raising=False)
    with pytest.raises(TaskError, match=r"'api_token'.*Repeat the command"):
        plan.load_base()


def test_a_function_that_cannot_be_imported_is_pickled() -> None:
    factor = 3

    def local(cfg: DictConfig) -> int:
        return int(cfg.param) * factor

    config = to_config({"param": 2})
    target = Target.of(local)
    plan, _ = make_plan(target, local, config, written=config, lock=None, save_dir="o")
    assert plan.pickled is not None
    assert plan.load_function()(config) == 6
    with pytest.raises(TaskError, match="cannot be imported"):
        make_plan(target, None, config, written=config, lock=None, save_dir="o")


def test_a_function_that_can_neither_be_imported_nor_pickled_is_refused() -> None:
    handle = os.scandir(".")

    def local(cfg: DictConfig) -> object:
        return handle

    config = to_config({})
    with pytest.raises(TaskError, match="neither be imported nor pickled"):
        make_plan(Target.of(local), local, config, written=config, lock=None, save_dir="o")
    handle.close()
