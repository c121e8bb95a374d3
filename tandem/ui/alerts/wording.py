"""From rules, alerts and channels to the words on the screen and the rows of a file. No Streamlit.

The lists are of rows for `ui.components.ledger`; nothing in them is markup.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, cast

from tandem.alerts.channels.local import COLUMNS, row
from tandem.alerts.delivery import Delivery
from tandem.alerts.history import RecordedAlert
from tandem.alerts.rules import CHANNELS, Alert, Rule
from tandem.alerts.service import ChannelState
from tandem.core.errors import DataError
from tandem.ui.live.cards import NOT_NOW
from tandem.ui.shared import format as f

Row = dict[str, Any]
Numbers = Mapping[str, float]

MOST_SHOWN = 200
EVERY = "*"
TONES = {"info": "info", "warning": "warn", "critical": "bad"}
_FATES = {"sent": "good", "waiting": "warn", "failed": "bad"}
# On this machine nothing is sent: it is written.
_WRITTEN = ("log", "csv")


class Measure(NamedTuple):
    """How a measure is said: what it is, its unit, and what it can be read of."""

    noun: str
    unit: str
    of: str


def _z(of: str) -> Measure:
    return Measure(f"{of} z-score", "", "instrument")


WORDS: dict[str, Measure] = {
    "trade_price_z": _z("trade price"),
    "trade_return_z": _z("trade return"),
    "bar_price_z": _z("1 s bar price"),
    "bar_return_z": _z("1 s bar return"),
    "bar_volume_z": _z("1 s bar volume"),
    "anomaly": Measure("anomaly score", "\u00d7 threshold", "instrument"),
    "divergence": Measure("leg divergence", "%", "pair"),
    "momentum_t": Measure("price slope t-statistic", "", "instrument"),
    "volatility": Measure("annualised realised volatility", "%", "instrument"),
    "volatility_forecast": Measure("annualised volatility forecast", "%", "instrument"),
    "liquidity_shock": Measure("simultaneous liquidity outliers", "", "instrument"),
    "trade_age": Measure("age of the last trade", "s", "instrument"),
    "pair_z": Measure("spread z-score", "", "pair"),
    "pair_entry": Measure("|z| minus entry threshold", "", "pair"),
    "pair_exit": Measure("exit threshold minus |z|", "", "pair"),
    "pair_stop": Measure("|z| minus stop threshold", "", "pair"),
    "pair_p": Measure("cointegration p-value", "", "pair"),
    "pair_broken": Measure("cointegration break (1 = yes)", "", "pair"),
    "leg_age": Measure("age of the older leg's last trade", "s", "pair"),
    "feed_down": Measure("feed downtime", "s", "venue"),
    "gap_open": Measure("age of the oldest open gap", "s", "database"),
    "disk_free": Measure("free disk space", "GB", "database"),
}

# How a value follows from the numbers that are stored with it.
DERIVED: dict[str, tuple[str, Callable[[Numbers], float]]] = {
    "trade_price_z": (
        "(price \u2212 mean) / deviation",
        lambda n: (n["price"] - n["mean"]) / n["deviation"],
    ),
    "trade_return_z": (
        "(return \u2212 mean) / deviation",
        lambda n: (n["return"] - n["mean"]) / n["deviation"],
    ),
    "bar_volume_z": (
        "(volume_change \u2212 mean) / deviation",
        lambda n: (n["volume_change"] - n["mean"]) / n["deviation"],
    ),
    "anomaly": ("score / threshold", lambda n: n["score"] / n["cut"]),
    "divergence": ("y_move \u2212 x_move", lambda n: n["y_move"] - n["x_move"]),
    "pair_z": ("z", lambda n: n["z"]),
    "pair_entry": ("|z| \u2212 entry", lambda n: abs(n["z"]) - n["entry"]),
    "pair_exit": ("exit \u2212 |z|", lambda n: n["exit"] - abs(n["z"])),
    "pair_stop": ("|z| \u2212 stop", lambda n: abs(n["z"]) - n["stop"]),
}
DERIVED["bar_price_z"] = DERIVED["trade_price_z"]
DERIVED["bar_return_z"] = DERIVED["trade_return_z"]


# An alert -------------------------------------------------------------------------------

_BREAK = "cointegration break (CUSUM or rolling test)"
_CROSSINGS = {
    "entry": ("pair_entry", "crossed"),
    "exit": ("pair_exit", "back inside"),
    "stop": ("pair_stop", "crossed"),
}


def venues_of(scope: str) -> tuple[str, ...]:
    """Return the venues a scope is of, each once; none where it is of no venue."""
    found = [leg.partition(":")[0] for leg in scope.split("~")]
    return tuple(dict.fromkeys(one for one in found if one not in ("record", "tandem")))


def what(alert: Alert) -> str:
    """Describe an alert: ``ETHUSDT: trade price z-score 6.4, beyond 6``."""
    if alert.is_test:
        return "A test message."
    measure = WORDS[alert.measure]
    if alert.measure == "pair_broken" and alert.value == 1.0:
        return f"{f.short_scope(alert.scope)}: {_BREAK}"
    if stated := _stated(alert):
        return f"{f.short_scope(alert.scope)}: {stated}"
    amount = _amount(alert.value, measure.unit)
    return (
        f"{f.short_scope(alert.scope)}: {measure.noun} {amount}, "
        f"{alert.comparison} {_number(alert.threshold)}"
    )


def _stated(alert: Alert) -> str:
    """Return the crossing or excess in words: ``z −2.40 crossed entry ±2 (LONG)``."""
    if alert.measure == "anomaly" and math.isfinite(alert.value):
        side = "above" if alert.value >= 1.0 else "below"
        return f"anomaly score {100.0 * abs(alert.value - 1.0):.0f} % {side} threshold"
    z = alert.numbers.get("z", math.nan)
    for name, (measure, verb) in _CROSSINGS.items():
        if alert.measure == measure and alert.value > 0.0 and name in alert.numbers:
            side = (" (SHORT)" if z > 0 else " (LONG)") * (name == "entry")
            return f"z {f.signed(z)} {verb} {name} \u00b1{_number(alert.numbers[name])}{side}"
    return ""


def again(alert: Alert) -> str:
    """Return how the value follows from the stored numbers; empty where it is a plain reading."""
    formula, compute = DERIVED.get(alert.measure, ("", None))
    if compute is None:
        return ""
    try:
        return f"{formula} = {compute(alert.numbers)!r}"
    except (KeyError, ZeroDivisionError):
        # Of another version, or of a price that does not move.
        return ""


def told_row(told: RecordedAlert, may: bool, may_read: bool) -> Row:
    """Return an alert's row of the list, with failure reasons only for those who may read them."""
    alert = told.alert
    seen = told.acknowledged_us
    tags = [_tag(NOT_NOW[one], strong=True) for one in venues_of(alert.scope) if one in NOT_NOW]
    tags.append(_tag(f"rule {alert.rule}"))
    if alert.held_back:
        tags.append(_tag(f"{alert.held_back} suppressed (cool-down)", "warn"))
    tags += [delivery_tag(one, may_read) for one in told.deliveries]
    if seen:
        tags.append(_tag(f"acknowledged {f.clock(seen)}"))
    actions = [] if seen or not may else [{"id": "acknowledge", "label": "Acknowledge"}]
    return {
        "id": alert.id,
        "when": f.clock(alert.time_us),
        "moment": f"{f.day_clock(alert.time_us)} UTC",
        "badge": alert.severity,
        "tone": TONES[alert.severity],
        "title": what(alert),
        "tags": tags,
        "text": "",
        "facts": _facts(told, may_read),
        "actions": actions,
        "dim": bool(seen),
    }


