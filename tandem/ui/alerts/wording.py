"""From rules, alerts and channels to the words on the screen and the rows of a file. No Streamlit.

The lists are of rows for `ui.components.ledger`; nothing in them is markup.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, cast

from tandem.alerts.channels.local import COLUMNS, row
from tandem.alerts.delivery import Delivery
from tandem.alerts.rules import CHANNELS, Alert, Rule
from tandem.alerts.service import ChannelState, Told
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
    return Measure(of, "deviations", "instrument")


WORDS: dict[str, Measure] = {
    "trade_price_z": _z("price of a trade"),
    "trade_return_z": _z("return of a trade"),
    "bar_price_z": _z("price of a one-second bar"),
    "bar_return_z": _z("return of a one-second bar"),
    "bar_volume_z": _z("volume of a one-second bar"),
    "anomaly": Measure("Isolation Forest score of a one-second bar", "times its cut", "instrument"),
    "divergence": Measure("difference of the legs' moves", "%", "pair"),
    "momentum_t": Measure("slope of the price", "standard errors", "instrument"),
    "volatility": Measure("realised volatility", "% a year", "instrument"),
    "volatility_forecast": Measure("forecast volatility", "% a year", "instrument"),
    "liquidity_shock": Measure("number of liquidity measures far out at once", "", "instrument"),
    "trade_age": Measure("age of the last trade", "s", "instrument"),
    "pair_z": Measure("z of the spread", "", "pair"),
    "pair_entry": Measure("distance of z past its entry", "", "pair"),
    "pair_exit": Measure("distance of z inside its exit", "", "pair"),
    "pair_stop": Measure("distance of z past its stop", "", "pair"),
    "pair_p": Measure("p-value of no cointegration", "", "pair"),
    "pair_broken": Measure("sign of a broken relation", "", "pair"),
    "leg_age": Measure("age of the older leg's last trade", "s", "pair"),
    "feed_down": Measure("time without a working feed", "s", "venue"),
    "gap_open": Measure("age of the oldest gap not filled", "s", "record"),
    "disk_free": Measure("free space for the record", "GB", "record"),
}

# How a value follows from the numbers that are kept with it.
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
    "anomaly": ("score / cut", lambda n: n["score"] / n["cut"]),
    "divergence": ("y_move \u2212 x_move", lambda n: n["y_move"] - n["x_move"]),
    "pair_z": ("z", lambda n: n["z"]),
    "pair_entry": ("|z| \u2212 entry", lambda n: abs(n["z"]) - n["entry"]),
    "pair_exit": ("exit \u2212 |z|", lambda n: n["exit"] - abs(n["z"])),
    "pair_stop": ("|z| \u2212 stop", lambda n: abs(n["z"]) - n["stop"]),
}
DERIVED["bar_price_z"] = DERIVED["trade_price_z"]
DERIVED["bar_return_z"] = DERIVED["trade_return_z"]


# An alert -------------------------------------------------------------------------------


def name_of(scope: str) -> str:
    """Shorten a scope: ``sim:ETHUSDT~sim:BTCUSDT`` to ``ETHUSDT ~ BTCUSDT``."""
    legs = (leg.partition(":")[2] or leg for leg in scope.split("~"))
    return " ~ ".join(legs)


def venues_of(scope: str) -> tuple[str, ...]:
    """Return the venues a scope is of, each once; none where it is of no venue."""
    found = [leg.partition(":")[0] for leg in scope.split("~")]
    return tuple(dict.fromkeys(one for one in found if one not in ("record", "tandem")))


def what(alert: Alert) -> str:
    """Say what came true: ``ETHUSDT: price of a trade 6.4 deviations, beyond 6``."""
    if alert.is_test:
        return "A test message."
    measure = WORDS[alert.measure]
    if alert.measure == "pair_broken" and alert.value == 1.0:
        return f"{name_of(alert.scope)}: a test says that the relation has broken"
    amount = _amount(alert.value, measure.unit)
    return (
        f"{name_of(alert.scope)}: {measure.noun} {amount}, "
        f"{alert.comparison} {_number(alert.threshold)}"
    )


def again(alert: Alert) -> str:
    """Say how the value follows from the kept numbers; empty where it is read, not computed."""
    formula, compute = DERIVED.get(alert.measure, ("", None))
    if compute is None:
        return ""
    try:
        return f"{formula} = {compute(alert.numbers)!r}"
    except (KeyError, ZeroDivisionError):
        # Of another version, or of a price that does not move.
        return ""


def told_row(told: Told, may: bool, may_read: bool) -> Row:
    """Return an alert's row of the list; whoever may not read why a delivery failed learns that."""
    alert = told.alert
    seen = told.acknowledged_us
    tags = [_tag(NOT_NOW[one], strong=True) for one in venues_of(alert.scope) if one in NOT_NOW]
    tags.append(_tag(f"rule {alert.rule}"))
    if alert.held_back:
        tags.append(_tag(f"{alert.held_back} more held back", "warn", "within its cool-down"))
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
    """Return what became of one delivery, in two words; why is its hint."""
    return _tag(f"{one.channel} {_fate(one)}", _FATES[one.fate], one.text if may_read else "")


