"""Symbol lists: what people type, what is refused, what is stored and what damage does to it."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.clock import DAY_US
from tandem.core.errors import FeedError, StoreFull, UnknownSymbol, VenueRefused
from tandem.venues.binance import BinanceUsdm
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.coingecko import CoinGecko
from tandem.venues.kraken import Kraken
from tandem.venues.listings import REFRESH_US, RETRY_US, Catalogue
from tandem.venues.okx import Okx
from tandem.venues.rest import Listing
from tandem.venues.simulated import Simulated
from tandem.venues.venue import Feed
from tests.support.rest_answers import NOW_US

FEEDS: dict[str, Feed] = {
    "binance-usdm": BinanceUsdm("wss://x.test"),
    "coinbase": Coinbase("wss://x.test"),
    "kraken": Kraken("wss://x.test"),
    "okx": Okx("wss://x.test"),
    "bybit": Bybit("wss://x.test"),
    "bitstamp": Bitstamp("wss://x.test"),
    "coingecko": CoinGecko("https://x.test"),
    "sim": Simulated(7, 4.0),
}


def listing(symbol: str, base: str, quote: str, kind: Any = "spot") -> Listing:
    return Listing(symbol, base, quote, kind, 0.01, 0.001, 5.0)


LISTS: dict[str, list[Listing]] = {
    "binance-usdm": [
        listing("ETHUSDT", "ETH", "USDT", "perpetual"),
        listing("BTCUSDC", "BTC", "USDC", "perpetual"),
        listing("BTCUSDT", "BTC", "USDT", "perpetual"),
        listing("BTCUSDT_261225", "BTC", "USDT", "future"),
        listing("1000PEPEUSDT", "1000PEPE", "USDT", "perpetual"),
        listing("BTCDOMUSDT", "BTCDOM", "USDT", "perpetual"),
    ],
    "coinbase": [
        listing("BTC-EUR", "BTC", "EUR"),
        listing("BTC-USD", "BTC", "USD"),
        listing("ETH-BTC", "ETH", "BTC"),
        listing("ETH-USD", "ETH", "USD"),
    ],
    "kraken": [
        listing("BTC/EUR", "BTC", "EUR"),
        listing("BTC/USD", "BTC", "USD"),
        listing("BTC/USDT", "BTC", "USDT"),
        listing("DOGE/USD", "DOGE", "USD"),
    ],
    "okx": [listing("BTC-USDC", "BTC", "USDC"), listing("BTC-USDT", "BTC", "USDT")],
    "bybit": [
        listing("BTCUSDT", "BTC", "USDT", "perpetual"),
        listing("BTCPERP", "BTC", "USDC", "perpetual"),
        listing("BTC-26DEC25", "BTC", "USDC", "future"),
    ],
    "bitstamp": [listing("BTCEUR", "BTC", "EUR"), listing("BTCUSD", "BTC", "USD")],
    "coingecko": [
        listing("BITCOIN", "BTC", "USD"),
        listing("BITCOIN-CASH", "BCH", "USD"),
        listing("BATCAT", "BTC", "USD"),
    ],
}


class Shelf:
    """A store of two calls, a venue to fetch from, and a clock."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, int]] = {}
        self.lists: dict[str, list[Listing]] = dict(LISTS)
        self.now = NOW_US
        self.fetched: list[str] = []

    def load(self, key: str) -> tuple[bytes, int] | None:
        return self.kept.get(key)

    def save(self, key: str, blob: bytes) -> None:
        self.kept[key] = (blob, self.now)

    def fetch(self, venue: str) -> Sequence[Listing] | None:
        self.fetched.append(venue)
        return self.lists.get(venue)

    def catalogue(self) -> Catalogue:
        return Catalogue(self.load, self.save, self.fetch, FEEDS.__getitem__, lambda: self.now)


def full() -> Catalogue:
    catalogue = Shelf().catalogue()
    for venue in FEEDS:
        catalogue.refresh(venue)
    return catalogue


FULL = full()
SPELLINGS = ["BTC/USDT", "btc-usdt", "BTCUSDT", "btc", "Bitcoin", "XBT", "xbt/usdt", " btc usdt "]