def delivery_tag(one: Delivery, may_read: bool) -> Row:
    """Return the status of one delivery, with the reason as its hint."""
    return _tag(f"{one.channel} {_fate(one)}", _FATES[one.fate], one.text if may_read else "")


def _fate(one: Delivery) -> str:
    return "written" if one.fate == "sent" and one.channel in _WRITTEN else one.fate


def _facts(told: RecordedAlert, may_read: bool) -> list[list[str]]:
    """Return every number the alert was raised on, in full, so that it can be recomputed."""
    alert = told.alert
    found = [["value", repr(alert.value)], [alert.comparison, repr(alert.threshold)]]
    found += [[name, repr(value)] for name, value in alert.numbers.items()]
    if derived := again(alert):
        found.append(["formula", derived])
    found += [
        ["scope", alert.scope],
        ["measure", alert.measure],
        ["exchange time", f"{_moment(alert.time_us)} UTC"],
        ["raised (local clock)", f"{_moment(alert.raised_us)} UTC"],
        ["id", alert.id],
    ]
    if alert.held_back:
        found.append(["suppressed", f"{alert.held_back} before this one, during the cool-down"])
    found += [[one.channel, _delivered(one, may_read)] for one in told.deliveries]
    return found


def _delivered(one: Delivery, may_read: bool) -> str:
    tries = f" on attempt {one.tries}" if one.tries > 1 and one.fate == "sent" else ""
    if one.tries and one.fate != "sent":
        tries = f" after {f.plural(one.tries, 'attempt')}"
    why = f" {one.text}" if one.text and may_read else ""
    return f"{_fate(one)} {f.clock(one.changed_us)}{tries}.{why}"


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _amount(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    if not math.isfinite(value):
        return f.NONE
    text = f"{abs(value):.4g}"
    return f"{f.MINUS}{text}" if value < 0 else text


def _tag(text: str, tone: str = "", hint: str = "", strong: bool = False) -> Row:
    return {"text": text, "tone": tone, "hint": hint, "strong": strong}


# The list -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """What of the alerts is listed; None is all of it."""

    severity: str | None = None
    scope: str | None = None
    rule: str | None = None
    unacknowledged: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """Return them as arguments of `Alerts.recent`."""
        return asdict(self)

    @property
    def is_any(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()


def alert_list(
    found: Sequence[RecordedAlert], kept: int, filters: Filters, rules: Sequence[Rule], **may: bool
) -> Row:
    """Return the list, the newest first, cut to what a page can hold.

    Parameters
    ----------
    found : sequence of RecordedAlert
        What the filters let through, the newest first.
    kept : int
        How many alerts there are altogether.
    """
    shown = found[:MOST_SHOWN]
    if shown:
        note = f"{len(found):,} of {kept:,} alerts" if filters.is_any else f.plural(kept, "alert")
        if len(found) > len(shown):
            note += f"; showing the newest {len(shown)}, the CSV has all"
        note += ". Open an alert to see the numbers behind it. Times are UTC."
    elif kept:
        note = f"None of the {f.plural(kept, 'alert')} matches these filters."
    elif any(rule.enabled for rule in rules):
        note = "No alerts yet. They are listed here as rules fire."
    else:
        note = "No rule is enabled, so no alert can fire. Add or enable one under Rules."
    return {
        "name": "alerts",
        "live": True,
        "view": repr(filters),
        "note": note,
        "items": [told_row(one, **may) for one in shown],
    }


def csv_file(alerts: Iterable[Alert]) -> bytes:
    """Return alerts as CSV, in the columns of the CSV channel."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(row, alerts))
    return file.getvalue().encode()


# Toasts ---------------------------------------------------------------------------------

TOASTS = 3
_ICONS = {"info": "i", "warning": "!", "critical": "!!"}


def toast(alert: Alert) -> Row:
    """Return an alert as a message for the corner of the screen."""
    marks = [NOT_NOW[one] for one in venues_of(alert.scope) if one in NOT_NOW]
    said = [*marks, f"{f.clock(alert.time_us)} UTC", f"rule {alert.rule}"]
    return {
        "id": alert.id,
        "tone": TONES[alert.severity],
        "icon": _ICONS[alert.severity],
        "title": what(alert),
        "text": " \u00b7 ".join(said),
    }


def more_toast(count: int, first_id: str) -> Row:
    """Return the message that stands for the toasts that do not fit."""
    return {
        "id": f"more-{first_id}",
        "tone": "",
        "icon": "",
        "title": f"and {count:,} more",
        "text": "See Alerts on the Surveillance page.",
    }


# Rules ----------------------------------------------------------------------------------

_COMPARED = {"above": "is above", "below": "is below", "beyond": "is beyond \u00b1"}


def condition(rule: Rule) -> str:
    """Describe when a rule fires: ``1 s bar return z-score is beyond ±6``."""
    measure = WORDS[rule.measure]
    if rule.measure == "pair_broken" and rule.holds(1.0) and not rule.holds(0.0):
        return _BREAK
    compared = _COMPARED[rule.comparison]
    space = "" if rule.comparison == "beyond" else " "
    return f"{measure.noun} {compared}{space}{_amount(rule.threshold, measure.unit)}"


def whereof(scope: str) -> str:
    """Return what a scope covers."""
    return "everything" if scope == EVERY else scope


def cooldown(seconds: float) -> str:
    """Return a rule's rate limit."""
    return "no cool-down" if not seconds else f"max 1 per {f.duration(seconds)}"


def rule_row(rule: Rule, raised: int, problem: str, not_ready: Iterable[str], may: bool) -> Row:
    """Return a rule's row: condition, why it cannot fire, and how often it has fired."""
    missing = set(not_ready)
    tags = [
        _tag(f"scope: {whereof(rule.scope)}"),
        _tag(
            f"re-arms at {_number(rule.release_at)}",
            hint="must return past this level before the rule can fire again",
        ),
        _tag(cooldown(rule.cooldown_s), hint="per instrument or pair"),
        *(
            _tag(name, "bad" if name in missing else "good", "not configured" * (name in missing))
            for name in rule.channels
        ),
    ]
    if raised:
        tags.append(_tag(f"raised {f.plural(raised, 'alert')}", hint="among stored alerts"))
    if not rule.channels:
        tags.insert(3, _tag("list only"))
    return {
        "id": rule.name,
        "switch": rule.enabled,
        "may": may,
        "badge": rule.severity,
        "tone": TONES[rule.severity] if rule.enabled else "muted",
        "title": f"{rule.name}: {condition(rule)}",
        "tags": tags,
        "text": problem,
        "facts": [],
        "actions": [
            {"id": "edit", "label": "Edit"},
            {"id": "remove", "label": "Remove"},
        ]
        if may
        else [],
        "dim": not rule.enabled,
    }


def rule_list(
    rules: Sequence[Rule],
    raised: Mapping[str, int],
    problems: Mapping[str, str],
    channels: Sequence[ChannelState],
    may: bool,
) -> Row:
    """Return the table of rules.

    Parameters
    ----------
    problems : mapping of str to str
        Why rules cannot fire, by their names, from `Alerts.unmatched`.
    """
    not_ready = [one.name for one in channels if not one.is_ready]
    on = sum(rule.enabled for rule in rules)
    note = f"{f.plural(len(rules), 'rule')}, {on} enabled."
    if not rules:
        note = "There are no rules, so no alert can fire. Add one above."
    return {
        "name": "rules",
        "live": False,
        "note": note,
        "items": [
            rule_row(rule, raised.get(rule.name, 0), problems.get(rule.name, ""), not_ready, may)
            for rule in rules
        ],
    }


def scopes_for(measure: str, scopes: Iterable[str]) -> list[str]:
    """Return the scopes a measure applies to."""
    return [one for one in scopes if _kind(one) == WORDS[measure].of]


def _kind(scope: str) -> str:
    if "~" in scope:
        return "pair"
    return "instrument" if ":" in scope else "database" if scope == "record" else "venue"


def fitting(scope: str, measure: str, scopes: Iterable[str]) -> str:
    """Describe which of the monitored scopes a rule covers."""
    fits = [
        one
        for one in scopes_for(measure, scopes)
        if scope == EVERY or (scope and fnmatchcase(one, scope))
    ]
    if not fits:
        of = WORDS[measure].of
        return (
            "Nothing monitored now matches this scope; the measure applies to "
            f"{'an' if of[0] in 'aeiou' else 'a'} {of}. The rule cannot fire until something "
            "matches."
        )
    more = f" and {len(fits) - 3} more" if len(fits) > 3 else ""
    return f"Currently applies to {', '.join(fits[:3])}{more}."


def would_have_told(rule: Rule, kept: Iterable[RecordedAlert]) -> str:
    """Return how many of the stored alerts this rule would have raised."""
    judged = [
        one.alert
        for one in kept
        if one.alert.measure == rule.measure
        and (rule.scope == EVERY or fnmatchcase(one.alert.scope, rule.scope))
    ]
    if not judged:
        return ""
    count = sum(rule.holds(alert.value) for alert in judged)
    stored = f.plural(len(judged), "stored alert")
    return f"Would have raised {count:,} of {stored} of this measure."


class Draft(NamedTuple):
    """A rule as it stands in the form: nothing checked yet."""

    name: str
    measure: str
    comparison: str
    threshold: float | None
    release: float | None
    scope: str | None
    minutes: float | None
    severity: str
    channels: Sequence[str]


def rule_of(draft: Draft, enabled: bool = True) -> Rule:
    """Return the rule of a form.

    Raises
    ------
    DataError
        Something is missing or impossible; the text says what is needed.
    """
    if not draft.name.strip():
        raise DataError("A rule needs a name, for example Flash crash.")
    if draft.threshold is None:
        raise DataError("A rule needs a threshold: the value at which it fires.")
    if not (draft.scope or "").strip():
        raise DataError("A rule needs a scope; choose * for everything.")
    return Rule(
        draft.name.strip(),
        draft.measure,
        cast(Any, draft.comparison),
        float(draft.threshold),
        None if draft.release is None else float(draft.release),
        str(draft.scope).strip(),
        300.0 if draft.minutes is None else 60.0 * float(draft.minutes),
        cast(Any, draft.severity),
        tuple(name for name in CHANNELS if name in draft.channels),
        enabled,
    )


# Channels -------------------------------------------------------------------------------

CHANNEL_NAMES = {
    "screen": "Screen",
    "log": "Log",
    "csv": "CSV file",
    "webhook": "Webhook",
    "telegram": "Telegram",
    "slack": "Slack",
    "discord": "Discord",
    "mail": "E-mail",
}
_BRINGS = {
    "screen": "Toast on every open page, and the list here.",
    "log": "Line in the process log.",
    "csv": "Row appended to the file TANDEM_ALERTS_FILE.",
    "webhook": "JSON by POST, signed if TANDEM_WEBHOOK_KEY is set.",
    "telegram": "Bot message to a chat.",
    "slack": "Message to a Slack channel, or any Slack-compatible webhook.",
    "discord": "Message to a Discord channel.",
    "mail": "E-mail to each recipient in TANDEM_MAIL_TO.",
}


def channel_row(state: ChannelState, test: str, is_testing: bool, may: bool) -> Row:
    """Return a channel's row: status, remedy and the result of its last test.

    In public mode a visitor sees the status but not the configuration.
    """
    is_well = state.is_ready and not state.is_failing
    badge, tone = ("ready", "good") if is_well else ("error", "bad")
    if not state.is_ready:
        badge, tone = "not configured", "muted"
    tags = [_tag(_BRINGS[state.name])]
    if state.waiting:
        tags.append(_tag(f"{state.waiting:,} queued", "warn"))
    said = [] if is_well or not may else [state.text]
    if is_testing:
        said.append("Sending a test message.")
    elif test and may:
        said.append(f"Last test {test}")
    test_it = {"id": "test", "label": "Test", "disabled": is_testing}
    return {
        "id": state.name,
        "badge": badge,
        "tone": tone,
        "title": CHANNEL_NAMES[state.name],
        "tags": tags,
        "text": " ".join(said),
        "facts": [],
        "actions": [test_it] if state.is_ready and may else [],
        "dim": not state.is_ready,
    }


def channel_list(rows: Sequence[Row]) -> Row:
    """Return the list of channels."""
    ready = sum(not one["dim"] for one in rows)
    note = (
        f"{ready} of {len(rows)} channels are configured. Channels are configured in the "
        "environment or in .env and read at start; secrets are never shown."
    )
    return {"name": "channels", "live": False, "note": note, "items": list(rows)}
