"""`python -m deriva_catalog.cli`."""

import sys

from . import main

sys.exit(main())
