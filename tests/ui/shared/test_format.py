import math

import pytest

from tandem.ui.shared import format as f


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f.number(-1234.5), "−1,234.50"),
        (f.number(-0.001), "0.00"),
        (f.number(math.nan), "–"),
        (f.signed(0.0), "+0.00"),
        (f.signed(-2.0), "−2.00"),
        (f.signed(math.inf), "–"),
        (f.price(61234.5), "61,234.50"),
        (f.price(0.000123456), "0.000123456"),
        (f.price(3.5), "3.50000"),
        (f.significant(0.0562123), "0.05621"),
        (f.significant(0.0), "0"),
        (f.percent(0.018), "+1.8 %"),
        (f.p_value(0.0001), "< 0.001"),
        (f.p_value(0.0123), "0.012"),
        (f.age(0.04), "0.0 s"),
        (f.age(math.nan), "–"),
        (f.age(75), "75 s"),
        (f.duration(600), "10 min"),
        (f.duration(200_000), "2 d"),
        (f.count(3_210_000), "3.21 M"),
        (f.count(999), "999"),
        (f.size_of(124e6), "124 MB"),
        (f.clock(1_780_000_000_000_000), "20:26:40"),
        (f.day_minute(1_780_000_000_000_000), "28 May 20:26"),
        (f.quote("binance-usdm:ETHUSDT"), "USDT"),
        (f.quote("coinbase:BTC-USD"), "USD"),
        (f.quote("file:EWA"), "quote currency"),
        (f.asset("binance-usdm:ETHUSDT"), "ETH"),
        (f.asset("coinbase:BTC-USD"), "BTC"),
        (f.asset("x:EWA"), "EWA"),
    ],
)
def test_numbers_read_as_a_trader_writes_them(written: str, expected: str) -> None:
    assert written == expected
