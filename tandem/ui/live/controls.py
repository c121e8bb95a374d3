"""The sidebar: which pair, which model, which thresholds. Every control lives in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from tandem.backfill.service import Upkeep
from tandem.config import VENUES, Settings
from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import DataError, FeedError, StoreError
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.pairs.pinned import Standing
from tandem.pairs.stream import DEFAULT_COSTS, PairSettings
from tandem.pairs.subscriptions import Subscriptions, VenueFacts
from tandem.strategy.rules import Costs, Rules, Sizing
from tandem.strategy.signals import Model as ModelKey
from tandem.strategy.signals import ZKind
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice, check_number
from tandem.ui.shared.state import is_operator, part

BARS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300}
SHOWN = {"300": 300, "900": 900, "all": 0}
VENUE_NAMES = {
    "auto": "automatic",
    "binance-usdm": "Binance USD-M",
    "binance-spot": "Binance spot",
    "binance-us": "Binance.US",
    "coinbase": "Coinbase",
    "kraken": "Kraken",
    "okx": "OKX",
    "bybit": "Bybit",
    "bitstamp": "Bitstamp",
    "coingecko": "CoinGecko (prices only)",
    "sim": "Simulation",
    "replay": "Replay",
}
URL: Final = "query-params"
MOST_OFFERED = 500

BAR = Choice("bar", {name: name for name in BARS}, "5s", "bar")
MODEL = Choice[ModelKey](
    "model", {"ols": "OLS", "kalman": "Kalman", "huber": "Huber"}, "kalman", "hedge model"
)
MODELS = {title: key for key, title in MODEL.titles.items()}
PRICES = Choice("prices", {"raw": "raw", "log": "log"}, "raw", "kind of prices")
Z_KIND = Choice[ZKind](
    "z",
    {"model": "model's own", "rolling": "rolling", "ewm": "exponential", "robust": "robust"},
    "model",
    "z-score",
)
SIZING = Choice[Sizing](
    "sizing", {"hedge": "hedge", "dollar": "dollar", "unit": "unit"}, "hedge", "sizing"
)
SHOW = Choice("show", {name: name for name in SHOWN}, "300", "number of bars")
REFRESH = Choice(
    "refresh",
    {key: f"{key} s" for key in ("0.1", "0.25", "0.5", "1", "2", "5")},
    "0.25",
    "refresh rate",
)


@dataclass(frozen=True)
class View:
    """What this session asked to see."""

    settings: PairSettings
    watchlist: tuple[PairSettings, ...]
    shown_bars: int
    refresh_s: float


@dataclass(frozen=True)
class Refusal:
    """Why what was asked cannot be shown, and pairs that can."""

    text: str
    pairs: tuple[PairSettings, ...]


@dataclass(frozen=True)
class Model:
    """The controls that do not name instruments; files use them too."""

    bar_us: int
    model: ModelKey
    lookback: int
    z_window: int
    z_kind: ZKind
    rules: Rules
    costs: Costs

    def pair(self, y: str, x: str, bar_us: int = 0) -> PairSettings:
        """Return the settings of one pair under these controls."""
        return PairSettings(
            y,
            x,
            bar_us or self.bar_us,
            self.model,
            self.lookback,
            self.z_window,
            self.z_kind,
            self.rules,
            self.costs,
        )


def sidebar(venue: str, pair_place: DeltaGenerator) -> View | Refusal:
    """Draw the live page's controls, the pair in its place above the venue."""
    offered = _offered(venue)
    _take_chosen_pair(venue)
    y = pair_place.selectbox(
        "Pair: Y, priced in X", offered, index=0, key="y", bind=URL, accept_new_options=True
    )
    x = pair_place.selectbox(
        "X, the hedge",
        offered,
        index=1,
        key="x",
        bind=URL,
        accept_new_options=True,
        label_visibility="collapsed",
        help="Type what is not in the list; a leg on another venue as coinbase:BTC-USD.",
    )
    try:
        model = model_controls()
    except DataError as error:
        return Refusal(str(error), ())
    try:
        settings = _pair(
            model,
            part(Subscriptions).resolve(venue, y or ""),
            part(Subscriptions).resolve(venue, x or ""),
        )
        watchlist = _watchlist(model, settings)
    except (DataError, FeedError) as error:
        return Refusal(str(error), _own_pairs(model, venue))
    if settings.bar_us > model.bar_us:
        st.caption(
            f"Bars are {settings.bar_us // MINUTE_US} minutes long here: a leg's price is only "
            "asked for now and then, and shorter bars would repeat it."
        )
    with pair_place:
        _stand(settings)
    shown, refresh = (st.session_state.get(one.name) or one.default for one in (SHOW, REFRESH))
    return View(settings, watchlist, SHOWN[shown], float(refresh))


