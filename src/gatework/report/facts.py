"""The content of a forecaster's ``metrics.json``, read with mistrust.

Every key may be missing, None or of another kind: a report must be made of an interrupted run, of an
older version's folder, of a file that was edited by hand.  What cannot be used is None or left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

SCORES = ("MAE", "RMSE", "MASE", "sMAPE", "WQL")
MODEL = "model"


def mapping(value: object) -> dict[str, Any]:
    """``value`` where it is a mapping, else an empty one; keys are text."""
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    """``value`` where it is a list, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def real(value: object) -> float | None:
    """``value`` where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) else None


def whole(value: object) -> int | None:
    """``value`` as a whole number, else None."""
    found = real(value)
    return None if found is None else int(found)


def reals(value: object) -> list[float | None]:
    """A list of numbers; what is none becomes None."""
    return [real(v) for v in items(value)]


def texts(value: object) -> list[str]:
    """A list of texts; None is left out."""
    return [str(v) for v in items(value) if v is not None]


def text(value: object) -> str | None:
    """``value`` as text; None for None, for an empty text and for a container."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return None
    return str(value) or None


class Trained(Protocol):
    """What the section of the training reads, whatever the task."""

    settings: dict[str, Any]
    training: dict[str, Any]
    history: list[dict[str, Any]]


@dataclass
class Scores:
    """Scores of one forecast: over everything, by target, and by target and horizon step."""

    overall: dict[str, float | None] = field(default_factory=dict)
    targets: dict[str, dict[str, float | None]] = field(default_factory=dict)
    horizon: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)

    @classmethod
    def read(cls, value: object) -> Scores:
        """From ``evaluation.model`` or one of ``evaluation.baselines``."""
        found = mapping(value)
        return cls(
            {k: real(v) for k, v in mapping(found.get("overall")).items()},
            {
                t: {k: real(v) for k, v in mapping(s).items()}
                for t, s in mapping(found.get("targets")).items()
            },
            {
                t: {k: reals(v) for k, v in mapping(s).items()}
                for t, s in mapping(found.get("horizon")).items()
            },
        )


@dataclass
class Example:
    """One forecast over the truth; the lists of one part have one length."""

    series: str | None
    target: str
    context_times: list[str]
    context: list[float | None]
    times: list[str]
    truth: list[float | None]
    mean: list[float | None]
    quantiles: dict[float, list[float | None]]  # in rising order of level

    @classmethod
    def read(cls, value: object) -> Example | None:
        """From one of ``examples``; None where there is nothing to draw."""
        found = mapping(value)
        times, mean = texts(found.get("times")), reals(found.get("mean"))
        steps = min(len(times), len(mean))
        if not steps:
            return None
        context_times, context = texts(found.get("context_times")), reals(found.get("context"))
        shown = min(len(context_times), len(context))
        truth = reals(found.get("truth"))[:steps]
        quantiles: dict[float, list[float | None]] = {}
        for name, values in mapping(found.get("quantiles")).items():
            try:
                level = float(name)
            except ValueError:
                continue
            numbers = reals(values)[:steps]
            if 0 < level < 1 and len(numbers) == steps:
                quantiles[level] = numbers
        return cls(
            text(found.get("series")),
            text(found.get("target")) or "",
            context_times[len(context_times) - shown :],
            context[len(context) - shown :],
            times[:steps],
            truth + [None] * (steps - len(truth)),
            mean[:steps],
            dict(sorted(quantiles.items())),
        )

    def bands(self) -> dict[float, tuple[list[float | None], list[float | None]]]:
        """Percent covered → lower and upper quantile, widest first."""
        levels = list(self.quantiles)
        found = {}
        for low in levels:
            high = next((v for v in levels if abs(low + v - 1) < 1e-9 and v > low), None)
            if high is not None:
                found[round(100 * (high - low), 6)] = (self.quantiles[low], self.quantiles[high])
        return found


