"""Lets `python -m atlas_ops` do what `atlas-ops` does; the demo starts its processes this way."""

from __future__ import annotations

import sys

from atlas_ops.cli import main

sys.exit(main())
