"""A new project: the files that it begins with, and how they are put into a directory.

The files lie in `project/`, as they are in a project, apart from three words that are replaced
and from names that begin with a dot, which begin with ``dot.`` here.
"""

from __future__ import annotations

from .files import TEMPLATE, check_name, project_files
from .making import Made, make_project
from .origin import INDEXED, own_requirement

__all__ = [
    "INDEXED",
    "TEMPLATE",
    "Made",
    "check_name",
    "make_project",
    "own_requirement",
    "project_files",
]
