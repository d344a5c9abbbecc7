"""``python -m hamilton.cli``."""

from __future__ import annotations

import sys

from hamilton.cli.main import main

sys.exit(main())
