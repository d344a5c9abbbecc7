"""Which files differ between two trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from flexlock.code.comparing import changed_files, tree_of
from flexlock.errors import CodeError
from flexlock.lock.record import Scope

from ..repository import new_repository


def test_changed_files(tmp_path: Path) -> None:
    repository = new_repository(tmp_path)
    repository.write(a_py="1", lib__b_py="1", notes="1")
    first = repository.commit()
    repository.write(a_py="2", lib__b_py="2", notes="2", new="n")
    second = repository.commit()
    assert changed_files(tmp_path, first, second) == ("a.py", "lib/b.py", "new", "notes")
    scope = Scope(include=("*.py",), exclude=("lib/",))
    assert changed_files(tmp_path, first, second, scope) == ("a.py",)
    assert changed_files(tmp_path, first, first) == ()
    assert tree_of(tmp_path, first) == repository.git("rev-parse", f"{first}^{{tree}}")
    assert tree_of(tmp_path, "1" * 40) is None
    with pytest.raises(CodeError, match="diff-tree"):
        changed_files(tmp_path, first, "1" * 40)
