"""The alerts on screen: their words, the form that makes rules, and who may do what."""

from __future__ import annotations

import csv
import io
import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tandem.alerts.channels.local import COLUMNS
from tandem.alerts.defaults import DEFAULT_RULES
from tandem.alerts.delivery import Delivery
from tandem.alerts.history import RecordedAlert
from tandem.alerts.rules import CHANNELS, MEASURES, Alert, Reading, Rule
from tandem.alerts.service import Alerts, ChannelState
from tandem.core.clock import now_us
from tandem.core.errors import DataError, StoreError
from tandem.pairs.stream import PairSettings
from tandem.storage.null import NullStore
from tandem.surveillance.instrument import bar_readings, trade_readings
from tandem.surveillance.service import batch
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.state_readings import pair_readings
from tandem.ui.alerts import rules as alert_rules
from tandem.ui.alerts import wording as words
from tandem.ui.alerts.channel_test import Tests
from tandem.ui.alerts.toasts import SHOWN_S, Shown
from tandem.ui.alerts.wording import Draft, Filters
from tandem.ui.shared import state
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.desk import engine
from tests.support.message_servers import PostServer
from tests.support.pages import page_of
from tests.support.pairs_now import pair_now
from tests.support.waiting import wait_until

NOW_US = 1_750_032_000_000_000
NAME = "sim:ETHUSDT"
NUMBERS = {"price": 3_017.4, "mean": 0.0, "deviation": 0.5, "return": 3.2}
ALERT = Alert(
    f"{NOW_US:017d}-000001", "Return outlier", "bar_return_z", NAME, NOW_US, NOW_US + 400_000,
    6.4, "beyond", 6.0, "warning", ("screen", "log", "telegram"), NUMBERS,
)  # fmt: skip
SENT = Delivery(ALERT.id, "log", "sent", 1, "", NOW_US)
FAILED = Delivery(ALERT.id, "telegram", "failed", 3, "Telegram: 401.", NOW_US)


def told(alert: Alert = ALERT, seen_us: int = 0, *deliveries: Delivery) -> RecordedAlert:
    return RecordedAlert(alert, seen_us, deliveries)


def tags(row: dict[str, Any]) -> list[str]:
    return [tag["text"] for tag in row["tags"]]


# Words of an alert ----------------------------------------------------------------------


def test_every_measure_has_its_words() -> None:
    assert set(words.WORDS) == set(MEASURES)
    assert {one.of for one in words.WORDS.values()} == {"instrument", "pair", "venue", "database"}
    assert set(words.CHANNEL_NAMES) == set(CHANNELS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "ETHUSDT: 1 s bar return z-score 6.4, beyond 6"),
        ({"value": -6.4}, "ETHUSDT: 1 s bar return z-score \u22126.4, beyond 6"),
        (
            {
                "measure": "divergence",
                "scope": "sim:ETHUSDT~sim:BTCUSDT 60 s ols",
                "value": 0.616,
                "threshold": 0.5,
            },
            "ETHUSDT ~ BTCUSDT 60 s ols: leg divergence 0.616 %, beyond 0.5",
        ),
        (
            {"measure": "pair_broken", "scope": "a:X~b:Y", "value": 1.0, "comparison": "above"},
            "X ~ Y: cointegration break (CUSUM or rolling test)",
        ),
        (
            {"measure": "disk_free", "scope": "record", "value": 0.5, "comparison": "below",
             "threshold": 1.0},
            "record: free disk space 0.5 GB, below 1",
        ),
        ({"value": math.nan}, "ETHUSDT: 1 s bar return z-score \u2013, beyond 6"),
        (
            {"measure": "pair_entry", "value": 0.4, "numbers": {"z": -2.4, "entry": 2.0}},
            "ETHUSDT: z \u22122.40 crossed entry \u00b12 (LONG)",
        ),
        (
            {"measure": "pair_exit", "value": 0.2, "numbers": {"z": 0.3, "exit": 0.5}},
            "ETHUSDT: z +0.30 back inside exit \u00b10.5",
        ),
        (
            {"measure": "anomaly", "value": 1.041, "numbers": {"score": 0.6, "cut": 0.576}},
            "ETHUSDT: anomaly score 4 % above threshold",
        ),
        ({"is_test": True}, "A test message."),
    ],
)  # fmt: skip
def test_an_alert_says_what_came_true(changes: dict[str, Any], said: str) -> None:
    assert words.what(replace(ALERT, **changes)) == said


