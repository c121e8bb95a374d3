import pytest

from tandem.core.errors import DataError
from tandem.core.instruments import instrument, split_instrument


def test_an_instrument_is_a_venue_and_an_upper_case_symbol() -> None:
    assert instrument("binance-usdm", "btcusdt") == "binance-usdm:BTCUSDT"
    assert split_instrument("coinbase:BTC-USD") == ("coinbase", "BTC-USD")


@pytest.mark.parametrize(
    "symbol", ["", "<b>", "BTC USDT", "A" * 41, "../x", "BTC;DROP", "a\nb", "-BTC", "`x`", "[a](b)"]
)
def test_a_symbol_that_could_act_is_refused(symbol: str) -> None:
    with pytest.raises(DataError, match="is not a symbol"):
        instrument("sim", symbol)


@pytest.mark.parametrize("name", ["BTCUSDT", "sim:", "SIM:BTC", "sim:btc", ":BTC", "sim:A:B"])
def test_what_is_not_an_instrument_is_said(name: str) -> None:
    with pytest.raises(DataError):
        split_instrument(name)


def test_symbols_in_any_script_are_accepted() -> None:
    assert instrument("binance-usdm", "币安人生USDT") == "binance-usdm:币安人生USDT"
