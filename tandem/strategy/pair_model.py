"""The one pair model: hedge, windows, z, rules and costs, whoever trades or shows the pair."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from tandem.core.errors import DataError
from tandem.strategy.rules import Costs, Rules

Model = Literal["ols", "kalman", "huber"]
ZKind = Literal["model", "rolling", "ewm", "robust"]
Extended = TypeVar("Extended", bound="PairModel")

# The hedge models, and their names on every page.
MODEL_NAMES: dict[Model, str] = {"ols": "OLS", "kalman": "Kalman", "huber": "Huber"}
MODELS: tuple[Model, ...] = tuple(MODEL_NAMES)
Z_KINDS: tuple[ZKind, ...] = ("model", "rolling", "ewm", "robust")


@dataclass(frozen=True, slots=True)
class PairModel:
    """How a pair is hedged, scored and traded; `Setup` and `PairSettings` add to it.

    Attributes
    ----------
    model : {"ols", "kalman", "huber"}
        The hedge whose spread is traded.
    lookback : int
        Bars the hedge looks back on: the window of OLS and Huber, the Kalman filter's prefix.
    z_window : int
        Bars of the rolling z-score.
    z_kind : {"model", "rolling", "ewm", "robust"}
        "model" is the Kalman innovation over its own standard deviation, and the rolling z of
        the spread for OLS and Huber.
    rules : Rules
        When to trade; ``rules.log_prices`` also makes the regression one of log prices.
    costs : Costs
        What a fill costs.
    """

    model: Model = "kalman"
    lookback: int = 200
    z_window: int = 100
    z_kind: ZKind = "model"
    rules: Rules = field(default_factory=Rules)
    costs: Costs = field(default_factory=Costs)

    def __post_init__(self) -> None:
        """Refuse what cannot give an answer."""
        if self.model not in MODELS:
            raise DataError(f"The model is {self.model!r:.40}; choose one of {', '.join(MODELS)}.")
        if self.z_kind not in Z_KINDS:
            raise DataError(f"The z is {self.z_kind!r:.40}; choose one of {', '.join(Z_KINDS)}.")
        if self.lookback < 10 or self.z_window < 5:
            raise DataError(
                f"Lookback is {self.lookback} and z window {self.z_window} bars; "
                "use at least 10 and 5."
            )

    @property
    def log_prices(self) -> bool:
        """Whether log prices are regressed: beta is then a ratio of notionals, not of units."""
        return self.rules.log_prices

    @property
    def uses_innovation(self) -> bool:
        """Whether z is the Kalman filter's own innovation."""
        return self.model == "kalman" and self.z_kind == "model"

    def extended(self, kind: type[Extended], **more: Any) -> Extended:
        """Return this model as a `Setup` or `PairSettings`, given what that adds or changes."""
        own = {one.name: getattr(self, one.name) for one in fields(PairModel)}
        return kind(**(own | more))