def _stand(settings: PairSettings) -> None:
    """Let the operator keep a pair running, as it is set now, when this page is closed."""
    if not is_operator():
        return
    own = settings in part(Subscriptions).default_pairs()
    is_on = own or settings in part(Standing).pairs()
    # A name of its own for each pair and state: the widget shows what is, whoever changed it.
    wanted = st.toggle(
        "Watch with no one here",
        is_on,
        key=f"stand_{settings.key}_{is_on}",
        disabled=own,
        help="This pair, with these settings, is computed and its alerts go on after the page is "
        "closed and over a restart."
        + (" It is one of the desk's own pairs, which always are." if own else ""),
    )
    if wanted == is_on:
        return
    try:
        if wanted:
            part(Standing).add(settings)
        else:
            part(Standing).remove(settings)
    except (DataError, StoreError) as error:
        say.warning(str(error))
    else:
        st.rerun()


def _offered(venue: str) -> list[str]:
    """Return the symbols to choose from: the recorded ones, then all the venue is known to list."""
    own = [f.symbol_of(name) for name in part(VenueFacts).own_instruments(venue)]
    listed = part(Upkeep).catalogue.search(venue, "", MOST_OFFERED)
    return list(dict.fromkeys([*own, *(listing.symbol for listing in listed)]))


def choose_pair(key: str) -> None:
    """Remember a pair picked outside the sidebar; its widgets take it on the next run."""
    y, _, x = key.partition("|")
    st.session_state["tandem_chosen"] = (y, x)
    st.rerun()


def _take_chosen_pair(venue: str) -> None:
    for key, name in zip("yx", st.session_state.pop("tandem_chosen", ()), strict=False):
        named, symbol = split_instrument(name)
        st.session_state[key] = symbol if named == venue else name


def venue_choice() -> str | None:
    """Draw the venue box; return the venue to show, None while `auto` is still looking."""
    offered = [venue for venue in VENUES if venue != "replay" or part(Settings).replay_file]
    choice = Choice(
        "venue", {venue: VENUE_NAMES[venue] for venue in offered}, part(Settings).venue, "venue"
    )
    asked = choice.keep(
        st.selectbox(
            "Venue",
            **choice.widget(),
            help="Automatic tries Binance USD-M and spot, Coinbase and Kraken, then the "
            "simulation.",
        )
    )
    return part(Ingest).choice().venue if asked == "auto" else asked


