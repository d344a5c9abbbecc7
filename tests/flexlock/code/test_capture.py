"""The captured tree is what is on the disk, and nothing of the user's changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexlock.code import git as git_module
from flexlock.code.capture import REFS, capture
from flexlock.code.choosing import Limits
from flexlock.errors import CodeError
from flexlock.lock.record import RepoState, Scope

from ..repository import Repository, new_repository

SOURCES = Path(__file__).parents[3] / "src"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "project")
    made.write(main_py="import helper\n", helper_py="x = 1\n", sub__inner_py="y = 1\n")
    made.commit()
    return made


def users_state(repository: Repository) -> dict[str, str]:
    """Return what must never change: index bytes, refs, stash, files with their times."""
    root = repository.root
    files = {
        str(path.relative_to(root)): f"{path.lstat().st_mtime_ns} {path.read_bytes()!r}"
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }
    index = (root / ".git/index").read_bytes() if (root / ".git/index").exists() else b""
    return {
        **files,
        "index": hashlib.sha256(index).hexdigest(),
        "head": (root / ".git/HEAD").read_text(),
        "refs": repository.git("for-each-ref", "refs/heads", "refs/tags", "refs/stash"),
        "status": repository.git("status", "--porcelain", "--ignored"),
        "lock": str((root / ".git/index.lock").exists()),
    }


def refs(repository: Repository) -> list[str]:
    return repository.git("for-each-ref", "--format=%(refname)", REFS).splitlines()


def test_clean_repository_is_its_last_commit(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    state = capture(repository.root / "sub")
    assert state == RepoState(
        path=str(repository.root),
        branch="main",
        commit=head,
        base=head,
        tree=repository.git("rev-parse", "HEAD^{tree}"),
        is_dirty=False,
    )
    assert refs(repository) == []


def test_edits_new_and_deleted_files_are_in_the_tree(repository: Repository) -> None:
    repository.write(helper_py="x = 2\n", new_py="z = 1\n", sub__more__deep_py="w = 1\n")
    (repository.root / "sub/inner.py").unlink()
    before = users_state(repository)
    state = capture(repository.root)
    assert users_state(repository) == before
    assert state.tree is not None
    assert repository.tree_of(state.tree) == {
        "main.py": "import helper",
        "helper.py": "x = 2",
        "new.py": "z = 1",
        "sub/more/deep.py": "w = 1",
    }
    assert state.is_dirty is True
    assert state.base == repository.git("rev-parse", "HEAD") != state.commit
    assert repository.git("rev-parse", f"{state.commit}^{{tree}}") == state.tree
    assert repository.git("rev-parse", f"{state.commit}^") == state.base
    assert refs(repository) == [f"{REFS}/{state.tree}"]


def test_staged_and_unstaged_edits_count_as_on_the_disk(repository: Repository) -> None:
    repository.write(main_py="staged\n")
    repository.git("add", "main.py")
    repository.write(main_py="on disk\n")
    repository.git("mv", "helper.py", "moved.py")
    repository.write(added_py="only meant to be added\n")
    repository.git("add", "--intent-to-add", "added.py")
    before = users_state(repository)
    state = capture(repository.root)
    assert users_state(repository) == before
    assert repository.tree_of(state.tree or "") == {
        "main.py": "on disk",
        "moved.py": "x = 1",
        "sub/inner.py": "y = 1",
        "added.py": "only meant to be added",
    }


def test_tracked_files_that_are_ignored_stay_and_ignored_ones_do_not_come(
    repository: Repository,
) -> None:
    repository.write(kept_log="tracked\n")
    repository.git("add", "--all")
    repository.commit()
    (repository.root / ".gitignore").write_text("*_log\n*.secret\n")
    repository.write(kept_log="edited\n")
    (repository.root / "a.secret").write_text("s")
    tree = repository.tree_of(capture(repository.root).tree or "")
    assert tree["kept_log"] == "edited"
    assert "a.secret" not in tree


def test_what_was_taken_out_of_the_index_and_is_ignored_does_not_come_back(
    repository: Repository,
) -> None:
    repository.write(password="old\n")
    repository.commit()
    repository.git("rm", "--quiet", "--cached", "password")
    assert "password" in repository.tree_of(capture(repository.root).tree or "")
    (repository.root / ".gitignore").write_text("password\n")
    assert "password" not in repository.tree_of(capture(repository.root).tree or "")


def test_files_that_become_folders_and_back(repository: Repository) -> None:
    (repository.root / "helper.py").unlink()
    repository.write(helper_py__x="inside\n")
    shutil.rmtree(repository.root / "sub")
    (repository.root / "sub").write_text("a file\n")
    (repository.root / "link").symlink_to("main.py")
    (repository.root / "main.py").chmod(0o755)
    state = capture(repository.root)
    tree = repository.tree_of(state.tree or "")
    assert tree["helper.py/x"] == "inside"
    assert tree["sub"] == "a file"
    assert tree["link"] == "main.py"
    assert "sub/inner.py" not in tree
    assert "100755" in repository.git("ls-tree", state.tree or "", "main.py")


def test_the_same_tree_has_one_ref_and_one_commit(repository: Repository) -> None:
    repository.write(new_py="z = 1\n")
    first = capture(repository.root)
    assert capture(repository.root) == first
    repository.git("pack-refs", "--all")
    assert capture(repository.root) == first
    assert len(refs(repository)) == 1
    # The same tree on another base: the commit that the first sheet names must stay reachable.
    repository.git("commit", "--quiet", "--allow-empty", "--message", "empty")
    second = capture(repository.root)
    assert (second.tree, second.commit) == (first.tree, first.commit)
    assert second.base != first.base


def test_going_back_gives_the_first_tree_again(repository: Repository) -> None:
    clean = capture(repository.root)
    repository.write(helper_py="x = 2\n")
    dirty = capture(repository.root)
    repository.write(helper_py="x = 1\n")
    assert capture(repository.root) == clean
    assert dirty.tree != clean.tree


def test_results_are_not_code(repository: Repository) -> None:
    clean = capture(repository.root)
    repository.write(results__one__run_lock="", results__one__out="o", results__two__out="o")
    (repository.root / "results/one/run_lock").rename(repository.root / "results/one/run.lock")
    state = capture(repository.root, results=[repository.root / "results/two"])
    assert state == clean
    assert capture(repository.root).tree != clean.tree


def test_the_script_is_code_wherever_it_lies(repository: Repository) -> None:
    repository.write(results__script_py="run\n", results__out="o")
    results = repository.root / "results"
    state = capture(repository.root, results=[results], keep=[results / "script.py"])
    tree = repository.tree_of(state.tree or "")
    assert "results/script.py" in tree
    assert "results/out" not in tree


def test_a_save_dir_that_is_the_repository_excludes_only_our_files(repository: Repository) -> None:
    repository.write(new_py="n\n")
    for name in ("run.lock", "run.complete", "run.lock.01ABC", ".flexlock_marker"):
        (repository.root / name).write_text("ours")
    state = capture(repository.root, results=[repository.root])
    assert set(repository.tree_of(state.tree or "")) == {
        "main.py", "helper.py", "sub/inner.py", "new.py",
    }  # fmt: skip


def test_a_home_that_is_a_repository_does_not_swallow_our_store(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXLOCK_CACHE", str(repository.root / ".cache"))
    repository.write(_cache__flexlock__x="c", _config__flexlock__mask_key="k")
    (repository.root / "_cache").rename(repository.root / ".cache")
    (repository.root / "_config").rename(repository.root / ".config")
    key = repository.root / ".config/flexlock/mask_key"
    key.rename(key.with_name("mask.key"))
    assert capture(repository.root).is_dirty is False


def test_scope(repository: Repository) -> None:
    clean = capture(repository.root)
    repository.write(helper_py="x = 2\n", notes="n\n")
    scope = Scope(exclude=("helper.py", "notes"))
    assert capture(repository.root, scope=scope).tree == clean.tree
    inner = capture(repository.root, scope=Scope(include=("*.py",)))
    assert set(repository.tree_of(inner.tree or "")) == {"main.py", "helper.py", "sub/inner.py"}
    assert inner.scope == Scope(include=("*.py",))


def test_large_untracked_files_are_listed_not_stored(repository: Repository) -> None:
    repository.write(big="b" * 2_000, small="s" * 10, middle="m" * 600)
    limits = Limits(file_bytes=1_000, total_bytes=605)
    state = capture(repository.root, limits=limits)
    assert [(s.path, s.bytes) for s in state.skipped] == [("big", 2_000), ("middle", 600)]
    assert state.skipped[0].why == "not tracked and larger than 1.0 kB"
    assert (state.skipped[0].hash or "").startswith("blake3:")
    assert state.is_dirty
    assert "small" in repository.tree_of(state.tree or "")
    (repository.root / "small").unlink()
    only = capture(repository.root, limits=Limits(file_bytes=100))
    assert (only.is_dirty, only.commit) == (True, only.base)


def test_many_skipped_files_are_summed_up(repository: Repository) -> None:
    repository.write(**{f"data__f{n}": "x" * 50 for n in range(130)})
    state = capture(repository.root, limits=Limits(file_bytes=10))
    (skipped,) = state.skipped
    assert (skipped.path, skipped.bytes) == ("data/", 6_500)
    assert skipped.why.startswith("130 files: ")


def test_repository_without_a_commit(tmp_path: Path) -> None:
    empty = new_repository(tmp_path / "new")
    state = capture(empty.root)
    assert (state.commit, state.base, state.branch) == (None, None, "main")
    assert empty.tree_of(state.tree or "") == {}
    empty.write(first_py="f\n")
    state = capture(empty.root)
    assert empty.tree_of(state.commit or "") == {"first.py": "f"}
    assert (state.base, state.is_dirty) == (None, True)
    assert not (empty.root / ".git/index").exists()


def test_no_identity_is_needed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("config", "user.useConfigOnly", "true")
    monkeypatch.setenv("EMAIL", "")
    repository.write(new_py="n\n")
    assert capture(repository.root).commit is not None


def test_not_a_repository_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(git_module.NotARepositoryError, match="not inside a git repository"):
        capture(tmp_path)
    with pytest.raises(CodeError, match="there is no folder"):
        capture(tmp_path / "none")
    bare = new_repository(tmp_path / "x")
    with pytest.raises(git_module.NotARepositoryError, match="without files"):
        capture(bare.root / ".git")


def test_missing_git(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CodeError, match=r"'git' is not there.* Install git"):
        capture(repository.root)


def test_slow_git_is_given_up(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FLEXLOCK_GIT_TIMEOUT_S", "0.05")
    started = time.monotonic()
    with pytest.raises(CodeError, match=r"took longer than 0\.05 s"):
        capture(repository.root)
    assert time.monotonic() - started < 10
    monkeypatch.setenv("FLEXLOCK_GIT_TIMEOUT_S", "soon")
    with pytest.raises(CodeError, match="no number of seconds"):
        capture(repository.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_explained(repository: Repository) -> None:
    for path in (repository.root, repository.root / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(CodeError, match=r"does not trust.*safe\.directory"):
        capture(repository.root)


def test_linked_work_trees(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked")
    linked.write(helper_py="x = 3\n")
    state = capture(linked.root)
    assert state.path == str(linked.root)
    assert linked.tree_of(state.tree or "")["helper.py"] == "x = 3"
    assert capture(repository.root).is_dirty is False


def test_shallow_clone_and_remote(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    clone = Repository(tmp_path / "clone")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone.root))
    clone.write(new_py="n\n")
    state = capture(clone.root)
    assert "new.py" in clone.tree_of(state.commit or "")
    assert state.remote == f"file://{repository.root}"


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("https://me:secret@host/x.git", "https://host/x.git"),
        ("https://token@host/x.git", "https://host/x.git"),
        ("ssh://git:pw@host/x.git", "ssh://git@host/x.git"),
        ("git@host:x.git", "git@host:x.git"),
    ],
)
def test_no_secrets_of_remotes(repository: Repository, given: str, recorded: str) -> None:
    repository.git("remote", "add", "other", "file:///other")
    repository.git("remote", "add", "origin", given)
    assert capture(repository.root).remote == recorded
    repository.git("config", "branch.main.remote", "other")
    assert capture(repository.root).remote == "file:///other"


def test_sparse_checkout_keeps_what_is_not_on_the_disk(repository: Repository) -> None:
    repository.write(other__a="a\n")
    repository.commit()
    repository.git("sparse-checkout", "set", "sub")
    repository.write(sub__inner_py="edited\n")
    assert not (repository.root / "other").exists()
    tree = repository.tree_of(capture(repository.root).tree or "")
    assert tree["other/a"] == "a"
    assert tree["sub/inner.py"] == "edited"


def test_merge_conflicts_are_taken_as_they_are_on_the_disk(repository: Repository) -> None:
    repository.git("branch", "other")
    repository.write(helper_py="x = ours\n")
    repository.commit()
    repository.git("checkout", "--quiet", "other")
    repository.write(helper_py="x = theirs\n")
    repository.commit()
    repository.git("merge", "main", check=False)
    before = users_state(repository)
    state = capture(repository.root)
    assert users_state(repository) == before
    assert "<<<<<<<" in repository.tree_of(state.tree or "")["helper.py"]


def test_hooks_do_not_run(repository: Repository, tmp_path: Path) -> None:
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        hook = repository.root / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    repository.write(new_py="n\n")
    capture(repository.root)
    assert not (tmp_path / "ran").exists()


def test_attributes_are_obeyed(repository: Repository) -> None:
    (repository.root / ".gitattributes").write_text("*.txt text eol=lf\n")
    (repository.root / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    state = capture(repository.root)
    assert repository.tree_of(state.tree or "")["a.txt"] == "one\ntwo"
    repository.commit()
    assert repository.git("rev-parse", "HEAD^{tree}") == state.tree


def test_odd_names(repository: Repository) -> None:
    for name in ("with space", "new\nline", "-dash", 'quo"te', "é"):
        (repository.root / name).write_text(name)
    with open(os.path.join(os.fsencode(repository.root), b"\xff"), "w"):  # noqa: PTH118, PTH123
        pass
    state = capture(repository.root)
    repository.commit()
    assert repository.git("rev-parse", "HEAD^{tree}") == state.tree


class TestSubmodules:
    """Submodules, clean and dirty, and repositories that are none."""

    @pytest.fixture
    def outer(self, repository: Repository, tmp_path: Path) -> Repository:
        library = new_repository(tmp_path / "library")
        library.write(lib_py="v = 1\n")
        library.commit()
        repository.git("submodule", "--quiet", "add", str(library.root), "lib")
        repository.commit()
        return repository

    def test_clean(self, outer: Repository) -> None:
        state = capture(outer.root)
        assert (state.is_dirty, state.submodules) == (False, {})
        assert state.tree == outer.git("rev-parse", "HEAD^{tree}")

    def test_edits_within_are_captured_and_named_by_the_outer_tree(self, outer: Repository) -> None:
        inner = Repository(outer.root / "lib")
        inner.write(lib_py="v = 2\n", new_py="n\n")
        before = users_state(outer)
        index = (outer.root / ".git/modules/lib/index").read_bytes()
        state = capture(outer.root)
        assert users_state(outer) == before
        assert (outer.root / ".git/modules/lib/index").read_bytes() == index
        within = state.submodules["lib"]
        assert inner.tree_of(within.tree or "") == {"lib.py": "v = 2", "new.py": "n"}
        assert outer.tree_of(state.tree or "")["lib"] == within.commit
        assert state.is_dirty
        assert capture(outer.root) == state

    def test_only_looking_makes_no_commit_and_is_not_mistaken(self, outer: Repository) -> None:
        clean = capture(outer.root, commit=False)
        assert clean == capture(outer.root)
        inner = Repository(outer.root / "lib")
        inner.write(lib_py="v = 2\n")
        refs = [r.git("for-each-ref") for r in (outer, inner)]
        looked = capture(outer.root, commit=False)
        assert [r.git("for-each-ref") for r in (outer, inner)] == refs
        assert (looked.commit, looked.submodules["lib"].commit) == (None, None)
        assert looked.tree != clean.tree, "edits within make a difference"
        kept = capture(outer.root)
        assert capture(outer.root, commit=False) == kept, "what was kept before is known"

    def test_another_commit_within(self, outer: Repository) -> None:
        inner = Repository(outer.root / "lib")
        inner.write(lib_py="v = 3\n")
        commit = inner.commit()
        state = capture(outer.root)
        assert outer.tree_of(state.tree or "")["lib"] == commit
        assert state.submodules["lib"].is_dirty is False

    def test_results_within_do_not_count(self, outer: Repository) -> None:
        clean = capture(outer.root)
        (outer.root / "lib/results").mkdir()
        (outer.root / "lib/results/run.lock").write_text("")
        (outer.root / "lib/results/out").write_text("")
        state = capture(outer.root)
        assert (state.tree, state.is_dirty) == (clean.tree, False)

    def test_repositories_that_are_no_submodules(self, repository: Repository) -> None:
        other = new_repository(repository.root / "vendored")
        other.write(a_py="a\n")
        other.commit()
        other.write(a_py="b\n")
        state = capture(repository.root)
        assert state.is_dirty is False
        within = state.submodules["vendored"]
        assert other.tree_of(within.tree or "") == {"a.py": "b"}
        assert within.reason == "a repository within, but not a submodule"


NAMES = st.sampled_from(["main.py", "helper.py", "sub/inner.py", "a", "sub/b", "c/d/e"])
STEPS = st.tuples(
    st.sampled_from(["write", "delete", "add", "unstage", "commit", "stash"]), NAMES, st.text("xy")
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_any_edits_give_what_a_real_commit_would(
    repository: Repository, tmp_path: Path, steps: list[tuple[str, str, str]]
) -> None:
    root = tmp_path / "copy"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(repository.root, root, symlinks=True)
    copy = Repository(root)
    for step, name, text in steps:
        path = root / name
        if step == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif step == "delete":
            path.unlink(missing_ok=True)
        elif step == "add":
            copy.git("add", "--all", name, check=False)
        elif step == "unstage":
            copy.git("rm", "--quiet", "--cached", name, check=False)
        elif step == "commit":
            copy.git("commit", "--quiet", "--message", "more", check=False)
        else:
            copy.git("stash", "--quiet", check=False)
    before = users_state(copy)
    state = capture(root)
    assert users_state(copy) == before
    copy.commit()
    assert state.tree == copy.git("rev-parse", "HEAD^{tree}")


def test_snapshots_and_adds_at_the_same_time(repository: Repository) -> None:
    repository.write(new_py="z = 1\n", helper_py="x = 5\n")
    expected = capture(repository.root)
    code = (
        "import sys\nfrom pathlib import Path\nfrom flexlock.code.capture import capture\n"
        "for _ in range(6): print(capture(Path(sys.argv[1])).tree)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-c", code, str(repository.root)]
    workers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    stop = threading.Event()

    def add_and_reset() -> None:
        while not stop.is_set():
            repository.git("add", "--all")
            repository.git("reset", "--quiet")

    user = threading.Thread(target=add_and_reset)
    user.start()
    trees = [tree for worker in workers for tree in worker.communicate()[0].split()]
    stop.set()
    user.join()
    assert trees == [expected.tree] * 18
    assert repository.git("fsck", "--strict", "--no-dangling") == ""
    assert len(refs(repository)) == 1


def test_a_killed_snapshot_leaves_the_repository_whole(repository: Repository) -> None:
    repository.write(**{f"n{n}_py": f"{n}\n" for n in range(200)})
    before = users_state(repository)
    code = (
        "import sys\nfrom pathlib import Path\nfrom flexlock.code.capture import capture\n"
        "print(1, flush=True); capture(Path(sys.argv[1]))"
    )
    for n in range(6):
        worker = subprocess.Popen(
            [sys.executable, "-c", code, str(repository.root)],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            stdout=subprocess.PIPE,
        )
        with worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            time.sleep(0.006 * n)  # another moment of the work each time
            worker.kill()
    assert users_state(repository) == before
    state = capture(repository.root)
    assert len(repository.tree_of(state.tree or "")) == 203
    assert repository.git("fsck", "--strict", "--no-dangling") == ""


def test_sparse_checkout_keeps_what_is_only_staged(repository: Repository) -> None:
    repository.write(helper_py="x = staged\n")
    repository.git("add", "helper.py")
    repository.git("update-index", "--skip-worktree", "helper.py")
    (repository.root / "helper.py").unlink()
    assert repository.tree_of(capture(repository.root).tree or "")["helper.py"] == "x = staged"


def test_the_same_edits_are_remembered(repository: Repository, later: None) -> None:
    trees = []
    for text in ("x = 2\n", "x = 3\n", "x = 2\n"):
        repository.write(helper_py=text)
        first = capture(repository.root)
        assert capture(repository.root) == first
        assert repository.tree_of(first.tree or "")["helper.py"] == text.strip()
        trees.append(first.tree)
    assert trees[0] == trees[2] != trees[1]
    (repository.root / "helper.py").chmod(0o755)
    assert capture(repository.root).tree not in trees
    repository.write(new_py="n\n")
    assert "new.py" in repository.tree_of(capture(repository.root).tree or "")
    (repository.root / "main.py").unlink()
    assert "main.py" not in repository.tree_of(capture(repository.root).tree or "")
    repository.git("rm", "--quiet", "--cached", "helper.py")
    (repository.root / ".gitignore").write_text("helper.py\n")
    assert "helper.py" not in repository.tree_of(capture(repository.root).tree or "")


def test_a_remembered_tree_that_git_has_dropped_is_made_again(
    repository: Repository, later: None
) -> None:
    repository.write(helper_py="x = 2\n")
    first = capture(repository.root)
    assert capture(repository.root) == first
    repository.git("update-ref", "-d", f"{REFS}/{first.tree}")
    repository.git("gc", "--quiet", "--prune=now")
    assert repository.git("cat-file", "-e", first.tree or "", check=False) == ""
    again = capture(repository.root)
    assert repository.tree_of(again.commit or "")["helper.py"] == "x = 2"


def test_few_processes(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, later: None
) -> None:
    started: list[list[str]] = []
    real = subprocess.Popen

    def counting(command: list[str], *arguments: object, **options: object) -> object:
        started.append(command)
        return real(command, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(git_module.subprocess, "Popen", counting)
    counts = []
    capture(repository.root)
    counts.append(len(started))
    repository.write(helper_py="x = 2\n")
    capture(repository.root)
    counts.append(len(started) - sum(counts))
    capture(repository.root)
    counts.append(len(started) - sum(counts))
    assert counts == [3, 7, 3]
