"""What the page says a watched venue's look calls found."""

from __future__ import annotations

import numpy as np
import pytest

from tandem.scanner.live.calibration import SurrogateThreshold
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.live.schedule import Look
from tandem.scanner.live.service import Rescan
from tandem.scanner.result import Changes
from tandem.scanner.scan import scan
from tandem.ui.scanner.venue import rule


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            SurrogateThreshold(20, 280, 3.2e-9),
            ("20 surrogates", "280 including previous scans", "below p = 3e-09"),
        ),
        (SurrogateThreshold(7, 7, 0.0), ("7 surrogates", "no pair is reported")),
    ],
)
def test_what_surrogates_did_is_said(told: SurrogateThreshold, words: tuple[str, ...]) -> None:
    prices = np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 1e-3, (200, 3)), axis=0))
    found = scan(prices, workers=1)
    minutes = Minutes(found.names, np.arange(200), prices)
    nothing = Changes((), (), ())
    rescan = Rescan(Look(20_000, 1, 96, 0.05 / 96), 0, minutes, found, told, (), nothing)
    text = rule(rescan)
    for word in words:
        assert word in text
    assert ("0.052 %" in text) == (told.threshold > 0.0)
