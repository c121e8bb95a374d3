"""The alert rules in force, kept in the database, and the evaluator that applies them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

import orjson

from tandem.alerts.evaluator import Evaluator
from tandem.alerts.rules import Alert, Reading, Rule, decode_rule, encode
from tandem.core.clock import now_us
from tandem.core.errors import DataError
from tandem.storage.protocols import Documents
from tandem.storage.records import Document

log = logging.getLogger("tandem.alerts")

MOST_RULES = 200


class RuleStore:
    """Any thread may ask.

    Parameters
    ----------
    defaults : tuple of Rule
        Rules of a database that has none yet.
    """

    def __init__(self, store: Documents, defaults: tuple[Rule, ...]) -> None:
        self._store = store
        self._evaluator = Evaluator(defaults)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the rules back; raises StoreError."""
        kept = self._store.documents("rules")
        if "all" in kept:
            self._evaluator.use(_rules_from(kept["all"], self._evaluator.rules))

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Let the cool-downs of what an earlier process raised, oldest first, go on."""
        self._evaluator.resume(alerts)

    def evaluate(self, readings: Iterable[Reading]) -> list[Alert]:
        """Return the alerts that readings raise."""
        with self._lock:
            return self._evaluator.observe(readings, now_us())

    def all(self) -> tuple[Rule, ...]:
        """Return the rules, in order."""
        return self._evaluator.rules

    def put(self, rule: Rule) -> None:
        """Add a rule, or replace the one of the same name; kept in the database.

        Raises
        ------
        DataError
            There are too many.
        StoreError
            It cannot be kept; it holds until the process ends.
        """
        with self._lock:
            rules = {one.name: one for one in self.all()} | {rule.name: rule}
            if len(rules) > MOST_RULES:
                raise DataError(f"The limit of {MOST_RULES} rules is reached; remove one first.")
            self._evaluator.use(tuple(rules.values()))
        self._keep()

    def remove(self, name: str) -> None:
        """Remove a rule; one that is not there is no error. Raises StoreError as `put`."""
        with self._lock:
            self._evaluator.use(tuple(one for one in self.all() if one.name != name))
        self._keep()

    def unmatched(self, scopes: Iterable[str]) -> dict[str, str]:
        """Return a message for each rule, by its name, whose scope matches nothing known."""
        known = set(scopes)
        return {
            rule.name: (
                f"Rule {rule.name} has scope {rule.scope}, which is not monitored; it cannot fire."
            )
            for rule in self.all()
            if not set("*?") & set(rule.scope) and rule.scope not in known
        }

    def _keep(self) -> None:
        body = orjson.dumps([encode(rule).decode() for rule in self.all()])
        self._store.save_documents([Document("rules", "all", body)])


def _rules_from(body: bytes, otherwise: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return kept rules without those that are none; others where there is no list of them."""
    try:
        texts = orjson.loads(body)
    except orjson.JSONDecodeError:
        texts = None
    if not isinstance(texts, list):
        log.error("Stored rules could not be parsed; using the default rules.")
        return otherwise
    rules: dict[str, Rule] = {}
    for text in texts[:MOST_RULES]:
        try:
            rule = decode_rule(text if isinstance(text, str) else b"")
        except DataError as error:
            log.error("A stored rule was skipped: %s", error)
        else:
            rules[rule.name] = rule
    return tuple(rules.values())
