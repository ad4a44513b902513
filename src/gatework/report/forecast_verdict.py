"""What the scores of a forecaster support, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatework.report.facts import Facts
from gatework.report.words import listing

# A lead below this can be chance, or undone by the next season.
NARROW_SKILL = 0.02
# Coverage this near to the one wanted is as good as can be asked of real data.
NEAR_COVERAGE = 0.03
# Fewer windows cannot place the edge of a 90 % band.
FEW_WINDOWS = 100


@dataclass(frozen=True)
class Verdict:
    """Whether the model beats the naive forecasts.

    ``lost`` maps a target to the baselines that the model does not beat and by which scores.
    """

    kind: Literal["won", "wary", "lost", "unjudged"]
    said: str
    advice: str
    lost: dict[str, dict[str, list[str]]]

    @classmethod
    def of(cls, facts: Facts) -> Verdict:
        """From the scores; the recorded sentence decides where it knows of a defeat."""
        if not facts.judged:
            return cls(
                "unjudged",
                "Not judged: there was no test part.",
                "Nothing here says how well this model forecasts. Fit with a split that has a test part, "
                "or run gatework evaluate on later data, before relying on it.",
                {},
            )
        if not facts.baselines:
            return cls(
                "unjudged",
                "Not compared: the scores of the naive forecasts are missing.",
                "Without them an error cannot be called small or large.",
                {},
            )
        lost = {t: found for t in facts.targets if (found := _lost(facts, t))}
        if lost or "NOT beat" in (facts.verdict or ""):
            return cls("lost", _defeat(facts, lost), _after_defeat(facts, lost), lost)
        skill = smallest_skill(facts)
        if skill is not None and skill < NARROW_SKILL:
            return cls(
                "wary",
                "Beats every naive forecast, but only just.",
                "A lead this small can be chance. Judge the model on more data before preferring it to the "
                "naive forecast, which costs nothing. " + _worse_bands(facts),
                {},
            )
        said = facts.verdict or "The model beats every naive forecast."
        return cls("won", said, _worse_bands(facts), {})


def smallest_skill(facts: Facts) -> float | None:
    """The least lead in MAE over the hardest baseline of any target."""
    leads = [
        skill
        for target in facts.targets
        if (name := facts.hardest(target)) and (skill := facts.skill(target, name)) is not None
    ]
    return min(leads, default=None)


def overall_skill(facts: Facts) -> tuple[str, float] | None:
    """The hardest baseline over all targets and the lead over it, by MAE."""
    own = facts.model.overall.get("MAE")
    errors = {name: error for name, s in facts.baselines.items() if (error := s.overall.get("MAE"))}
    if own is None or not errors:
        return None
    name = min(errors, key=lambda n: errors[n])
    return name, 1 - own / errors[name]


def _lost(facts: Facts, target: str) -> dict[str, list[str]]:
    own = facts.model.targets.get(target, {})
    found = {}
    for name, scores in facts.baselines.items():
        other = scores.targets.get(target, {})
        worse = [
            score
            for score in ("MAE", "RMSE")
            if (a := own.get(score)) is not None
            and (b := other.get(score)) is not None
            and not a < b
        ]
        if worse:
            found[name] = worse
    return found


def _worse_bands(facts: Facts) -> str:
    """A sentence where the point forecasts win and the bands do not."""
    worse = {
        f"{name} on {target}" if len(facts.targets) > 1 else name
        for target in facts.targets
        for name in facts.baselines
        if (skill := facts.skill(target, name, "WQL")) is not None and skill < 0
    }
    if not worse:
        return ""
    return f"Its bands, though, are worse than those of {listing(sorted(worse))} (WQL)."


def _defeat(facts: Facts, lost: dict[str, dict[str, list[str]]]) -> str:
    if not lost:
        return "Does not beat every naive forecast."
    names = list(dict.fromkeys(name for found in lost.values() for name in found))
    by = listing(names)
    if len(facts.targets) == 1:
        return f"Does not beat the {by} forecast{'s' if len(names) > 1 else ''}."
    if len(lost) == len(facts.targets):
        return f"Does not beat the naive forecasts on any of the {len(facts.targets)} targets."
    return f"Does not beat every naive forecast: {len(lost)} of {len(facts.targets)} targets fall short."


def _after_defeat(facts: Facts, lost: dict[str, dict[str, list[str]]]) -> str:
    use = "For those targets" if len(facts.targets) > len(lost) > 0 else "As it stands"
    return (
        f"{use}, the naive forecast is the better choice. More data, a longer context, more epochs, or "
        "covariates that are known in advance may change that."
    )


def coverage_words(facts: Facts) -> tuple[str, str]:
    """How honest the widest band is, target by target, and the likely reason where it is not."""
    for wanted in facts.intervals:
        key = f"coverage_{wanted:g}"
        reached = {
            t: v
            for t in facts.targets
            if (v := facts.model.targets.get(t, {}).get(key)) is not None
        }
        if reached:
            break
    else:
        return "No coverage was measured.", ""
    low = [t for t, v in reached.items() if v < wanted / 100 - NEAR_COVERAGE]
    high = [t for t, v in reached.items() if v > wanted / 100 + NEAR_COVERAGE]
    shares = [100 * v for v in reached.values()]
    if len(shares) == 1:
        said = f"{shares[0]:.1f} % of the measured values fell inside the {wanted:g} % band: "
        if low:
            said += f"it is too narrow. Read it as a band of about {shares[0]:.0f} %."
        elif high:
            said += "it is wider than it needs to be, so forecasts look less certain than they are."
        else:
            said += "it can be taken at its word."
    else:
        found = [f"too narrow on {listing(low, 4)}"] if low else []
        found += [f"wider than it needs to be on {listing(high, 4)}"] if high else []
        said = (
            f"The {wanted:g} % band held between {min(shares):.1f} and {max(shares):.1f} % of the measured "
            f"values, depending on the target: it {'is ' * bool(found)}"
            f"{' and '.join(found) or 'can be taken at its word'}."
        )
    reasons = ["more restless, or at another level,"] if low else []
    reasons += ["calmer"] if high else []
    if not reasons:
        return said, ""
    return said, (
        f"A usual reason is a test part that was {' or '.join(reasons)} than the data by which the bands "
        f"were set. {_calibration(facts)}"
    )


def _calibration(facts: Facts) -> str:
    own = "These bands are not calibrated, they are the network's own"
    if facts.settings.get("calibrate") is False:
        return f"{own}: calibration was switched off. Turning it on is worth a try."
    if facts.calibrated is False:
        return f"{own}: the validation part is too short to correct them by."
    windows = facts.split.get("validation", {}).get("windows")
    if isinstance(windows, int) and 0 < windows < FEW_WINDOWS:
        return f"Only {windows} validation windows were there to set them by, which is few."
    return (
        "The bands are set by the validation part, which comes just before the test part; they cannot know "
        "how restless the time after it will be. Fitting again on later data brings them up to date."
    )
