"""Where the repository lies, and beside it the shared reference data."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Vendors' files, published series and real captures. Tests that need them skip where they are not.
SHARED = Path(os.environ.get("TANDEM_SHARED", ROOT.parent / "shared"))
