"""Numbers, names, models, rules and records that are none: one sentence, and the rest goes on."""

import io
import math
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tandem.alerts.channels.local import row
from tandem.alerts.defaults import DEFAULT_RULES
from tandem.alerts.rules import (
    MEASURES,
    Reading,
    Rule,
    decode_alert,
    decode_rule,
    encode,
    rule_from,
)
from tandem.alerts.service import Alerts
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.storage.null import NullStore
from tandem.storage.records import Document
from tandem.storage.store import Store
from tandem.surveillance.isolation_forest import load, train
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.service import Surveillance
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import garch_forecast
from tests.support.watched_trades import BASE_US, BOTH, SMALL, same

BAD, GOOD = "sim:ETHUSDT", "sim:BTCUSDT"
NAMES = ("rsi", "volatility", "volume_change")
CHANGES = {
    **{f"price {bad}": {"price": bad} for bad in (math.nan, math.inf, 1e308, 5e-324, 0.0, -5.0)},
    **{f"quantity {bad}": {"quantity": bad} for bad in (math.nan, math.inf, 1e308, -5.0)},
    **{f"time {bad}": {"time_us": bad} for bad in (0, -(10**15), 2**63 - 1, -(2**63))},
    **{f"arrival {bad}": {"received_us": bad} for bad in (-(2**63), 2**63 - 1)},
    "side": {"side": 7},
    "both": {"price": 1e49, "quantity": 1e49},
}


# Long enough for windows to fill and a model to be trained.
MARKET = BOTH[: len(BOTH) // 2]


def watched(trades):
    surveillance = Surveillance(SMALL)
    surveillance.add_pair(BAD, GOOD)
    alerts = Alerts(NullStore("none"), {}, defaults=DEFAULT_RULES)
    readings = []
    for start in range(0, len(trades), 13):
        found = surveillance.observe(trades[start : start + 13])
        found += surveillance.close(MARKET[min(start + 12, len(MARKET) - 1)].received_us)
        alerts.observe(found)
        readings += found
    return surveillance, readings


@cache
def calm_market():
    return watched(MARKET)[0]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_trades_that_are_none_leave_the_other_instrument_alone(change) -> None:
    calm = calm_market()
    sick = [
        trade._replace(**change) if trade.instrument == BAD and at % 5 == 0 else trade
        for at, trade in enumerate(MARKET)
    ]
    surveillance, readings = watched(sick)
    same(surveillance.scores(GOOD), calm.scores(GOOD))
    same(surveillance.trade_scores(GOOD), calm.trade_scores(GOOD))
    assert len(surveillance.scores(BAD)) > 100
    assert not any(math.isnan(one.value) or math.isinf(one.value) for one in readings)
    assert {row.instrument for row in surveillance.wall(BOTH[-1].received_us)} == {BAD, GOOD}


def test_a_quantity_that_is_none_is_not_known() -> None:
    sick = [trade._replace(quantity=-1.0) for trade in BOTH]
    surveillance, _ = watched(sick)
    scores = surveillance.scores(GOOD)
    assert np.isnan(scores["volume"]).all()
    assert np.isnan(scores["volume_change"]).all()
    assert not np.isnan(scores["return_z"][-1])


@pytest.mark.parametrize("name", ["", "x" * 10_000, "sim:A\nB", "sim:\x1b[31m", "sim:\x00"])
def test_what_is_no_name_is_not_watched(name: str) -> None:
    surveillance = Surveillance(SMALL)
    with pytest.raises(DataError, match="printable") as raised:
        surveillance.add(name)
    assert len(str(raised.value)) < 200
    assert str(raised.value).isprintable()
    assert surveillance.instruments() == ()


def test_one_instrument_alone_is_watched() -> None:
    surveillance = Surveillance(SMALL)
    surveillance.add(GOOD)
    readings = surveillance.observe(BOTH)
    readings += surveillance.close(BOTH[-1].received_us)
    assert {one.scope for one in readings} == {GOOD}
    assert {one.measure for one in readings} <= set(MEASURES) - {"divergence"}
    assert surveillance.divergences() == {}


def model() -> bytes:
    rows = np.random.default_rng(0).normal(size=(700, 3))
    return train(rows, NAMES, np.arange(700), trees=3).to_bytes()


def test_models_with_any_bytes_changed_or_cut_are_refused_or_sound() -> None:
    whole, random = model(), np.random.default_rng(1)
    refused = 0
    for _ in range(400):
        changed = bytearray(whole[: random.integers(len(whole) + 1)] if random.random() < 0.2
                            else whole)  # fmt: skip
        for at in random.integers(0, max(len(changed), 1), random.integers(1, 6)):
            changed[at : at + 1] = bytes([random.integers(256)])
        try:
            found = load(bytes(changed))
        except DataError as error:
            assert "retrain it" in str(error)
            refused += 1
        else:
            assert np.isfinite(found.score(np.zeros((1, len(found.features))))).all()
    assert refused > 300


def test_a_model_that_claims_to_be_gigantic_is_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(model())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    start, _, rest = parts["length.npy"].partition(b"'shape': (")
    claim = start + b"'shape': (" + b"9" * 12 + b",), }"
    size = len(parts["length.npy"].partition(b"\n")[0])
    parts["length.npy"] = claim.ljust(size) + b"\n" + rest.partition(b"\n")[2]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="retrain it"):
        load(file.getvalue())


def test_a_model_of_unknown_features_is_not_used() -> None:
    rows = np.random.default_rng(0).normal(size=(700, 2))
    surveillance = Surveillance(SMALL)
    surveillance.add(GOOD)
    with pytest.raises(DataError, match="unknown features"):
        surveillance.use_model(GOOD, train(rows, ("rsi", "moon"), np.arange(700), trees=3))
    assert surveillance.model(GOOD) is None