def model_controls(live: bool = True) -> Model:
    """Draw bar, model, windows, thresholds and costs."""
    bar_name = (
        BAR.keep(st.segmented_control("Bar", **BAR.widget(), width="stretch", required=True))
        if live
        else BAR.default
    )
    model = MODEL.keep(
        st.segmented_control("Hedge model", **MODEL.widget(), width="stretch", required=True)
    )
    lookback = _slider("Lookback, bars", "lookback", 20, 2_000, 200)
    z_window = _slider("z window, bars", "zwin", 10, 1_000, 100)
    entry, leave, stop = st.columns(3)
    with entry:
        enter_at = _number("Enter |z|", "enter", 0.1, 20.0, 2.0, 0.1, "%.1f")
    with leave:
        exit_at = _number("Exit |z|", "exit", 0.0, 20.0, 0.5, 0.1, "%.1f")
    with stop:
        stop_at = _number("Stop |z|", "stop", 0.1, 50.0, 4.0, 0.1, "%.1f")
    prices = PRICES.keep(
        st.segmented_control(
            "Prices",
            **PRICES.widget(),
            width="stretch",
            required=True,
            help="Raw: the hedge ratio counts units of X per unit of Y. Log: a ratio of notionals.",
        )
    )
    with st.expander("Advanced"):
        z_kind = Z_KIND.keep(
            st.selectbox(
                "z-score",
                **Z_KIND.widget(),
                help="Kalman's own z is its innovation over its standard deviation.",
            )
        )
        sizing = SIZING.keep(
            st.selectbox(
                "Sizing",
                **SIZING.widget(),
                help="Quantities of X against Y: the hedge ratio, equal value, or one for one.",
            )
        )
        notional = _number("Y leg, quote currency", "notional", 10.0, 1e9, 10_000.0, 1_000.0)
        fee = _number("Fee per fill, bp", "fee", 0.0, 100.0, DEFAULT_COSTS.fee_bp, 0.5)
        half = _number(
            "Half-spread per fill, bp",
            "half",
            0.0,
            100.0,
            DEFAULT_COSTS.y_half_spread_bp,
            0.1,
            help="What the paper account pays; the cost card uses the spread quoted now.",
        )
        slippage = _number(
            "Slippage per fill, bp", "slippage", 0.0, 100.0, DEFAULT_COSTS.slippage_bp, 0.1
        )
        if live:
            SHOW.keep(st.select_slider("Bars shown", **SHOW.widget()))
            REFRESH.keep(st.select_slider("Refresh", **REFRESH.widget()))
    return Model(
        bar_us=BARS[bar_name] * SECOND_US,
        model=model,
        lookback=lookback,
        z_window=z_window,
        z_kind=z_kind,
        rules=Rules(
            entry=enter_at,
            exit=exit_at,
            stop=stop_at,
            sizing=sizing,
            notional=notional,
            log_prices=prices == "log",
        ),
        costs=Costs(fee_bp=fee, y_half_spread_bp=half, x_half_spread_bp=half, slippage_bp=slippage),
    )


def _slider(label: str, name: str, low: int, high: int, usual: int) -> int:
    check_number(name, label.partition(",")[0].lower(), low, high)
    return st.slider(label, low, high, usual, 10, key=name, bind=URL)


def _number(
    label: str,
    name: str,
    low: float,
    high: float,
    usual: float,
    step: float,
    form: str | None = None,
    help: str | None = None,
) -> float:
    check_number(name, label.partition(",")[0].lower(), low, high)
    return st.number_input(
        label, low, high, usual, step, format=form, key=name, bind=URL, help=help
    )


def _watchlist(model: Model, current: PairSettings) -> tuple[PairSettings, ...]:
    """Return the watched pairs: the desk's own on this venue, then those this session added."""
    venue = split_instrument(current.y)[0]
    legs = [(pair.y, pair.x) for pair in _own_pairs(model, venue)]
    added = st.session_state.setdefault("tandem_watch", [])
    if (current.y, current.x) not in legs + added:
        added.append((current.y, current.x))
        del added[:-3]
    legs += [pair for pair in added if split_instrument(pair[0])[0] == venue]
    return tuple(_pair(model, y, x) for y, x in dict.fromkeys(legs))


def _own_pairs(model: Model, venue: str) -> tuple[PairSettings, ...]:
    """Return the desk's own pairs on a venue."""
    return tuple(
        _pair(model, pair.y, pair.x)
        for pair in part(Subscriptions).default_pairs()
        if split_instrument(pair.y)[0] == venue
    )


def _pair(model: Model, y: str, x: str) -> PairSettings:
    """Return a pair under these controls, on bars no shorter than its legs' prices allow."""
    return model.pair(y, x, part(VenueFacts).least_bar_us(model.bar_us, y, x))


def named(settings: PairSettings) -> str:
    """Return a pair as it is called in headings and file names."""
    return f"{f.symbol_of(settings.y)}-{f.symbol_of(settings.x)}"
