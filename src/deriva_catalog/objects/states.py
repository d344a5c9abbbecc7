"""What a resource is like, as a short text that changes with it; for preconditions.

Source: Hatrac, "ETags and preconditions".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

Precondition = Callable[[str | None], None]
"""Given the state of a resource (None: there is none), raises if it is not as expected.

The state of an object is its current version; that of anything else is made by `state_of`.
"""


def state_of(document: Any) -> str:
    """The state of what a JSON document describes."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:26]


def no_precondition(state: str | None) -> None:
    """Accept any state."""
