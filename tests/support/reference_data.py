"""Where the shared reference data lies; tests that need it skip where it is absent."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.support.paths import SHARED


def path(name):
    found = SHARED / "data" / name
    if not found.exists():
        pytest.skip(f"reference data {name} is not there; set TANDEM_SHARED to the folder with it")
    return found


def table(name):
    return pd.read_csv(path(name))


def facts(name):
    return json.loads(path(name).read_text(encoding="utf-8"))
