"""Names that moved: each module here hands on what now lives in ``hamilton.plugins``."""

from __future__ import annotations

import warnings


def moved(old: str, new: str) -> None:
    """Warns the importer of an old module name."""
    warnings.warn(
        f"hamilton.experimental.{old} is deprecated; import from {new}.",
        DeprecationWarning,
        stacklevel=3,
    )
