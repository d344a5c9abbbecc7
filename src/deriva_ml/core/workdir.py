"""Where the runs of a catalog work on this machine."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
from pathlib import Path

from .host import directory_of, is_directory, without_password

__all__ = ["compute_workdir"]


def compute_workdir(
    working_dir: Path | str | None = None,
    catalog_id: str | int | None = None,
    hostname: str | None = None,
) -> Path:
    """Return the directory that runs work in: one answer for the session and for Hydra.

    ``<working_dir>/<user>/deriva-ml``; without a `working_dir`, ``work`` below the directory
    that `DERIVA_ML_HOME` names, or ``~/.deriva-ml``. With a catalog, ``<hostname>/<catalog_id>``
    below it, because RIDs are unique only within one catalog; the directory of a catalog counts as
    its path in full, however it is written. Nothing is created.
    """
    if working_dir is not None:
        base = Path(working_dir).expanduser().absolute() / getpass.getuser() / "deriva-ml"
    elif os.environ.get("DERIVA_ML_HOME"):
        base = Path(os.environ["DERIVA_ML_HOME"]).expanduser().absolute() / "work"
    else:
        base = Path.home() / ".deriva-ml"
    for part in (None if hostname is None else _in_one_spelling(hostname), catalog_id):
        if part is not None:
            base /= _directory_name(str(part))
    return base


def _in_one_spelling(hostname: str) -> str:
    return str(directory_of(hostname)) if is_directory(hostname) else without_password(hostname)


def _directory_name(text: str) -> str:
    """Return `text` as the name of one directory; different texts give different names."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', text).strip('._-')[-40:]}-{digest}"
