"""Runs that are pushed from one place and pulled at another."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock.code.capture import capture
from flexlock.data.tracking import rehash
from flexlock.errors import ShareError
from flexlock.lock.document import read_lock
from flexlock.sharing.pull import pull
from flexlock.sharing.push import push

from .conftest import Project, git

Look = Callable[[Path], dict[str, bytes]]


def stages(project: Project) -> tuple[Path, Path]:
    """Two stages: the second reads what the first wrote, and runs on edited code."""
    project.write("data/raw/a.txt", "A")
    project.write("data/raw/deep/b.txt", "B" * 5000)
    (project.root / "data/raw/link").symlink_to("a.txt")
    first = project.run("prep", {"raw": "data/raw"}, outputs={"clean.csv": "clean"})
    project.write("process.py", "print('edited')\n")
    second = project.run(
        "train",
        {"clean": "results/prep/clean.csv", "input": "data/in.csv"},
        prevs={"prep": first},
        outputs={"model.bin": "weights"},
    )
    return first, second


def test_what_one_pushes_another_pulls(project: Project, store: str, tmp_path: Path) -> None:
    first, second = stages(project)
    report = push([second], store=store)
    assert len(report.runs) == 2
    assert report.repositories == (str(project.remote),)

    there = tmp_path / "elsewhere"
    pulled = pull(report.tag, repo=project.remote, into=there)
    assert set(pulled.runs) == {"results/prep", "results/train"}
    assert (there / "process.py").read_text() == "print('edited')\n"
    for run in (first, second):
        place = there / run.relative_to(project.root)
        assert (place / "run.lock").read_bytes() == (run / "run.lock").read_bytes()
        lock = read_lock(place)
        for state in lock.data.values():
            assert rehash(state, root=there) == state
    tree = capture(there, results=[there / "results"]).tree
    assert tree == read_lock(second).repos["main"].tree
    assert os.readlink(there / "data/raw/link") == "a.txt"  # noqa: PTH115
    assert git(there, "status", "--porcelain") == ""


def test_a_clone_gets_code_and_data_but_keeps_its_work(
    project: Project, store: str, tmp_path: Path
) -> None:
    _, second = stages(project)
    tag = push([second], store=store, tag="paper/v1").tag
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project.remote), str(clone))
    (clone / "mine.py").write_text("work in progress")
    pull(tag, into=clone)
    assert git(clone, "status", "--porcelain", "--branch").splitlines()[1:] == ["?? mine.py"]
    assert git(clone, "branch", "--show-current") == "main"
    tree = read_lock(second).repos["main"].tree
    assert git(clone, "rev-parse", "paper/v1^{tree}") == tree
    assert (clone / "data/in.csv").read_text() == "1,2\n"


def test_the_branch_holds_the_runs_code_and_nothing_else(project: Project) -> None:
    project.write("secret-history.txt", "never meant to be seen")
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "Unpushed")
    git(project.root, "rm", "--quiet", "secret-history.txt")
    git(project.root, "commit", "--quiet", "-m", "Removed again")
    run = project.run("a", {})
    report = push([run])
    names = git(project.remote, "log", "--format=%s", f"flexlock/{report.tag}").splitlines()
    assert names == ["Code of 1 run"]
    everything = git(project.remote, "rev-list", "--objects", "--all")
    assert "secret-history.txt" not in everything


def test_the_users_repository_stays_as_it_is(project: Project, contents: Look) -> None:
    project.write("process.py", "edited")
    project.write("staged.py", "staged")
    git(project.root, "add", "staged.py")
    run = project.run("a", {"in": "data/in.csv"})

    def state() -> tuple[object, ...]:
        index = (project.root / ".git/index").read_bytes()
        work = {k: v for k, v in contents(project.root).items() if not k.startswith(".git/")}
        references = git(project.root, "for-each-ref", "refs/heads", "refs/tags")
        return index, work, git(project.root, "rev-parse", "HEAD"), references

    before = state()
    push([run], store=project.store, yes=True)
    assert state() == before


def test_pushing_again_sends_nothing(project: Project, store: str) -> None:
    _, second = stages(project)
    first = push([second], store=store)
    again = push([second], store=store)
    assert (first.was_there, again.was_there) == (False, True)
    assert (again.tag, again.sent) == (first.tag, 0)
    assert first.sent > 0


def test_equal_data_is_stored_once(project: Project) -> None:
    project.write("data/copy.csv", "1,2\n")
    one = project.run("one", {"in": "data/in.csv"})
    two = project.run("two", {"in": "data/copy.csv"})
    assert push([one], store=project.store).sent == 1
    assert push([two], store=project.store).sent == 0


def test_a_dry_run_says_what_would_happen_and_does_nothing(
    project: Project, tmp_path: Path
) -> None:
    _, second = stages(project)
    report = push([second], store=project.store, dry_run=True)
    assert report.dry_run
    assert report.sent > 0
    assert not project.store.exists()
    assert git(project.remote, "tag") == ""
    tag = push([second], store=project.store).tag
    into = tmp_path / "elsewhere"
    assert pull(tag, repo=project.remote, into=into, dry_run=True).data
    assert not into.exists()


def test_outputs_go_along_when_asked_for(project: Project, tmp_path: Path) -> None:
    _, second = stages(project)
    tag = push([second], store=project.store, with_outputs=True).tag
    pull(tag, repo=project.remote, into=tmp_path / "there")
    assert (tmp_path / "there/results/train/model.bin").read_text() == "weights"
    assert (tmp_path / "there/results/train/run.lock").exists()


def test_data_alone_needs_no_repository(project: Project, tmp_path: Path) -> None:
    run = project.run("a", {"in": "data/in.csv"})
    git(project.root, "remote", "remove", "origin")
    with pytest.raises(ShareError, match="no remote 'origin'"):
        push([run], store=project.store)
    tag = push([run], store=project.store, only="data").tag
    pull(tag, store=project.store, into=tmp_path / "there", only="data")
    assert (tmp_path / "there/data/in.csv").read_text() == "1,2\n"


def test_data_from_outside_gets_a_place_inside(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "shared disk" / "big.bin"
    outside.parent.mkdir()
    outside.write_bytes(b"\0" * 100)
    run = project.run("a", {"big": str(outside)})
    tag = push([run], store=project.store).tag
    outside.unlink()
    report = pull(tag, repo=project.remote, into=tmp_path / "there")
    place = report.moved[str(outside)]
    assert place.startswith(".flexlock/outside/")
    assert (tmp_path / "there" / place).read_bytes() == b"\0" * 100
    assert not outside.exists()


# --- what must not happen -------------------------------------------------------------------


def test_data_that_changed_since_the_run_is_named(project: Project) -> None:
    _, second = stages(project)
    project.write("data/in.csv", "9,9\n")
    project.write("data/raw/a.txt", "Z")
    with pytest.raises(ShareError) as caught:
        push([second], store=project.store)
    assert "'input'" in str(caught.value)
    assert "'raw'" in str(caught.value)
    assert not project.store.exists()
    assert git(project.remote, "tag") == ""


def test_files_that_nobody_committed_are_shown_first(project: Project) -> None:
    project.write("keys.txt", "canary")
    run = project.run("a", {})
    with pytest.raises(ShareError, match=r"keys\.txt.*--yes"):
        push([run])
    assert git(project.remote, "tag") == ""
    push([run], yes=True)
    push([project.run("b", {})])  # shown once is enough
    project.write("keys.txt", "another")
    with pytest.raises(ShareError, match=r"keys\.txt"):
        push([project.run("c", {})])


def test_a_tag_is_never_replaced(project: Project) -> None:
    push([project.run("a", {"in": "data/in.csv"})], store=project.store, tag="v1")
    other = project.run("b", {"in": "data/in.csv"})
    before = git(project.remote, "rev-parse", "v1")
    with pytest.raises(ShareError, match="says something else"):
        push([other], store=project.store, tag="v1")
    assert git(project.remote, "rev-parse", "v1") == before


def test_an_earlier_run_that_was_replaced_is_noticed(project: Project) -> None:
    first, second = stages(project)
    (first / "run.lock").write_text((first / "run.lock").read_text() + "note: tampered\n")
    with pytest.raises(ShareError, match="not what the sheet"):
        push([second], store=project.store)


def test_earlier_runs_of_an_old_sheet_that_are_gone_are_named(project: Project) -> None:
    old = project.write(
        "old/run.lock",
        "caller: {module: process}\nrepos: {main: null}\nconfig: {}\ndata: {}\n"
        "prevs: {/gone/prep: {caller: {}, repos: {}, config: {x: 1}, data: {}}}\n",
    )
    with pytest.raises(ShareError, match=r"earlier run '/gone/prep' .* is not there any longer"):
        push([old.parent], store=project.store)


def test_without_a_store_the_error_says_how_to_name_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.run("a", {"in": "data/in.csv"})
    with pytest.raises(ShareError, match=r"--store.*FLEXLOCK_STORE"):
        push([run])
    git(project.root, "config", "flexlock.store", str(project.store))
    assert push([run]).store == project.store.as_uri()
    monkeypatch.setenv("FLEXLOCK_STORE", str(project.store) + "2")
    assert push([run], tag="other").store == project.store.as_uri() + "2"


@pytest.mark.parametrize("tag", ["a..b", "has space", "", "-x/.lock"])
def test_names_that_git_refuses_are_refused(project: Project, tag: str) -> None:
    run = project.run("a", {})
    if tag:
        with pytest.raises(ShareError, match="name of a tag"):
            push([run], tag=tag)
    else:
        assert push([run], tag=tag).tag.startswith("runs/")


def test_pulling_what_is_not_there_says_so(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="no tag 'none'"):
        pull("none", repo=project.remote, into=tmp_path / "there")
    with pytest.raises(ShareError, match="could not be read"):
        pull("none", repo=tmp_path / "no such.git", into=tmp_path / "there")
    with pytest.raises(ShareError, match="--repo or --store"):
        pull("none", into=tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_differing_files_are_not_overwritten(
    project: Project, tmp_path: Path, contents: Look
) -> None:
    _, second = stages(project)
    tag = push([second], store=project.store).tag
    there = tmp_path / "there"
    pull(tag, repo=project.remote, into=there)
    (there / "data/in.csv").write_text("mine")
    (there / "data/raw/new.txt").write_text("mine too")
    before = contents(there)
    with pytest.raises(ShareError) as caught:
        pull(tag, into=there)
    assert len(caught.value.facts["paths"]) == 2  # type: ignore[arg-type]
    assert contents(there) == before
    report = pull(tag, into=there, force=True)
    assert set(report.data) == {"data/in.csv", "data/raw"}
    assert report.present == ("results/prep/clean.csv",)
    assert (there / "data/in.csv").read_text() == "1,2\n"
    assert not (there / "data/raw/new.txt").exists()


def test_pulling_again_does_nothing(project: Project, store: str, tmp_path: Path) -> None:
    _, second = stages(project)
    tag = push([second], store=store).tag
    pull(tag, repo=project.remote, into=tmp_path / "there")
    again = pull(tag, into=tmp_path / "there")
    assert again.data == ()
    assert again.fetched_bytes == 0


@pytest.mark.parametrize("kind", ["damaged", "missing", "cut"])
def test_a_bad_object_reaches_no_place(project: Project, tmp_path: Path, kind: str) -> None:
    run = project.run("a", {"in": "data/in.csv"})
    tag = push([run], store=project.store).tag
    (path,) = [p for p in (project.store / "objects").rglob("*") if p.is_file()]
    match kind:
        case "damaged":
            path.write_text("9,9\n")
        case "missing":
            path.unlink()
        case "cut":
            path.write_text("1")
    with pytest.raises(ShareError, match=r"is damaged|does not have"):
        pull(tag, repo=project.remote, into=tmp_path / "there")
    assert not (tmp_path / "there/data").exists()
    if kind == "cut":  # pushing again repairs what has another size
        push([run], store=project.store)
        pull(tag, into=tmp_path / "there")
        assert (tmp_path / "there/data/in.csv").read_text() == "1,2\n"


def test_a_store_that_says_something_else_is_noticed(project: Project, tmp_path: Path) -> None:
    run = project.run("a", {"in": "data/in.csv"})
    tag = push([run], store=project.store).tag
    (manifest,) = (project.store / "manifests").rglob("*.json")
    manifest.write_text(manifest.read_text().replace("in.csv", "xx.csv"))
    with pytest.raises(ShareError, match="other runs under the tag"):
        pull(tag, repo=project.remote, into=tmp_path / "there")


# --- links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["auto", "copy", "symlink", "hardlink"])
def test_files_of_a_near_store_are_linked_as_asked(
    project: Project, tmp_path: Path, link: str
) -> None:
    _, second = stages(project)
    tag = push([second], store=project.store).tag
    there = tmp_path / "there"
    pull(tag, repo=project.remote, into=there, link=link)  # type: ignore[arg-type]
    file = there / "data/in.csv"
    assert file.read_text() == "1,2\n"
    assert file.is_symlink() == (link == "symlink")
    assert (file.stat().st_nlink > 1) == (link == "hardlink")
    lock = read_lock(there / "results/prep")
    assert rehash(lock.data["raw"], root=there) == lock.data["raw"]
    if link in ("auto", "copy"):
        file.write_text("edited")
        assert pull(tag, into=there, force=True).data == ("data/in.csv",)
        assert file.read_text() == "1,2\n"


# --- kills ----------------------------------------------------------------------------------

PUSH = (
    "import sys; from flexlock.sharing.push import push\n"
    "print('start', flush=True); push([sys.argv[1]], store=sys.argv[2], tag='t')\n"
)
PULL = (
    "import sys; from flexlock.sharing.pull import pull\n"
    "print('start', flush=True); pull('t', repo=sys.argv[1], into=sys.argv[2])\n"
)


def kill_at_random(code: str, *arguments: str, within_s: float) -> bool:
    """Run a process and kill it, with its children, after a random time; tell if it had ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.uniform(0, within_s))
    ended = process.poll() is not None
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return ended