@pytest.mark.parametrize("values", [np.full(300, np.inf), np.full(300, 1e300)])
def test_returns_that_are_none_are_not_fitted(values) -> None:
    with pytest.raises(DataError, match="has 0 returns"):
        garch_forecast(values, 5)


def test_a_profile_of_prices_next_to_each_other_has_one_bucket() -> None:
    profile = volume_profile([1.0, math.nextafter(1.0, 2.0), 1e300], [1.0, 2.0, 1.0])
    assert profile.volume.tolist() == [3.0]
    with pytest.raises(DataError, match="no volume"):
        volume_profile([1.0, 2.0], [1e308, 1e308])


RULE = {"name": "n", "measure": "trade_price_z", "comparison": "beyond", "threshold": 3.0}


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"threshold": 10**400}, "finite"), ({"threshold": [1]}, "finite"),
        ({"threshold": True}, "finite"), ({"threshold": 1e308}, "finite"),
        ({"release": 10**400}, "finite"), ({"cooldown_s": None}, "finite"),
        ({"name": "a\x1b[31m"}, "not a valid rule name"), ({"name": "x" * 10_000}, "not a valid "
        "rule name"),
        ({"scope": "x" * 10_000}, "venue:SYMBOL"), ({"scope": "a\x00"}, "venue:SYMBOL"),
        ({"measure": "\x1b[2J"}, "an unknown"), ({"measure": ["x"]}, "an unknown"),
        ({"channels": ["log"] * 10_000}, "twice"), ({"channels": [["log"]]}, "an unknown"),
        ({"\x1b[2J": 1}, "not a rule key"), ({"x" * 10_000: 1}, "not a rule key"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_said_in_a_short_plain_sentence(wrong, hint) -> None:
    with pytest.raises(DataError, match=hint) as raised:
        rule_from(RULE | wrong)
    assert len(str(raised.value)) < 700
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "text", [b"\xff", b"[" * 100_000, b'{"a":' * 1_000, b'{"threshold":1e999}']
)
def test_what_is_no_text_of_a_rule_is_refused(text: bytes) -> None:
    with pytest.raises(DataError):
        decode_rule(text)
    with pytest.raises(DataError):
        decode_alert(text)


@pytest.mark.parametrize(
    "wrong",
    [{"severity": "x"}, {"measure": "of_another_version"}, {"scope": 3}, {"scope": "x" * 10_000},
     {"time_us": "now"}, {"time_us": 2**62}, {"channels": ["pigeon"]}, {"comparison": "?"},
     {"held_back": 1.5}, {"numbers": {"a": "b"}},
     {"numbers": {str(at): 1.0 for at in range(1_000)}}],
)  # fmt: skip
def test_what_is_no_alert_is_not_shown_nor_sent(wrong) -> None:
    import orjson

    alerts = Alerts(NullStore("none"), {}, defaults=(Rule(**RULE),))
    (alert,) = alerts.observe([Reading("trade_price_z", GOOD, BASE_US, 9.0, {"price": 1.0})])
    sound = orjson.loads(encode(alert))
    assert decode_alert(orjson.dumps(sound)) == alert
    with pytest.raises(DataError, match="could not be parsed"):
        decode_alert(orjson.dumps(sound | wrong))


def test_an_alert_of_a_record_is_no_formula_in_a_file() -> None:
    alerts = Alerts(NullStore("none"), {}, defaults=(Rule(**RULE),))
    (alert,) = alerts.observe([Reading("trade_price_z", GOOD, BASE_US, 9.0, {"price": 1.0})])
    call = "=HYPERLINK(1)"
    wrong = replace(alert, scope=call, rule=call, id=call, numbers={call: 1.0})
    assert not [cell for cell in row(wrong) if cell.startswith("=")]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"nonsense", {"n"}), (b"{}", {"n"}), (b"3", {"n"}), (b'[3, null, "{}"]', set()),
        (b'["{\\"name\\":\\"k\\",\\"measure\\":\\"anomaly\\",\\"comparison\\":\\"above\\",'
         b'\\"threshold\\":1}", "x"]', {"k"}),
    ],
)  # fmt: skip
def test_a_record_that_is_damaged_starts_all_the_same(tmp_path, body, names) -> None:
    store = Store.open(tmp_path / "record.sqlite")
    try:
        store.save_documents(
            [
                Document("rules", "all", body), Document("alert", "1", b"\xff"),
                Document("alert-seen", "1", b"x"), Document("outbox", "1/log", b"{}"),
            ]
        )  # fmt: skip
        assert store.flush(10)
        alerts = Alerts(store, {}, defaults=(Rule(**RULE),))
        alerts.start()
        assert {rule.name for rule in alerts.rules.all()} == names
        alerts.rules.put(Rule(**RULE))
        assert alerts.observe([Reading("trade_price_z", GOOD, BASE_US, 9.0)])
        alerts.stop()
    finally:
        store.close()


def test_time_that_goes_back_ends_nothing() -> None:
    surveillance = Surveillance(WatchSettings(trade_window=20, bar_window=20))
    surveillance.add(GOOD)
    back = [
        trade._replace(
            time_us=trade.time_us - 3_600 * SECOND_US * (at % 2), received_us=trade.received_us
        )
        for at, trade in enumerate(BOTH)
        if trade.instrument == GOOD
    ]
    readings = surveillance.observe(back) + surveillance.close(BOTH[-1].received_us)
    assert surveillance.wall(BOTH[-1].received_us)[0].age_s < 5.0
    assert any(one.measure == "bar_return_z" for one in readings)
    times = surveillance.scores(GOOD)["time_us"]
    assert (np.diff(times) > 0).all()