def test_the_kept_numbers_give_the_value_again() -> None:
    assert words.again(ALERT) == "(return \u2212 mean) / deviation = 6.4"
    assert words.again(replace(ALERT, numbers={"price": 1.0})) == ""
    assert words.again(replace(ALERT, numbers=NUMBERS | {"deviation": 0.0})) == ""
    assert words.again(replace(ALERT, measure="trade_age")) == ""


def test_what_the_watch_says_is_derived_again() -> None:
    trades = SimulatedMarket(5, 4.0).history(NAME, NOW_US, NOW_US + 900_000_000)
    watched, _ = batch(trades, WatchSettings(trade_window=100))
    readings = [
        *trade_readings(NAME, watched.trade_scores(NAME)[-50:]),
        *bar_readings(NAME, watched.scores(NAME)[-50:]),
        *pair_readings("a:X~b:Y", pair_now(PairSettings("a:X", "b:Y"), -2.31)),
        Reading("divergence", "a:X~b:Y", NOW_US, -0.75, {"y_move": -0.25, "x_move": 0.5}),
        Reading("anomaly", NAME, NOW_US, 1.25, {"score": 0.625, "cut": 0.5}),
    ]
    checked = set()
    for one in readings:
        if one.measure in words.DERIVED:
            alert = replace(ALERT, measure=one.measure, value=one.value, numbers=dict(one.numbers))
            assert float(words.again(alert).partition(" = ")[2]) == pytest.approx(
                one.value, rel=1e-9, abs=1e-9
            ), one
            checked.add(one.measure)
    assert checked == set(words.DERIVED)


def test_a_row_tells_its_deliveries_and_what_was_held_back() -> None:
    row = words.told_row(told(replace(ALERT, held_back=3), 0, SENT, FAILED), True, True)
    assert tags(row) == [
        "SIMULATED", "rule Return outlier", "3 suppressed (cool-down)", "log written", "telegram "
        "failed",
    ]  # fmt: skip
    assert (row["tags"][0]["strong"], row["tags"][-1]["hint"]) == (True, "Telegram: 401.")
    facts = dict(row["facts"])
    assert facts["value"] == "6.4"
    assert facts["return"] == "3.2"
    assert facts["telegram"] == "failed 00:00:00 after 3 attempts. Telegram: 401."
    assert [one["id"] for one in row["actions"]] == ["acknowledge"]


def test_a_visitor_reads_no_reasons_and_acknowledges_nothing() -> None:
    row = words.told_row(told(ALERT, 0, FAILED), False, False)
    assert "401" not in json.dumps(row)
    assert "telegram failed" in tags(row)
    assert not row["actions"]


def test_what_was_acknowledged_says_when() -> None:
    row = words.told_row(told(ALERT, NOW_US + 61_000_000), True, True)
    assert row["dim"] and not row["actions"]
    assert tags(row)[-1] == "acknowledged 00:01:01"


def test_only_simulated_and_replayed_scopes_are_called_so() -> None:
    real = replace(ALERT, scope="kraken:ETH/USD")
    mixed = replace(ALERT, scope="kraken:ETH/USD~sim:BTCUSDT")
    assert "SIMULATED" not in tags(words.told_row(told(real), True, True))
    assert "SIMULATED" in tags(words.told_row(told(mixed), True, True))
    assert "SIMULATED" in words.toast(mixed)["text"]


def test_an_empty_list_says_why() -> None:
    def note(kept: int, rules: tuple[Rule, ...], **given: Any) -> str:
        shown = words.alert_list([], kept, Filters(**given), rules, may=True, may_read=True)
        assert not shown["items"]
        return str(shown["note"])

    assert "as rules fire" in note(0, DEFAULT_RULES)
    assert "No rule is enabled" in note(0, (replace(DEFAULT_RULES[0], enabled=False),))
    assert note(2, (), severity="info").startswith("None of the 2 alerts")


def test_a_long_list_is_cut_and_says_so() -> None:
    found = [told(replace(ALERT, id=f"{n:017d}-0")) for n in range(words.MOST_SHOWN + 1)]
    shown = words.alert_list(found, 900, Filters(rule="x"), (), may=True, may_read=True)
    assert len(shown["items"]) == words.MOST_SHOWN
    assert shown["note"].startswith("201 of 900 alerts; showing the newest 200")


