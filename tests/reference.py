"""Where the shared reference data lies; tests that need it skip where it is absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(os.environ.get("TANDEM_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def path(name):
    found = SHARED / name
    if not found.exists():
        pytest.skip(f"reference data {name} is not there; set TANDEM_SHARED to the folder with it")
    return found


def table(name):
    return pd.read_csv(path(name))


def facts(name):
    return json.loads(path(name).read_text(encoding="utf-8"))