@pytest.mark.parametrize("text", SPELLINGS)
@pytest.mark.parametrize(
    ("venue", "symbols"),
    [
        ("binance-usdm", {"BTCUSDT"}),
        ("coinbase", {"BTC-USD"}),
        ("kraken", {"BTC/USD", "BTC/USDT"}),
        ("okx", {"BTC-USDT"}),
        ("bybit", {"BTCUSDT"}),
        ("bitstamp", {"BTCUSD"}),
        ("coingecko", {"BITCOIN"}),
    ],
)
def test_every_spelling_of_bitcoin_finds_it_everywhere(
    text: str, venue: str, symbols: set[str]
) -> None:
    assert FULL.resolve(venue, text) in {f"{venue}:{symbol}" for symbol in symbols}
    assert FULL.search(venue, text)[0].symbol in symbols


def test_a_pair_that_is_listed_is_taken_literally() -> None:
    assert FULL.resolve("kraken", "BTC/USDT") == "kraken:BTC/USDT"
    assert FULL.resolve("kraken", "BTCUSDT") == "kraken:BTC/USD"
    assert FULL.resolve("kraken", "xdg") == "kraken:DOGE/USD"
    assert FULL.resolve("coinbase", "eth/btc") == "coinbase:ETH-BTC"
    assert FULL.resolve("binance-usdm", "btcusdc") == "binance-usdm:BTCUSDC"
    assert FULL.resolve("binance-usdm", "pepe") == "binance-usdm:1000PEPEUSDT"
    assert FULL.resolve("binance-usdm", "BTCUSDT_261225") == "binance-usdm:BTCUSDT_261225"
    assert FULL.resolve("bybit", "BTC-26DEC25") == "bybit:BTC-26DEC25"
    assert FULL.resolve("bybit", "BTC/USDC") == "bybit:BTCPERP"


@pytest.mark.parametrize(("venue", "listings"), LISTS.items())
def test_every_listed_symbol_is_its_own_name(venue: str, listings: list[Listing]) -> None:
    for each in listings:
        assert FULL.resolve(venue, each.symbol) == f"{venue}:{each.symbol}"
        assert FULL.search(venue, each.symbol)[0] == each
        assert FULL.find(f"{venue}:{each.symbol}") == each


def test_a_misspelt_symbol_is_refused_with_what_is_near() -> None:
    with pytest.raises(
        UnknownSymbol, match=r"^BTCUSTD is not listed by Binance USD-M; did you mean BTCUSDT"
    ):
        FULL.resolve("binance-usdm", "BTCUSTD")


def test_the_pairs_of_the_same_base_are_near() -> None:
    with pytest.raises(UnknownSymbol, match=r"did you mean BTC-USD or BTC-EUR\?$"):
        FULL.resolve("coinbase", "BTC/GBP")


def test_what_is_near_nothing_says_how_old_the_list_is() -> None:
    with pytest.raises(UnknownSymbol, match=r"^QQQQQ is not listed by OKX as of 2026-11-18 "):
        FULL.resolve("okx", "QQQQQ")


def test_at_most_three_are_named() -> None:
    shelf = Shelf()
    shelf.lists["okx"] = [listing(f"BTC-AA{n}", "BTC", f"AA{n}") for n in range(9)]
    catalogue = shelf.catalogue()
    catalogue.refresh("okx")
    with pytest.raises(UnknownSymbol, match="did you mean BTC-AA0, BTC-AA1 or BTC-AA2"):
        catalogue.resolve("okx", "BTC/ZZZ")


def test_another_venues_name_is_refused_as_such() -> None:
    with pytest.raises(UnknownSymbol, match="another venue"):
        FULL.resolve("coinbase", "kraken:BTC/USD")


def test_a_base_alone_finds_perpetuals_and_the_main_quote_first() -> None:
    symbols = [found.symbol for found in FULL.search("binance-usdm", "btc")]
    assert symbols == ["BTCUSDT", "BTCUSDC", "BTCUSDT_261225", "BTCDOMUSDT"]
    symbols = [found.symbol for found in FULL.search("coinbase", "BTC")]
    assert symbols == ["BTC-USD", "BTC-EUR", "ETH-BTC"]
    assert [found.symbol for found in FULL.search("coinbase", "btc/e")][0] == "BTC-EUR"
    assert [found.symbol for found in FULL.search("coinbase", "btc", most=1)] == ["BTC-USD"]


