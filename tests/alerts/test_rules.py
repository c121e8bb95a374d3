"""Rules and their judge: what fires, what does not dance, and what comes back from JSON."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.alerts.defaults import DEFAULT_RULES
from tandem.alerts.evaluator import Evaluator
from tandem.alerts.rules import Reading, Rule, decode_alert, decode_rule, encode, rule_from
from tandem.core.errors import DataError
from tandem.pairs.stream import PairSettings
from tandem.surveillance.state_readings import pair_readings
from tests.support.pairs_now import pair_now

SECOND = 1_000_000


def rule(**more) -> Rule:
    given = {"name": "Far out", "measure": "bar_return_z", "comparison": "beyond",
             "threshold": 3.0, "release": 2.0, "cooldown_s": 0.0}  # fmt: skip
    return rule_from(given | more)


def fired(one: Rule, values, step_s: float = 1.0) -> list[int]:
    judge = Evaluator([one])
    return [
        at
        for at, value in enumerate(values)
        if judge.observe([Reading(one.measure, "sim:A", int(at * step_s * SECOND), value)], at)
    ]


def test_a_value_that_dances_on_its_threshold_sends_one_message() -> None:
    assert fired(rule(), [0, 3.1, 2.9, 3.1, 2.9, 3.2, 2.1, 3.5]) == [1]


def test_a_rule_fires_again_once_it_was_released() -> None:
    assert fired(rule(), [0, 3.1, 1.9, 3.1, -1.0, -4.0]) == [1, 3, 5]


def test_nothing_is_raised_within_the_cool_down_and_what_was_held_back_is_counted() -> None:
    judge = Evaluator([rule(cooldown_s=10.0)])
    raised = []
    for at, value in enumerate([4, 0, 4, 0, 4, 0, 0, 0, 0, 0, 0, 5]):
        raised += judge.observe([Reading("bar_return_z", "sim:A", at * SECOND, value)], at)
    assert [(alert.time_us // SECOND, alert.held_back) for alert in raised] == [(0, 0), (11, 2)]
    assert raised[1].text.endswith("(2 suppressed)")


def test_what_came_true_in_the_cool_down_and_still_holds_is_raised_after_it() -> None:
    assert fired(rule(cooldown_s=5.0), [4, 0, 4, 4, 4, 4, 4]) == [0, 5]


@pytest.mark.parametrize(
    ("comparison", "threshold", "release", "values", "expected"),
    [
        ("above", 2.0, 1.0, [-5, 2.0, 2.1, 1.5, 2.2, 0.9, 3], [2, 6]),
        ("below", 1.0, 2.0, [5, 1.0, 0.9, 1.5, 0.5, 2.1, 0.1], [2, 6]),
        ("beyond", 0.0, 0.0, [0.0, -1.0, 0.0, 1.0], [1, 3]),
        ("above", 0.5, 0.5, [0, 1, 1, 0, 1], [1, 4]),
    ],
)
def test_comparisons(comparison, threshold, release, values, expected) -> None:
    one = rule(comparison=comparison, threshold=threshold, release=release)
    assert fired(one, values) == expected


def test_a_missing_value_changes_nothing() -> None:
    assert fired(rule(), [4, math.nan, 4, math.nan, 0, math.nan, 4]) == [0, 6]


def test_scopes_stand_apart_and_patterns_choose_them() -> None:
    judge = Evaluator([rule(scope="sim:*")])
    readings = [Reading("bar_return_z", name, 0, 5.0) for name in ("sim:A", "okx:A", "sim:B")]
    assert [alert.scope for alert in judge.observe(readings, 0)] == ["sim:A", "sim:B"]
    assert judge.observe(readings, 1) == []


def test_a_clock_set_back_does_not_silence_a_rule() -> None:
    judge = Evaluator([rule(cooldown_s=60.0)])
    hours = 10 * 3_600 * SECOND
    for time_us, value, expected in ((hours, 4, 1), (hours + 1, 0, 0), (SECOND, 4, 1)):
        assert len(judge.observe([Reading("bar_return_z", "a", time_us, value)], 0)) == expected


def test_changed_rules_begin_anew_and_unchanged_ones_go_on() -> None:
    kept, changed = rule(), rule(name="Other")
    judge = Evaluator([kept, changed])
    assert len(judge.observe([Reading("bar_return_z", "a", 0, 5.0)], 0)) == 2
    judge.use([kept, rule(name="Other", threshold=4.0)])
    again = judge.observe([Reading("bar_return_z", "a", SECOND, 5.0)], 1)
    assert [alert.rule for alert in again] == ["Other"]


@given(st.lists(st.floats(-10, 10), max_size=60), st.floats(0, 20))
def test_alerts_are_never_closer_than_the_cool_down_and_never_without_a_release(values, cooldown):
    one = rule(cooldown_s=cooldown)
    at = fired(one, values)
    for before, after in zip(at, at[1:], strict=False):
        assert after - before >= cooldown
        assert any(abs(value) < 2.0 for value in values[before:after])
    assert all(abs(values[index]) > 3.0 for index in at)


def test_the_memory_of_a_judge_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("tandem.alerts.evaluator.MOST_STATES", 3)
    judge = Evaluator([rule()])
    for number in range(10):
        assert judge.observe([Reading("bar_return_z", f"s{number}", 0, 5.0)], 0)
    assert len(judge._states) == 3


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"measure": "bar_retrun_z"}, "Did you mean bar_return_z"),
        ({"channels": ["telegramm"]}, "Did you mean telegram"),
        ({"comparison": "over"}, "Choose one of above|Did you mean above"),
        ({"severity": "warn"}, "Did you mean warning"),
        ({"treshold": 3}, "Did you mean threshold"),
        ({"threshold": math.nan}, "finite"),
        ({"threshold": "3"}, "finite"),
        ({"threshold": -1.0, "release": None}, "0 or more"),
        ({"release": 3.5}, "inside the threshold"),
        ({"cooldown_s": -1.0}, "cool-down"),
        ({"name": "=cmd()"}, "not a valid rule name"),
        ({"name": ""}, "not a valid rule name"),
        ({"scope": "a\nb"}, "venue:SYMBOL"),
        ({"channels": "screen"}, "a list"),
        ({"enabled": "no"}, "true or false"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(wrong, hint) -> None:
    with pytest.raises(DataError, match=hint):
        rule(**wrong)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"name": "x"}', '{"name": 3}'])
def test_what_is_no_rule_is_refused(text) -> None:
    with pytest.raises(DataError):
        decode_rule(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"channels": 3}', '{"numbers": []}'])
def test_what_is_no_alert_is_refused(text) -> None:
    with pytest.raises(DataError):
        decode_alert(text)


def test_rules_and_alerts_come_back_from_json() -> None:
    for one in DEFAULT_RULES:
        assert decode_rule(encode(one)) == one
    (alert,) = Evaluator([rule()]).observe(
        [Reading("bar_return_z", "sim:A", 7, 0.1 + 3.0, {"price": 1 / 3, "mean": 2.0})], 9
    )
    assert decode_alert(encode(alert)) == alert
    assert alert.holds()


def test_an_alert_reads_as_the_command_line_prints_it() -> None:
    (alert,) = Evaluator([rule(name="Z")]).observe(
        [Reading("bar_return_z", "bitcoin", 0, 3.268, {"price": 47295.0})], 0
    )
    assert alert.text == "[ALERT] bitcoin z=3.27 price=47295.0 rule=Z"


def test_a_pair_is_read_against_its_own_thresholds() -> None:
    pair = PairSettings("sim:Y", "sim:X")
    found = {r.measure: r.value for r in pair_readings("Y~X", pair_now(pair, -2.5, 1, "breaking"))}
    assert found == {"pair_z": -2.5, "pair_entry": 0.5, "pair_exit": -2.0, "pair_stop": -1.5,
                     "pair_broken": 1.0, "pair_p": 0.4, "leg_age": 2.0}  # fmt: skip
    unknown = pair_readings("Y~X", pair_now(pair, math.nan))
    assert [(r.measure, r.value) for r in unknown] == [("pair_broken", 0.0)]
