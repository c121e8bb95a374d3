"""CoinGecko: prices of thousands of assets, asked for once a minute. Not a venue.

``GET /api/v3/simple/price?ids=bitcoin,ethereum&vs_currencies=usd&include_last_updated_at=true``::

    {"bitcoin":{"usd":47295.0,"last_updated_at":1711356300},
     "ethereum":{"usd":3561.2,"last_updated_at":1711356298}}

``GET /api/v3/coins/list``, shortened::

    [{"id":"bitcoin","symbol":"btc","name":"Bitcoin"}]

An instrument is named by the asset's id, which is unique; tickers are not: ``coingecko:BITCOIN``.
Trade ids: there are none; a price is keyed by the second it was computed, so a price that was
given before is not given again. Side: unknown. Quantity: 0.0, for none is told: a bar made of such
prices has trades and no volume. Liveness: a price is computed about once a minute and cached for
60 seconds, so silence begins after several `every_s`. Limits: without a key 5 to 15 requests a
minute and address, depending on load; with a demo key 30 a minute and 10,000 a month, which is why
it is asked every five minutes then. Beyond them 429. The key goes into a header, never into the
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode

from tandem.config import VenueSetting
from tandem.core.clock import SECOND_US
from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import UNKNOWN_SIDE, Trade
from tandem.core.instruments import instrument as market_instrument
from tandem.venues.base import Names, read_symbol
from tandem.venues.fields import moment
from tandem.venues.rest import (
    Budget,
    Listing,
    PolledFeed,
    Request,
    asset,
    json_dict,
    plain_number,
    reading,
    symbol_of,
)
from tandem.venues.venue import Venue, address

_IDS_IN_REQUEST = 100
_MOST_LISTINGS = 60_000
_EVERY_S, _EVERY_S_KEYED = 60.0, 300.0
_BUDGET, _BUDGET_KEYED = Budget(5, 60.0, 2.0), Budget(30, 60.0, 2.0)
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_DOLLARS = ("", "USD", "USDT", "USDC")
_OTHERS = ("EUR", "GBP", "JPY", "TRY", "BRL", "BTC", "ETH", "BNB")

# Tickers are shared by many assets; these are the ones people mean.
IDS = {
    **{"BTC": "bitcoin", "XBT": "bitcoin", "ETH": "ethereum", "USDT": "tether"},
    **{"BNB": "binancecoin", "SOL": "solana", "XRP": "ripple", "USDC": "usd-coin"},
    **{"DOGE": "dogecoin", "XDG": "dogecoin", "ADA": "cardano", "TRX": "tron"},
    **{"AVAX": "avalanche-2", "SHIB": "shiba-inu", "TON": "the-open-network"},
    **{"DOT": "polkadot", "LINK": "chainlink", "BCH": "bitcoin-cash", "LTC": "litecoin"},
    **{"NEAR": "near", "POL": "polygon-ecosystem-token", "MATIC": "matic-network"},
    **{"UNI": "uniswap", "ICP": "internet-computer", "APT": "aptos", "XLM": "stellar"},
    **{"ETC": "ethereum-classic", "XMR": "monero", "ATOM": "cosmos", "OKB": "okb"},
    **{"FIL": "filecoin", "HBAR": "hedera-hashgraph", "ARB": "arbitrum", "OP": "optimism"},
    **{"INJ": "injective-protocol", "IMX": "immutable-x", "VET": "vechain", "MKR": "maker"},
    **{"AAVE": "aave", "GRT": "the-graph", "ALGO": "algorand", "STX": "blockstack"},
    **{"RUNE": "thorchain", "SUI": "sui", "PEPE": "pepe", "WIF": "dogwifcoin"},
    **{"BONK": "bonk", "FLOKI": "floki", "SEI": "sei-network", "TIA": "celestia"},
    **{"LDO": "lido-dao", "QNT": "quant-network", "SAND": "the-sandbox", "XTZ": "tezos"},
    **{"MANA": "decentraland", "AXS": "axie-infinity", "EOS": "eos", "FLOW": "flow"},
    **{"THETA": "theta-token", "EGLD": "elrond-erd-2", "CRV": "curve-dao-token"},
    **{"SNX": "havven", "COMP": "compound-governance-token", "ZEC": "zcash", "DASH": "dash"},
    **{"DAI": "dai", "WBTC": "wrapped-bitcoin", "STETH": "staked-ether"},
    **{"WSTETH": "wrapped-steth", "PAXG": "pax-gold", "XAUT": "tether-gold"},
    **{"HYPE": "hyperliquid", "TAO": "bittensor", "ENA": "ethena", "ONDO": "ondo-finance"},
    **{"RENDER": "render-token", "FET": "fetch-ai", "WLD": "worldcoin-wld", "KAS": "kaspa"},
    **{"CRO": "crypto-com-chain", "GALA": "gala", "ENS": "ethereum-name-service"},
    **{"YFI": "yearn-finance", "BAT": "basic-attention-token", "KSM": "kusama", "NEO": "neo"},
}


class CoinGecko(PolledFeed):
    """Prices of assets, polled.

    Parameters
    ----------
    url : str
        Address without a path.
    key : str
        Demo key, or empty.
    currency : str
        What prices are in. Everything recorded is in dollars.

    Attributes
    ----------
    every_s : float
        Seconds from one poll to the next.
    stale_s : float
        Age of a price from which it says nothing about now: two polls without a new one.
    budget : Budget
        What may be asked, prices and list together.
    """

    venue: ClassVar[str] = "coingecko"
    title: ClassVar[str] = "CoinGecko"
    # A price may be a minute old when it is given out, and is cached for another.
    grace_s: ClassVar[float] = 120.0
    # Shorter bars would mostly repeat the price before.
    least_bar_s: ClassVar[float] = 300.0
    popular: ClassVar[tuple[str, ...]] = (
        *("BITCOIN", "ETHEREUM", "SOLANA", "BINANCECOIN", "RIPPLE", "DOGECOIN", "CARDANO"),
        *("CHAINLINK", "AVALANCHE-2", "LITECOIN", "BITCOIN-CASH", "POLKADOT"),
    )
    max_instruments: ClassVar[int] = 300

    def __init__(self, url: str, key: str = "", currency: str = "usd") -> None:
        super().__init__(url)
        self._key, self._currency = key, currency
        self._names = Names(self.venue)
        self._latest: dict[str, int] = {}
        self.every_s = _EVERY_S_KEYED if key else _EVERY_S
        self.stale_s = 3.0 * self.every_s
        self.budget = _BUDGET_KEYED if key else _BUDGET

    def instrument(self, text: str) -> str:
        """Return the instrument meant by `text`: a ticker, or an asset's id; in dollars only.

        "BTC", "btc/usd", "bitcoin" and "coingecko:BITCOIN" all give ``coingecko:BITCOIN``.
        """
        prefix, _, symbol = text.strip().rpartition(":")
        if prefix and prefix.lower() != self.venue:
            raise UnknownSymbol(f"{text!r:.60} is on another venue; this is {self.venue}.")
        found = IDS.get(symbol.upper()) or (symbol.lower() if prefix else self._in_dollars(symbol))
        if not _ID.fullmatch(found):
            raise UnknownSymbol(
                f"{text!r:.60} is not an asset of {self.title}; write a ticker like BTC or an id "
                "like bitcoin-cash."
            )
        return market_instrument(self.venue, found)

    def priced_in(self, currency: str) -> CoinGecko:
        """Return the same feed with prices in another currency."""
        return CoinGecko(self._url, self._key, currency)

    def headers(self) -> dict[str, str]:
        """Return the headers every request needs: the key, which must not be shown."""
        return {"x-cg-demo-api-key": self._key} if self._key else {}

    def requests(self, instruments: Iterable[str]) -> tuple[Request, ...]:
        """Return the requests that ask for the prices of `instruments` once."""
        ids = sorted(symbol_of(name).lower() for name in set(instruments))
        return tuple(
            self._prices(ids[start : start + _IDS_IN_REQUEST])
            for start in range(0, len(ids), _IDS_IN_REQUEST)
        )

    def parse(self, body: bytes, received_us: int) -> list[Trade]:
        """Return the prices of an answer that are newer than those given before.

        An asset without a price, or with one that cannot be parsed, is left out: it must not
        silence the others.

        Raises
        ------
        MessageError
            If nothing in the answer can be parsed.
        """
        answer = json_dict(body)
        fresh, parsed = [], 0
        for key, entry in answer.items():
            try:
                with reading("a price"):
                    trade = self._trade(key, entry, received_us)
            except MessageError:
                continue
            parsed += 1
            if trade.time_us > self._latest.get(trade.instrument, 0):
                fresh.append(trade)
        if answer and not parsed:
            raise MessageError("an answer without a price")
        self._latest.update((trade.instrument, trade.time_us) for trade in fresh)
        return fresh

    def listing(self) -> Request:
        """Return the request for all assets."""
        return Request(f"{self._url}/api/v3/coins/list")

    def _listing_rows(self, body: bytes) -> list[Any]:
        return self._rows(body, _MOST_LISTINGS)

    def _in_dollars(self, symbol: str) -> str:
        """Return the id of what a user typed, who may have named dollars too."""
        try:
            base, quote = read_symbol(symbol, self.venue)
        except UnknownSymbol:
            return symbol.lower()
        if base in IDS and quote in _OTHERS:
            raise UnknownSymbol(f"{self.title} is asked for prices in dollars only; write {base}.")
        if quote in _DOLLARS:
            return IDS.get(base, base.lower())
        return symbol.lower()

    def _prices(self, ids: list[str]) -> Request:
        query = {
            "ids": ",".join(ids),
            "vs_currencies": self._currency,
            "include_last_updated_at": "true",
            "precision": "full",
        }
        return Request(f"{self._url}/api/v3/simple/price?{urlencode(query, safe=',')}")

    def _trade(self, key: str, entry: Any, received_us: int) -> Trade:
        price, updated = plain_number(entry[self._currency]), entry["last_updated_at"]
        if price <= 0.0:
            raise MessageError("a price is not positive")
        if type(updated) is not int:
            raise MessageError("a time is not a whole number")
        time_us = moment(updated * SECOND_US)
        name = self._names[key]
        return Trade(name, updated, time_us, price, 0.0, UNKNOWN_SIDE, received_us)

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if not _ID.fullmatch(entry["id"]):
            return None
        return Listing(entry["id"], asset(entry["symbol"]), "USD", "spot", 0.0, 0.0, 0.0)


_URL = address(CoinGecko.venue, CoinGecko.title, "https://api.coingecko.com", "REST")
_KEY = VenueSetting(
    "coingecko_key",
    "",
    "CoinGecko demo key; with one, prices are asked for every 5 minutes instead of 1",
)
VENUE = Venue(
    CoinGecko.venue,
    f"{CoinGecko.title} (prices only)",
    lambda settings, stored: CoinGecko(settings.of(_URL), settings.of(_KEY)),
    settings=(_URL, _KEY),
    can_be_scanned=False,
)