def test_a_part_of_a_symbol_finds_it_and_no_text_finds_the_popular() -> None:
    assert FULL.search("binance-usdm", "dom")[0].symbol == "BTCDOMUSDT"
    assert FULL.search("coinbase", "")[0].symbol == "BTC-USD"
    assert len(FULL.search("coinbase", "")) == 4
    assert FULL.search("coinbase", "doge") == []


def test_without_a_list_nothing_is_refused() -> None:
    catalogue = Shelf().catalogue()
    assert not catalogue.known("coinbase")
    assert catalogue.listed_us("coinbase") is None
    assert catalogue.resolve("coinbase", "newcoin") == "coinbase:NEWCOIN-USD"
    assert catalogue.find("coinbase:BTC-USD") is None
    assert catalogue.listed_at("coinbase", NOW_US) is None
    assert "taken as typed" in catalogue.describe("coinbase")
    with pytest.raises(UnknownSymbol):
        catalogue.resolve("coinbase", "no such thing")


def test_without_a_list_the_popular_symbols_are_found() -> None:
    assert Shelf().catalogue().search("kraken", "xbt")[0].symbol == "BTC/USD"


def test_the_simulation_has_its_own_symbols() -> None:
    assert FULL.resolve("sim", "eth/usdt") == "sim:ETHUSDT"
    assert FULL.search("sim", "eth")[0].symbol == "ETHUSDT"
    assert not FULL.due("sim")
    with pytest.raises(UnknownSymbol, match="simulated"):
        FULL.resolve("sim", "NOPE")


# Keeping ----------------------------------------------------------------------------------------


def test_a_list_outlives_the_process_with_its_date() -> None:
    shelf = Shelf()
    shelf.catalogue().refresh("coinbase")
    shelf.now += 3 * DAY_US
    again = shelf.catalogue()
    assert again.listed_us("coinbase") == NOW_US
    assert again.describe("coinbase") == "4 symbols of Coinbase, listed 2026-11-18 11:06 UTC."
    assert again.search("coinbase", "btc") == FULL.search("coinbase", "btc")
    assert again.due("coinbase")


def test_a_list_too_long_to_be_kept_is_used_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    catalogue = shelf.catalogue()
    catalogue.refresh("coinbase")
    kept = dict(shelf.kept)
    monkeypatch.setattr("tandem.venues.listings._MOST_BYTES", 300)
    shelf.lists["coinbase"] = [*LISTS["coinbase"], listing("NEW-USD", "NEW", "USD")]
    catalogue.refresh("coinbase")
    assert shelf.kept == kept
    assert catalogue.find("coinbase:NEW-USD") is not None
    assert "5 symbols" in catalogue.describe("coinbase")
    assert "too long to be kept" in catalogue.describe("coinbase")
    monkeypatch.undo()
    catalogue.refresh("coinbase")
    assert "too long" not in catalogue.describe("coinbase")


def test_a_list_is_due_after_a_day_and_a_failure_is_not_repeated_at_once() -> None:
    shelf = Shelf()
    catalogue = shelf.catalogue()
    assert catalogue.due("okx")
    catalogue.refresh("okx")
    assert not catalogue.due("okx")
    shelf.now += REFRESH_US - 1
    assert not catalogue.due("okx")
    shelf.now += 1
    assert catalogue.due("okx")

    def refused(venue: str) -> Sequence[Listing] | None:
        raise VenueRefused("no", 451)

    shelf.fetch = refused  # type: ignore[method-assign]
    failing = shelf.catalogue()
    with pytest.raises(FeedError):
        failing.refresh("okx")
    assert failing.known("okx")
    assert not failing.due("okx")
    shelf.now += RETRY_US
    assert failing.due("okx")


def test_a_clock_set_back_makes_a_list_due() -> None:
    shelf = Shelf()
    catalogue = shelf.catalogue()
    catalogue.refresh("okx")
    shelf.now -= 2 * DAY_US
    assert catalogue.due("okx")