def test_the_file_reads_back_to_the_bit() -> None:
    many = [replace(ALERT, value=1.0 / 3.0, scope="=1+2"), ALERT]
    rows = list(csv.DictReader(io.StringIO(words.csv_file(many).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["value"]) for row in rows] == [1.0 / 3.0, 6.4]
    assert rows[0]["scope"] == "'=1+2"
    assert rows[1]["numbers"] == "price=3017.4 mean=0.0 deviation=0.5 return=3.2"


# Toasts ---------------------------------------------------------------------------------


def alerts_with(*rules: Rule) -> Alerts:
    return Alerts(NullStore("none"), {}, {}, (), rules)


def raise_some(alerts: Alerts, count: int, start: int = 0) -> None:
    for n in range(start, start + count):
        alerts.observe([Reading("trade_age", f"sim:A{n}", NOW_US, 99.0)])


def test_each_alert_is_said_once_and_for_a_while() -> None:
    alerts = alerts_with(Rule("Old", "trade_age", "above", 60.0))
    raise_some(alerts, 1)
    shown = Shown(alerts.history.toasts()[-1].id)
    assert not shown.look(alerts, 0.0), "what was raised before the session began"
    raise_some(alerts, 1, 1)
    (line,) = shown.look(alerts, 1.0)
    assert line["title"] == "A1: age of the last trade 99 s, above 60"
    assert shown.look(alerts, SHOWN_S) == [line]
    assert not shown.look(alerts, 1.0 + SHOWN_S)


def test_many_alerts_are_a_few_and_a_count() -> None:
    alerts = alerts_with(Rule("Old", "trade_age", "above", 60.0))
    shown = Shown("")
    raise_some(alerts, 15)
    lines = shown.look(alerts, 0.0)
    assert len(lines) == words.TOASTS + 1
    assert lines[-1]["title"] == f"and {15 - words.TOASTS} more"
    raise_some(alerts, 5, 15)
    again = shown.look(alerts, 5.0)
    assert [line["id"] for line in again] == [line["id"] for line in lines]
    assert again[-1]["title"] == f"and {20 - words.TOASTS} more"
    assert [line["title"] for line in shown.look(alerts, SHOWN_S)] == [again[-1]["title"]]
    assert not shown.look(alerts, 5.0 + SHOWN_S)


def test_a_rule_that_is_not_for_the_screen_says_nothing_there() -> None:
    alerts = alerts_with(Rule("Old", "trade_age", "above", 60.0, channels=("log",)))
    raise_some(alerts, 2)
    assert not Shown("").look(alerts, 0.0)


# Words of a rule ------------------------------------------------------------------------


def test_a_rule_is_read_as_a_sentence() -> None:
    said = [words.condition(rule) for rule in DEFAULT_RULES]
    assert said[0] == "1 s bar return z-score is beyond \u00b16"
    assert said[-1] == "free disk space is below 1 GB"
    assert "cointegration break (CUSUM or rolling test)" in said
    assert words.cooldown(0.0) == "no cool-down"
    assert words.cooldown(300.0) == "max 1 per 5 min"


def test_a_rules_row_says_what_keeps_it_silent() -> None:
    rule = Rule("A", "trade_age", "above", 60.0, scope="sim:GONE", channels=("log", "mail"))
    alerts = alerts_with(rule)
    states = alerts.channels()
    listed = words.rule_list((rule,), {"A": 2}, alerts.rules.unmatched(["sim:X"]), states, True)
    (row,) = listed["items"]
    assert row["text"] == "Rule A has scope sim:GONE, which is not monitored; it cannot fire."
    assert tags(row) == [
        "scope: sim:GONE", "re-arms at 48", "max 1 per 5 min", "log", "mail", "raised 2 alerts",
    ]  # fmt: skip
    assert row["tags"][4]["hint"] == "not configured"
    assert [one["id"] for one in row["actions"]] == ["edit", "remove"]
    (seen,) = words.rule_list((rule,), {}, {}, states, False)["items"]
    assert not seen["actions"] and not seen["may"]


def test_a_rule_is_told_what_it_judges() -> None:
    scopes = ("sim:A", "sim:B", "sim:A~sim:B", "sim", "record")
    assert words.scopes_for("trade_age", scopes) == ["sim:A", "sim:B"]
    assert words.scopes_for("pair_z", scopes) == ["sim:A~sim:B"]
    assert words.fitting("*", "trade_age", scopes) == "Currently applies to sim:A, sim:B."
    assert words.fitting("sim", "feed_down", scopes) == "Currently applies to sim."
    assert "applies to an instrument" in words.fitting("sim:A~sim:B", "trade_age", scopes)
    assert words.fitting("kraken:*", "trade_age", scopes).startswith("Nothing")


def test_what_a_rule_would_have_told_is_counted() -> None:
    kept = [told(replace(ALERT, value=value)) for value in (6.1, -7.0, 9.0)]
    rule = Rule("A", "bar_return_z", "beyond", 6.5, scope="sim:*")
    assert words.would_have_told(rule, kept) == (
        "Would have raised 2 of 3 stored alerts of this measure."
    )
    assert words.would_have_told(replace(rule, scope="kraken:*"), kept) == ""


DRAFT = Draft("Far", "bar_return_z", "beyond", 6.0, None, "*", 5.0, "warning", ["log", "screen"])


def test_the_form_makes_the_rule() -> None:
    assert words.rule_of(DRAFT) == Rule("Far", "bar_return_z", "beyond", 6.0)
    assert words.rule_of(DRAFT._replace(minutes=None, release=2.0), False) == Rule(
        "Far", "bar_return_z", "beyond", 6.0, 2.0, enabled=False
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "  "}, "needs a name"),
        ({"name": "<b>"}, "not a valid rule name"),
        ({"threshold": None}, "needs a threshold"),
        ({"threshold": -1.0}, "0 or more"),
        ({"threshold": math.inf}, "an invalid number"),
        ({"release": 7.0}, "inside the threshold"),
        ({"scope": None}, "needs a scope"),
        ({"scope": "sim:<script>"}, "venue:SYMBOL"),
        ({"minutes": -1.0}, "cool-down"),
        ({"minutes": 1e9}, "cool-down"),
    ],
)
def test_a_form_that_makes_no_rule_says_why(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        words.rule_of(DRAFT._replace(**changes))


# Channels -------------------------------------------------------------------------------


def test_a_channel_says_how_it_stands() -> None:
    def row(state: ChannelState, **given: Any) -> dict[str, Any]:
        return words.channel_row(state, given.get("test", ""), "testing" in given, True)

    ready = row(ChannelState("log", True, 0, "Ready."))
    assert (ready["badge"], ready["text"]) == ("ready", "")
    waiting = row(
        ChannelState("telegram", True, 7, "Telegram: nothing answers.", True), test="at 1: no"
    )
    assert (waiting["badge"], tags(waiting)[-1]) == ("error", "7 queued")
    assert waiting["text"] == "Telegram: nothing answers. Last test at 1: no"
    missing = row(ChannelState("slack", False, 0, "Not configured: set TANDEM_SLACK_ADDRESS."))
    assert missing["badge"] == "not configured" and not missing["actions"]
    assert "TANDEM_SLACK_ADDRESS" in missing["text"]
    testing = row(ChannelState("log", True, 0, "Ready."), testing=True)
    assert testing["actions"][0]["disabled"]


def test_a_visitor_learns_nothing_of_what_a_channel_is_set_to() -> None:
    trouble = ChannelState("telegram", True, 7, "Telegram: nothing answers at 10.0.0.8.", True)
    row = words.channel_row(trouble, "at 1: no", False, False)
    assert row["badge"] == "error"
    assert "10.0.0.8" not in json.dumps(row) and not row["actions"]


class Slow:
    """Alerts whose channel answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.free = threading.Event()

    def test(self, name: str) -> str:
        self.asked.append(name)
        assert self.free.wait(20)
        if name == "csv":
            raise DataError("It cannot be tested.")
        return "It was sent."


def test_a_channel_is_tested_once_however_often_it_is_clicked() -> None:
    alerts, tests = Slow(), Tests()
    for _ in range(3):
        tests.begin(alerts, "log")  # type: ignore[arg-type]
    tests.begin(alerts, "csv")  # type: ignore[arg-type]
    assert tests.is_going_on("log") and not tests.said("log")
    alerts.free.set()
    wait_until(lambda: not tests.is_going_on("log") and not tests.is_going_on("csv"))
    assert sorted(alerts.asked) == ["csv", "log"]
    assert tests.said("log").endswith("UTC: It was sent.")
    assert tests.said("csv").endswith("UTC: It cannot be tested.")


# The pages ------------------------------------------------------------------------------

PAGE = """
from tandem.ui.alerts import channels, list, rules, toasts
toasts.follow()
list.draw()
rules.draw()
channels.draw()
"""
TOKEN = "123456789:planted-secret-token"


@pytest.fixture
def app(database: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("TANDEM_ALERTS_FILE", str(database.with_name("alerts.csv")))
    monkeypatch.setenv("TANDEM_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("TANDEM_TELEGRAM_CHAT", "7")
    monkeypatch.setenv("TANDEM_TELEGRAM_ADDRESS", "http://127.0.0.1:9")
    return page_of(PAGE)


def alerts_of() -> Alerts:
    return engine().monitor.alerts


def rule_named(name: str) -> Rule | None:
    return next((one for one in alerts_of().rules.all() if one.name == name), None)


def data_of(app: AppTest, key: str) -> dict[str, Any]:
    """Return what a component was given."""
    for one in app.get("bidi_component"):
        if one.proto.id.endswith(key):
            return dict(json.loads(one.proto.json))
    raise AssertionError(f"{key} is not drawn")


def errors(app: AppTest) -> str:
    return " ".join(one.value for one in app.error).replace("\\", "")


def test_a_rule_is_made_in_the_form_and_kept(app: AppTest) -> None:
    app.run()
    app.button(key="rule_add").click().run()
    app.text_input(key="rule_name").set_value("Quick")
    app.selectbox(key="rule_measure").set_value("divergence").run()
    assert app.number_input(key="rule_threshold").label == "Threshold, %"
    app.number_input(key="rule_threshold").set_value(0.25)
    app.number_input(key="rule_minutes").set_value(2.0)
    app.segmented_control(key="rule_severity").set_value("critical")
    app.button(key="rule_keep").click().run()
    assert not app.exception
    assert not app.error
    expected = Rule("Quick", "divergence", "beyond", 0.25, None, "*", 120.0, "critical")
    assert rule_named("Quick") == expected
    assert "rule_keep" not in [one.key for one in app.button], "the form is closed"
    shown = data_of(app, "rule-list")["items"]
    assert shown[-1]["title"] == "Quick: leg divergence is beyond \u00b10.25 %"
    state.close()
    assert rule_named("Quick") == expected, "over a restart"


def test_what_is_wrong_is_said_and_nothing_is_lost(app: AppTest) -> None:
    app.run()
    app.button(key="rule_add").click().run()
    app.text_input(key="rule_name").set_value("Return outlier")
    app.button(key="rule_keep").click().run()
    assert "A rule named Return outlier already exists" in errors(app)
    app.text_input(key="rule_name").set_value("Mine")
    app.number_input(key="rule_release").set_value(8.0)
    app.button(key="rule_keep").click().run()
    assert "inside the threshold" in errors(app)
    assert app.text_input(key="rule_name").value == "Mine"
    assert rule_named("Mine") is None
    app.number_input(key="rule_release").set_value(None)
    app.button(key="rule_keep").click().run()
    assert rule_named("Mine") is not None


def test_a_rule_is_edited_in_place_and_renamed(app: AppTest) -> None:
    app.run()
    alerts = alerts_of()
    named = replace(DEFAULT_RULES[4], channels=("screen", "mail"), enabled=False)
    alerts.rules.put(named)
    app.session_state["tandem_rule_edited"] = named.name
    app.session_state["tandem_rule_begin"] = named
    app.run()
    assert app.number_input(key="rule_threshold").value == 1.5
    assert app.number_input(key="rule_release").value == 0.5
    app.text_input(key="rule_name").set_value("Shock")
    app.number_input(key="rule_threshold").set_value(2.5)
    app.button(key="rule_keep").click().run()
    # What it named and cannot be used stays named; what was switched off stays so.
    assert rule_named("Shock") == replace(named, name="Shock", threshold=2.5)
    assert rule_named(named.name) is None


def test_leaving_the_form_changes_nothing(app: AppTest) -> None:
    app.run()
    before = alerts_of().rules.all()
    app.button(key="rule_add").click().run()
    app.text_input(key="rule_name").set_value("Never")
    app.button(key="rule_leave").click().run()
    assert alerts_of().rules.all() == before
    assert "rule_add" in [one.key for one in app.button]


def test_a_record_that_keeps_no_rule_says_so(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    app.run()

    def fail(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(engine().store, "save_documents", fail)
    app.button(key="rule_add").click().run()
    app.text_input(key="rule_name").set_value("Held")
    app.button(key="rule_keep").click().run()
    assert not app.exception
    assert "applies until restart but could not be saved: The disk is full" in "".join(
        one.value for one in app.warning
    ).replace("\\", "")
    assert rule_named("Held") is not None


@pytest.mark.parametrize(
    ("act", "check"),
    [
        ("off", lambda rule: rule is not None and not rule.enabled),
        ("on", lambda rule: rule is not None and rule.enabled),
        ("remove", lambda rule: rule is None),
        ("nonsense", lambda rule: rule == DEFAULT_RULES[0]),
    ],
)
def test_the_table_acts(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, act: str, check: Any
) -> None:
    app.run()
    answers = iter([(act, "Return outlier"), ("remove", "no such rule")])
    monkeypatch.setattr(alert_rules, "ledger", lambda *_, **__: next(answers, None))
    app.run()
    assert not app.exception
    assert check(rule_named("Return outlier"))
    assert len(alerts_of().rules.all()) >= len(DEFAULT_RULES) - 1


def test_alerts_are_filtered_and_acknowledged(app: AppTest) -> None:
    app.run()
    alerts = alerts_of()
    for name in ("sim:A", "sim:B"):
        alerts.observe([Reading("divergence", f"{name}~sim:Z", now_us(), 2.0)])
    alerts.observe([Reading("trade_age", "sim:A", now_us(), 99.0)])
    app.run()
    mine = [one.alert.id for one in alerts.history.recent(scope="sim:A~sim:Z")]
    app.segmented_control(key="alerts_severity").set_value("critical")
    app.selectbox(key="alerts_scope").set_value("sim:A~sim:Z").run()
    assert [one["id"] for one in data_of(app, "alert-list")["items"]] == mine
    app.button(key="alerts_seen").click().run()
    assert [one.alert.id for one in alerts.history.recent() if one.acknowledged_us] == mine
    app.toggle(key="alerts_open").set_value(True).run()
    shown = data_of(app, "alert-list")
    assert not shown["items"] and "matches these filters" in shown["note"]
    app.button(key="alerts_all").click().run()
    assert all(one.acknowledged_us for one in alerts.history.recent())


def test_a_visitor_of_a_public_desk_only_reads(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    app.run()
    alerts_of().observe([Reading("trade_age", "sim:A", now_us(), 99.0)])
    monkeypatch.setattr(alert_rules, "ledger", lambda *_, **__: ("remove", "Return outlier"))
    app.run()
    assert not app.exception
    assert not app.button, "nothing but the file is offered"
    assert rule_named("Return outlier") is not None
    for key in ("alert-list", "channel-list"):
        assert not any(item["actions"] for item in data_of(app, key)["items"])


def test_no_secret_is_drawn_anywhere(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [TOKEN, "planted-key", "planted-path", "planted-password"]
    with PostServer() as server:
        server.plan.extend([(401, {}, f"bad token {TOKEN} planted-path".encode())] * 20)
        monkeypatch.setenv("TANDEM_TELEGRAM_ADDRESS", server.url)
        monkeypatch.setenv("TANDEM_WEBHOOK_ADDRESS", f"{server.url}/planted-path")
        monkeypatch.setenv("TANDEM_WEBHOOK_KEY", "planted-key")
        monkeypatch.setenv("TANDEM_MAIL_PASSWORD", "planted-password")
        app.run()
        alerts = alerts_of()
        alerts.rules.put(
            Rule("Old", "trade_age", "above", 60.0, channels=("screen", "telegram", "webhook"))
        )
        alerts.observe([Reading("trade_age", "sim:A", now_us(), 99.0)])
        wait_until(
            lambda: (
                {one.fate for one in alerts.history.recent(rule="Old")[0].deliveries} == {"failed"}
            )
        )
        tests = app.session_state["tandem_channel_tests"]
        for name in ("telegram", "webhook"):
            tests.begin(alerts, name)
            wait_until(lambda name=name: tests.said(name))
        app.run()
        app.button(key="rule_add").click().run()
    drawn = "".join(
        json.dumps(data_of(app, key)) for key in ("alert-list", "rule-list", "channel-list")
    )
    assert "telegram failed" in drawn and "Test message not sent" in drawn
    drawn += str(app._tree) + str([one.proto for one in app.get("bidi_component")])
    for secret in secrets:
        assert secret not in drawn, secret
