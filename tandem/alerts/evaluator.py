"""From readings to alerts: hysteresis and cool-down, one small state per rule and scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from tandem.alerts.rules import Alert, Reading, Rule
from tandem.core.clock import SECOND_US

# Scopes are named by venues and users: without a bound a stream of new names would fill memory.
MOST_STATES = 20_000


@dataclass(slots=True)
class _State:
    """Where one rule stands with one scope."""

    is_beyond: bool = False
    is_told: bool = False
    last_us: int = -(2**62)
    held_back: int = 0


class Evaluator:
    """Turns readings into alerts. One thread; knows no clock but the one it is handed.

    A rule fires when its condition comes true, once: it must be back past its release before it
    can fire again. Within the cool-down nothing is raised; what comes true meanwhile is counted,
    and raised after it where it still holds.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._states: dict[tuple[str, str], _State] = {}
        self._number = count()
        self._rules: tuple[Rule, ...] = ()
        self._by_measure: dict[str, list[Rule]] = {}
        self.use(rules)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in order."""
        return self._rules

    def use(self, rules: Sequence[Rule]) -> None:
        """Change the rules; one that stays the same keeps where it stands."""
        kept = {rule.name for rule in rules if rule in self._rules}
        self._states = {key: state for key, state in self._states.items() if key[0] in kept}
        by_measure: dict[str, list[Rule]] = {}
        for rule in rules:
            if rule.enabled:
                by_measure.setdefault(rule.measure, []).append(rule)
        self._rules, self._by_measure = tuple(rules), by_measure

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Let the cool-downs of what an earlier process raised, oldest first, go on."""
        known = {rule.name for rule in self._rules}
        for alert in alerts:
            if alert.rule in known:
                state = self._states.setdefault((alert.rule, alert.scope), _State())
                state.last_us = alert.time_us

    def observe(self, readings: Iterable[Reading], now_us: int) -> list[Alert]:
        """Return the alerts these readings raise, in their order."""
        raised = []
        for reading in readings:
            for rule in self._by_measure.get(reading.measure, ()):
                if rule.judges(reading):
                    alert = self._judge(rule, reading, now_us)
                    if alert is not None:
                        raised.append(alert)
        return raised

    def _judge(self, rule: Rule, reading: Reading, now_us: int) -> Alert | None:
        key = (rule.name, reading.scope)
        state = self._states.get(key)
        if state is None:
            if not rule.holds(reading.value):
                return None
            if len(self._states) >= MOST_STATES:
                # The oldest goes: at worst its next excursion is told within its cool-down.
                del self._states[next(iter(self._states))]
            state = self._states[key] = _State()
        if not rule.holds(reading.value):
            if state.is_beyond and rule.is_over(reading.value):
                state.held_back += not state.is_told
                state.is_beyond = state.is_told = False
            return None
        state.is_beyond = True
        # Also when time went back: a clock that was wrong must not silence a rule.
        is_due = abs(reading.time_us - state.last_us) >= rule.cooldown_s * SECOND_US
        return self._raise(rule, reading, state, now_us) if is_due and not state.is_told else None

    def _raise(self, rule: Rule, reading: Reading, state: _State, now_us: int) -> Alert:
        alert = Alert(
            id=f"{now_us:017d}-{next(self._number) % 1_000_000:06d}",
            rule=rule.name,
            measure=reading.measure,
            scope=reading.scope,
            time_us=reading.time_us,
            raised_us=now_us,
            value=float(reading.value),
            comparison=rule.comparison,
            threshold=float(rule.threshold),
            severity=rule.severity,
            channels=rule.channels,
            numbers={name: float(number) for name, number in reading.numbers.items()},
            held_back=state.held_back,
        )
        state.is_told, state.last_us, state.held_back = True, reading.time_us, 0
        return alert
