"""What a scan says, in sentences, units and column names. No Streamlit."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.scanner.families import Family
from tandem.scanner.result import By, Scan
from tandem.scanner.surrogates import Noise
from tandem.ui.shared import format as f

RULES: Mapping[By, str] = {
    "q_value": "Benjamini\u2013Hochberg",
    "q_value_any": "Benjamini\u2013Yekutieli",
    "q_value_noise": "calibrated on surrogates",
}


def rate(level: float) -> str:
    """Write a level as a percentage."""
    return f"{100.0 * level:g} %"


def rounded(share: float) -> str:
    """Write a share as a whole percentage."""
    return f"{100.0 * share:.0f} %"


def verdict(found: Scan, by: By, noise: Noise | None) -> str:
    """Summarise the findings, and the number expected by chance."""
    level = rate(found.settings.level)
    text = (
        f"{f.plural(found.tested, 'pair')} tested, {found.count(by):,} found at FDR {level} "
        f"({RULES[by]}). p below {level}: {found.count('p_value'):,} observed, "
        f"{found.expected_by_chance:,.0f} expected by chance."
    )
    return text if noise is None else f"{text} {noise_sentence(noise, by, found)}"


def noise_sentence(noise: Noise, by: By, found: Scan) -> str:
    """Summarise the false positives of the same scan on surrogates."""
    runs = f.plural(noise.runs, "surrogate universe")
    if by == "q_value_noise":
        return (
            f"q-values are calibrated on {runs} without cointegration, which have "
            f"{noise.by_p.mean():,.0f} pairs with p below {rate(noise.level)} on average."
        )
    counts = noise.by_q if by == "q_value" else noise.by_q_any
    text = (
        f"On {runs} without cointegration the same rule gives {counts.mean():,.1f} false "
        "positives on average"
    )
    if counts.max():
        text += f" (max {int(counts.max()):,})"
    text += f"; after calibration {f.plural(found.count('q_value_noise'), 'finding')} remain."
    return text.replace("1 finding remain.", "1 finding remains.")


def families_sentence(families: tuple[Family, ...]) -> str:
    """Summarise how many findings are independent."""
    if not families:
        return ""
    independent = sum(one.independent for one in families)
    findings = sum(one.findings for one in families)
    if findings == independent:
        return f"No redundant findings: {independent:,} independent."
    return (
        f"{f.plural(len(families), 'family', 'families')}: {independent:,} of {findings:,} "
        "findings are independent."
    )


def known_sentence(
    built_in: tuple[tuple[str, str], ...],
    broken: tuple[tuple[str, str], ...],
    found: list[tuple[str, str]],
) -> str:
    """Compare findings with what was built into a simulated universe."""
    is_found = {frozenset(pair) for pair in found}
    hits = sum(frozenset(pair) in is_found for pair in built_in)
    gone = sum(frozenset(pair) in is_found for pair in broken)
    text = (
        f"Ground truth: {hits} of {f.plural(len(built_in), 'cointegrated pair')} found; "
        f"{f.plural(len(broken), 'pair')} with a break before the end, {gone} found."
    )
    others = len(found) - hits - gone
    return f"{text} {f.plural(others, 'false positive')}."


def left_out_title(found: Scan) -> str:
    """Return how much was not tested; empty if everything was."""
    parts = []
    if found.left_out:
        parts.append(f.plural(len(found.left_out), "instrument"))
    pairs = sum(found.pairs_left_out.values())
    if pairs:
        parts.append(f.plural(pairs, "pair"))
    return f"Not tested: {' and '.join(parts)}" if parts else ""


def took(seconds: float) -> str:
    """Write how long a scan took."""
    return f"{seconds:.2f} s" if seconds < 10.0 else f.duration(seconds)


# Column names of the file, with units.
EXPORTED = {
    "statistic": "engle_granger_t",
    "p_value": "p_value",
    "q_value": "q_value_benjamini_hochberg",
    "q_value_any": "q_value_benjamini_yekutieli",
    "q_value_noise": "q_value_by_noise",
    "lags": "lags_bars",
    "bars": "tested_bars",
    "r_squared": "r_squared_share",
    "half_life": "half_life_bars",
    "half_life_low": "half_life_low_bars",
    "half_life_high": "half_life_high_bars",
    "hurst": "hurst_exponent",
    "correlation": "correlation_of_returns",
    "crossings": "crossings_count",
    "crossings_per_day": "crossings_per_day",
    "spread_volatility": "spread_volatility_bp_of_y",
    "cost_bp": "round_trip_cost_bp_of_y",
    "break_even_z": "break_even_deviations",
    "activity": "activity_share_of_bars",
    "held": "held_windows",
    "windows": "tested_windows",
    "family": "family_number",
    "leads": "leads_family",
}


def exported(name: str, log_prices: bool) -> str:
    """Return a figure's column name in a file."""
    unit = "log" if log_prices else "price"
    if name == "alpha":
        return f"alpha_{unit}"
    if name == "trend_slope":
        return f"trend_slope_{unit}_per_bar"
    if name == "beta":
        return f"beta_{'notional_' if log_prices else ''}x_per_y"
    return EXPORTED[name]