@dataclass
class Facts:
    """What the report tells, cleaned."""

    title: str | None
    source: str | None
    version: str | None
    settings: dict[str, Any]
    context: int | None  # steps looked back
    calibrated: bool | None
    verdict: str | None
    windows: int
    season: int | None
    targets: list[str]
    model: Scores
    baselines: dict[str, Scores]
    intervals: list[float]  # percents, widest first
    examples: list[Example]
    profile: dict[str, Any]
    notes: list[str]
    split: dict[str, dict[str, Any]]
    training: dict[str, Any]
    history: list[dict[str, Any]]
    cost: dict[str, Any]

    @classmethod
    def read(cls, metrics: object) -> Facts:
        """From the content of ``metrics.json``."""
        found = mapping(metrics)
        evaluation = mapping(found.get("evaluation"))
        model = Scores.read(evaluation.get("model"))
        baselines = {k: Scores.read(v) for k, v in mapping(evaluation.get("baselines")).items()}
        examples = [e for e in map(Example.read, items(found.get("examples"))) if e is not None]
        named = texts(found.get("targets")) or list(model.targets)
        targets = list(dict.fromkeys(named or [e.target for e in examples]))
        training = mapping(found.get("training"))
        season = whole(found.get("season"))
        # absent: not told; None: off; else its kind
        calibrated = found["calibration"] is not None if "calibration" in found else None
        return cls(
            title=text(found.get("title")),
            source=text(found.get("source")),
            version=text(found.get("gatework_version")),
            settings=mapping(found.get("settings")),
            context=whole(found.get("context")),
            calibrated=calibrated,
            verdict=text(evaluation.get("verdict")),
            windows=whole(evaluation.get("windows")) or 0,
            season=season if season is not None else whole(evaluation.get("season")),
            targets=targets,
            model=model,
            baselines=baselines,
            intervals=_intervals(model),
            examples=examples,
            profile=mapping(found.get("profile")),
            notes=texts(found.get("notes")),
            split={k: mapping(v) for k, v in mapping(found.get("split")).items()},
            training=training,
            history=[mapping(r) for r in items(training.get("history")) if mapping(r)],
            cost=mapping(found.get("cost")),
        )

    @property
    def forecasts(self) -> dict[str, Scores]:
        """The model first, then the baselines."""
        return {MODEL: self.model, **self.baselines}

    @property
    def judged(self) -> bool:
        """Whether there is a score of the model at all."""
        return self.windows > 0 and any(
            s.get("MAE") is not None for s in self.model.targets.values()
        )

    @property
    def horizon(self) -> int | None:
        """Steps foretold at once."""
        lengths = [len(s.get("MAE", [])) for s in self.model.horizon.values()]
        lengths += [len(e.times) for e in self.examples]
        return max(lengths, default=0) or whole(self.settings.get("horizon"))

    @property
    def frequency(self) -> str | None:
        """Words for one step."""
        return text(self.profile.get("frequency"))

    def by_step(self, target: str, score: str = "MAE") -> dict[str, list[float | None]]:
        """Forecast name → its errors on a target by horizon step; those that have any."""
        found = {n: s.horizon.get(target, {}).get(score, []) for n, s in self.forecasts.items()}
        return {n: v for n, v in found.items() if any(e is not None for e in v)}

    def skill(self, target: str, baseline: str, score: str = "MAE") -> float | None:
        """``1 - model / baseline``: 0 as good, above 0 better."""
        own = self.model.targets.get(target, {}).get(score)
        other = self.baselines[baseline].targets.get(target, {}).get(score)
        return 1 - own / other if own is not None and other else None

    def hardest(self, target: str) -> str | None:
        """The baseline with the smallest error on a target."""
        errors = {
            name: error
            for name, scores in self.baselines.items()
            if (error := scores.targets.get(target, {}).get("MAE")) is not None
        }
        return min(errors, key=lambda name: errors[name]) if errors else None


def _intervals(model: Scores) -> list[float]:
    found = set()
    for scores in (model.overall, *model.targets.values()):
        for key in scores:
            if key.startswith("coverage_"):
                try:
                    found.add(float(key.removeprefix("coverage_")))
                except ValueError:
                    continue
    return sorted((p for p in found if 0 < p < 100), reverse=True)
