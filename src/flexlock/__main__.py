"""``python -m flexlock`` is the ``flexlock`` command."""

from __future__ import annotations

import sys

from flexlock.cli import main

if __name__ == "__main__":
    sys.exit(main())