def test_a_killed_push_shows_nothing_and_goes_on(
    project: Project, store: str, tmp_path: Path
) -> None:
    for number in range(30):
        project.write(f"data/many/{number}.bin", str(number) * 30_000)
    run = project.run("a", {"many": "data/many"})
    kills = int(os.environ.get("FLEXLOCK_KILLS", "4"))
    for number in range(kills):
        ended = kill_at_random(PUSH, str(run), store, within_s=0.6)
        if not ended and not git(project.remote, "tag"):
            with pytest.raises(ShareError, match="no tag"):
                pull("t", repo=project.remote, into=tmp_path / f"early{number}")
        if git(project.remote, "tag"):  # the tag comes last: with it everything is there
            pull("t", repo=project.remote, into=tmp_path / f"there{number}")
    push([run], store=store, tag="t")
    pull("t", repo=project.remote, into=tmp_path / "there")
    state = read_lock(run).data["many"]
    assert rehash(state, root=tmp_path / "there") == state


def test_a_killed_pull_goes_on(project: Project, tmp_path: Path) -> None:
    for number in range(30):
        project.write(f"data/many/{number}.bin", str(number) * 30_000)
    run = project.run("a", {"many": "data/many", "in": "data/in.csv"})
    push([run], store=project.store, tag="t")
    state = read_lock(run).data["many"]
    there = tmp_path / "there"
    for _ in range(int(os.environ.get("FLEXLOCK_KILLS", "4"))):
        kill_at_random(PULL, str(project.remote), str(there), within_s=0.5)
        if (there / "data/many").exists():
            assert rehash(state, root=there) == state
    pull("t", repo=project.remote, into=there)
    assert rehash(state, root=there) == state
    assert (there / "process.py").exists()


def test_work_in_a_folder_of_an_interrupted_pull_is_kept(project: Project, tmp_path: Path) -> None:
    tag = push([project.run("a", {"in": "data/in.csv"})], store=project.store).tag
    there = tmp_path / "there"
    pull(tag, repo=project.remote, into=there)
    (there / ".flexlock" / "checking-out").touch()  # what an interrupted pull leaves
    git(there, "switch", "--quiet", "--create", "mine")
    git(there, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    mine = git(there, "rev-parse", "mine")
    with pytest.raises(ShareError, match="branches"):
        pull(tag, repo=project.remote, into=there)
    assert git(there, "rev-parse", "mine") == mine
