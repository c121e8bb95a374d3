"""Faults struck for real: every trade is recorded, or the table of gaps says that it is not."""

import shutil
from pathlib import Path

import pytest

from tests.support.connection_faults import FAULTS, Fault, attempt


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_trade_is_recorded_or_known_to_be_missing(fault: Fault, tmp_path: Path) -> None:
    if fault.tls and shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    outcome = attempt(fault, tmp_path)
    assert outcome.strange == 0
    assert outcome.recorded + outcome.missing == outcome.sent
    assert outcome.explained == outcome.missing
    if not fault.loses:
        assert outcome.missing == 0