def _fate(one: Delivery) -> str:
    return "written" if one.fate == "sent" and one.channel in _WRITTEN else one.fate


def _facts(told: Told, may_read: bool) -> list[list[str]]:
    """Return everything the alert was raised on, in full, so that it can be computed again."""
    alert = told.alert
    found = [["value", repr(alert.value)], [alert.comparison, repr(alert.threshold)]]
    found += [[name, repr(value)] for name, value in alert.numbers.items()]
    if derived := again(alert):
        found.append(["again", derived])
    found += [
        ["of", alert.scope],
        ["measure", alert.measure],
        ["time there", f"{_moment(alert.time_us)} UTC"],
        ["raised here", f"{_moment(alert.raised_us)} UTC"],
        ["id", alert.id],
    ]
    if alert.held_back:
        found.append(["held back", f"{alert.held_back} before it, within the cool-down"])
    found += [[one.channel, _delivered(one, may_read)] for one in told.deliveries]
    return found


def _delivered(one: Delivery, may_read: bool) -> str:
    tries = f" at try {one.tries}" if one.tries > 1 and one.fate == "sent" else ""
    if one.tries and one.fate != "sent":
        tries = f" after {one.tries} {'try' if one.tries == 1 else 'tries'}"
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
        return {
            "severity": self.severity,
            "scope": self.scope,
            "rule": self.rule,
            "unacknowledged": self.unacknowledged,
        }

    @property
    def is_any(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()


def alert_list(
    found: Sequence[Told], kept: int, filters: Filters, rules: Sequence[Rule], **may: bool
) -> Row:
    """Return the list, the newest first, cut to what a page can hold.

    Parameters
    ----------
    found : sequence of Told
        What the filters let through, the newest first.
    kept : int
        How many alerts there are altogether.
    """
    shown = found[:MOST_SHOWN]
    if shown:
        note = f"{len(found):,} of {kept:,} alerts" if filters.is_any else _plural(kept, "alert")
        if len(found) > len(shown):
            note += f"; the newest {len(shown)} are shown, the file has all"
        note += ". Open one for the numbers it was raised on. Times are UTC."
    elif kept:
        note = f"None of the {_plural(kept, 'alert')} is of this kind; choose other filters."
    elif any(rule.enabled for rule in rules):
        note = "No rule has raised anything yet. Alerts are listed here as they come."
    else:
        note = "No rule is switched on, so nothing is raised. Rules are made under Rules."
    return {
        "name": "alerts",
        "live": True,
        "view": repr(filters),
        "note": note,
        "items": [told_row(one, **may) for one in shown],
    }


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
    """Return the message that stands for those that found no room."""
    return {
        "id": f"more-{first_id}",
        "tone": "",
        "icon": "",
        "title": f"and {count:,} more",
        "text": "All are listed on the Surveillance page, under Alerts.",
    }


# Rules ----------------------------------------------------------------------------------

_COMPARED = {"above": "is above", "below": "is below", "beyond": "is beyond \u00b1"}


def condition(rule: Rule) -> str:
    """Say when a rule fires: ``return of a one-second bar is beyond ±6 deviations``."""
    measure = WORDS[rule.measure]
    if rule.measure == "pair_broken" and rule.holds(1.0) and not rule.holds(0.0):
        return "a test says that the relation has broken"
    compared = _COMPARED[rule.comparison]
    space = "" if rule.comparison == "beyond" else " "
    return f"{measure.noun} {compared}{space}{_amount(rule.threshold, measure.unit)}"


def whereof(scope: str) -> str:
    """Say what a scope names."""
    return "everything" if scope == EVERY else scope


def cooldown(seconds: float) -> str:
    """Say how often a rule may tell."""
    return "each time" if not seconds else f"once in {f.duration(seconds)} at most"


def rule_row(rule: Rule, raised: int, problem: str, not_ready: Iterable[str], may: bool) -> Row:
    """Return a rule's row: what it says, what keeps it silent, and what it has raised."""
    missing = set(not_ready)
    tags = [
        _tag(f"of {whereof(rule.scope)}"),
        _tag(f"back at {_number(rule.release_at)}", hint="it must come back past this first"),
        _tag(cooldown(rule.cooldown_s), hint="of one instrument or pair"),
        *(
            _tag(name, "bad" if name in missing else "good", "not set up" * (name in missing))
            for name in rule.channels
        ),
    ]
    if raised:
        tags.append(_tag(f"raised {_plural(raised, 'alert')}", hint="of those that are kept"))
    if not rule.channels:
        tags.insert(3, _tag("only listed"))
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
        What keeps rules silent, by their names, from `Alerts.unmatched`.
    """
    not_ready = [one.name for one in channels if not one.is_ready]
    on = sum(rule.enabled for rule in rules)
    note = f"{_plural(len(rules), 'rule')}, {on} switched on."
    if not rules:
        note = "There is no rule, so nothing is raised. Add one above."
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
    """Return what a measure can be read of."""
    return [one for one in scopes if _kind(one) == WORDS[measure].of]


def _kind(scope: str) -> str:
    if "~" in scope:
        return "pair"
    return "instrument" if ":" in scope else "record" if scope == "record" else "venue"


def fitting(scope: str, measure: str, scopes: Iterable[str]) -> str:
    """Say what of what is watched now a rule would judge."""
    fits = [
        one
        for one in scopes_for(measure, scopes)
        if scope == EVERY or (scope and fnmatchcase(one, scope))
    ]
    if not fits:
        of = WORDS[measure].of
        return (
            "Nothing that is watched now is named so and has this measure, which is read of "
            f"{'an' if of[0] in 'aeiou' else 'a'} {of}; the rule stays silent until there is."
        )
    more = f" and {len(fits) - 3} more" if len(fits) > 3 else ""
    return f"Now it judges {', '.join(fits[:3])}{more}."


def would_have_told(rule: Rule, kept: Iterable[Told]) -> str:
    """Say how many of the alerts that are kept this rule's condition fits."""
    judged = [
        one.alert
        for one in kept
        if one.alert.measure == rule.measure
        and (rule.scope == EVERY or fnmatchcase(one.alert.scope, rule.scope))
    ]
    if not judged:
        return ""
    count = sum(rule.holds(alert.value) for alert in judged)
    return f"Of {_plural(len(judged), 'kept alert')} of this measure it would have told {count:,}."


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
        raise DataError("A rule needs a name; give it a few words, as in Flash crash.")
    if draft.threshold is None:
        raise DataError("A rule needs a threshold; give the number from which it fires.")
    if not (draft.scope or "").strip():
        raise DataError("A rule needs to know what it is about; choose *, for everything.")
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
    "screen": "A message on every open page, and the list here.",
    "log": "A line in the log of this process.",
    "csv": "A row in a file; its place is TANDEM_ALERTS_FILE.",
    "webhook": "JSON by POST, signed where TANDEM_WEBHOOK_KEY is given.",
    "telegram": "A message of a bot to a chat.",
    "slack": "A message to a channel of Slack, or of what takes its form.",
    "discord": "A message to a channel of Discord.",
    "mail": "A mail to each recipient of TANDEM_MAIL_TO.",
}


def channel_row(state: ChannelState, test: str, is_testing: bool, may: bool) -> Row:
    """Return a channel's row: how it stands, what to do about it, what its last test gave.

    A visitor of a public desk learns how it stands and nothing of what it is set to.
    """
    is_well = state.is_ready and not state.is_failing
    badge, tone = ("ready", "good") if is_well else ("in trouble", "bad")
    if not state.is_ready:
        badge, tone = "not set up", "muted"
    tags = [_tag(_BRINGS[state.name])]
    if state.waiting:
        tags.append(_tag(f"{state.waiting:,} waiting", "warn"))
    said = [] if is_well or not may else [state.text]
    if is_testing:
        said.append("A test message is on its way.")
    elif test and may:
        said.append(f"Tested {test}")
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
        f"{ready} of {len(rows)} channels can be used. They are set up in the environment or in "
        ".env, and hold from the next start; what is secret in them is never shown."
    )
    return {"name": "channels", "live": False, "note": note, "items": list(rows)}
