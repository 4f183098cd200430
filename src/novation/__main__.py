"""`python -m novation`."""

from __future__ import annotations

import sys

from novation.cli import main

sys.exit(main())