def test_what_was_listed_in_the_past_can_be_said() -> None:
    shelf = Shelf()
    catalogue = shelf.catalogue()
    days = [
        ["BTC-USDT", "LUNA-USDT"],
        ["BTC-USDT", "LUNA-USDT"],
        ["BTC-USDT"],
        ["BTC-USDT", "X-USDT"],
    ]
    for day, symbols in enumerate(days):
        shelf.now = NOW_US + day * DAY_US
        shelf.lists["okx"] = [listing(name, name.partition("-")[0], "USDT") for name in symbols]
        assert catalogue.refresh("okx") == (day != 1)
    for reader in (catalogue, shelf.catalogue()):
        for day, symbols in enumerate(days):
            assert reader.listed_at("okx", NOW_US + day * DAY_US) == frozenset(symbols)
        assert reader.listed_at("okx", NOW_US - 1) is None
        assert reader.listed_at("okx", NOW_US + 99 * DAY_US) == frozenset(days[-1])


def test_the_history_is_bounded_and_says_where_it_begins() -> None:
    shelf = Shelf()
    catalogue = shelf.catalogue()
    for day in range(450):
        shelf.now = NOW_US + day * DAY_US
        shelf.lists["okx"] = [listing(f"C{day}-USDT", f"C{day}", "USDT")]
        catalogue.refresh("okx")
    assert catalogue.listed_at("okx", NOW_US + 48 * DAY_US) is None
    assert catalogue.listed_at("okx", NOW_US + 49 * DAY_US) == frozenset({"C49-USDT"})
    assert len(orjson.loads(shelf.kept["symbols:okx"][0])["changes"]) == 400


def test_a_full_store_does_not_take_the_list_away() -> None:
    shelf = Shelf()

    def refuse(key: str, blob: bytes) -> None:
        raise StoreFull("no space")

    shelf.save = refuse  # type: ignore[method-assign]
    catalogue = shelf.catalogue()
    assert catalogue.refresh("okx")
    assert catalogue.known("okx")


def blob(**changes: Any) -> bytes:
    good = {
        "version": 1,
        "since_us": NOW_US,
        "listings": [["BTC-USDT", "BTC", "USDT", "spot", 0.1, 0.1, 0.0]],
        "changes": [[NOW_US, ["BTC-USDT"], []]],
    }
    return orjson.dumps(good | changes)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"[]",
        b"null",
        blob()[:-5],
        blob(version=2),
        blob(since_us=None),
        blob(listings=[]),
        blob(listings=[["BTC-USDT"]]),
        blob(listings=[["a b", "BTC", "USDT", "spot", 0.1, 0.1, 0.0]]),
        blob(listings=[["BTC-USDT", "BTC", 7, "spot", 0.1, 0.1, 0.0]]),
        blob(listings=[["BTC-USDT", "BTC", "USDT", "spot", None, 0.1, 0.0]]),
        blob(listings=[["BTC-USDT", "BTC", "USDT", ["spot"], 0.1, 0.1, 0.0]]),
        blob(changes=[[NOW_US, [7], []]]),
        blob(changes=[7]),
        blob(changes={}),
    ],
)
def test_a_damaged_list_is_fetched_anew(damaged: bytes) -> None:
    shelf = Shelf()
    shelf.kept["symbols:okx"] = (damaged, NOW_US)
    catalogue = shelf.catalogue()
    assert not catalogue.known("okx")
    assert catalogue.due("okx")
    assert catalogue.refresh("okx")
    assert shelf.catalogue().known("okx")


def test_the_form_of_the_damaged_ones_is_otherwise_good() -> None:
    shelf = Shelf()
    shelf.kept["symbols:okx"] = (blob(), NOW_US)
    assert shelf.catalogue().known("okx")


@given(st.text(max_size=80), st.sampled_from(sorted(FEEDS)))
def test_any_text_is_searched_and_resolved_or_refused(text: str, venue: str) -> None:
    found = FULL.search(venue, text)
    assert len(found) <= 20
    try:
        name = FULL.resolve(venue, text)
    except UnknownSymbol as error:
        assert len(str(error)) < 250
    else:
        assert name.startswith(f"{venue}:")
        if venue != "sim":
            assert FULL.find(name) is not None
