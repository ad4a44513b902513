"""Steps of numbers and categories as a network takes them: scaled, holes and gaps told, words numbered."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from gatework.data.augment_series import augment_series
from gatework.data.encoders.base import Encoded, Encoder, EncoderStream, SequenceBatch
from gatework.data.sequences import SequenceSet, Series
from gatework.data.vocabulary import MISSING, Vocabulary, as_text

Array = npt.NDArray[np.float64]
MAX_WORDS = 20_000  # of a categorical channel; rarer ones are unknown
STEEP = 8.0  # of standardised values: what lies beyond 8 deviations is drawn in, as a logarithm


class SeriesEncoder(Encoder):
    """Scaled numbers, a mask where values may be missing, log time gaps where steps are uneven, categories.

    A step is ``[(x - mean) / deviation, 0 where missing] [1 where seen] [log(1 + gap / median gap)]``.  Values
    of a channel that is spread over magnitudes are taken as sign(x) log(1 + |x|) first.
    """

    kind = "series"

    def __init__(
        self,
        features: tuple[str, ...],
        categorical: tuple[str, ...],
        mean: Array,
        deviation: Array,
        logs: npt.NDArray[np.bool_],
        vocabularies: tuple[Vocabulary, ...],
        holes: bool,
        gap: float | None,
    ) -> None:
        self.features, self.categorical = features, categorical
        self.mean, self.deviation, self.logs = mean, deviation, logs
        self.vocabularies, self.holes, self.gap = vocabularies, holes, gap
        F = len(features)
        self.size = F * (2 if holes else 1) + (gap is not None)
        self.cardinalities = tuple(len(v) for v in vocabularies)

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        items: list[Series] = list(sequences.items)
        values = np.concatenate([s.values for s in items])
        holes = bool(np.isnan(values).any())
        seen = np.isfinite(values)  # what is infinite encode() refuses by name
        values = np.where(seen, values, 0.0)
        logs = _skewed(values)
        values = np.where(logs, _log(values), values)
        mean, deviation = _scales(values, seen)
        vocabularies = []
        for c in range(len(sequences.categorical)):
            counts: Counter[str | None] = Counter()
            for s in items:
                counts.update(() if s.categories is None else s.categories[:, c].tolist())
            counts.pop(None, None)
            least = 2 if len(counts) > 50 else 1
            common = sorted((-n, str(w)) for w, n in counts.items() if n >= least)
            vocabularies.append(Vocabulary.fit(w for _, w in common[:MAX_WORDS]))
        gap = _typical_gap(items)
        return cls(
            sequences.features,
            sequences.categorical,
            mean,
            deviation,
            logs,
            tuple(vocabularies),
            holes,
            gap,
        )

    def encode(self, item: Series) -> Encoded:
        if item.values.shape[1] != len(self.features):
            raise ValueError(
                f"has {item.values.shape[1]} numeric channels, the model was trained on {len(self.features)} "
                f"({', '.join(self.features[:6])}{' …' if len(self.features) > 6 else ''})."
            )
        if not len(item):
            raise ValueError("is a sequence of length 0. Leave it out.")
        gaps = None
        if self.gap is not None:
            if item.times is None:
                raise ValueError("has no times, and the model was trained with them.")
            gaps = np.diff(item.times, prepend=item.times[:1])
        tokens = np.zeros((len(item), len(self.vocabularies)), np.int32)
        if self.vocabularies:
            if item.categories is None or item.categories.shape[1] != len(self.vocabularies):
                raise ValueError(
                    f"lacks categorical channels of the training: {', '.join(self.categorical)}."
                )
            for c, vocabulary in enumerate(self.vocabularies):
                tokens[:, c] = vocabulary.encode(item.categories[:, c])
        return Encoded(self._numbers(item.values, gaps), tokens)

    def _numbers(self, values: Array, gaps: Array | None) -> npt.NDArray[np.float32]:
        """``(T, size)`` of raw values ``(T, F)`` and times since the step before."""
        if np.isinf(values).any():
            t, f = np.argwhere(np.isinf(values))[0]
            raise ValueError(f"step {t + 1}, channel {self.features[f]!r}: the value is infinite.")
        missing = np.isnan(values)
        if self.logs.any():
            values = np.where(self.logs, _log(values), values)
        scaled = (values - self.mean) / self.deviation
        far = np.abs(scaled) > STEEP
        if far.any():
            scaled[far] = np.sign(scaled[far]) * (STEEP + np.log1p(np.abs(scaled[far]) - STEEP))
        if missing.any():
            scaled[missing] = 0.0
        parts = [scaled]
        if self.holes:
            parts.append((~missing).astype(float))
        if gaps is not None:
            parts.append(np.log1p(np.maximum(gaps, 0) / self.gap)[:, None])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        return augment_series(batch, generator, strength, channels=len(self.features))

    def stream(self) -> EncoderStream:
        return _SeriesStream(self)

    def row(self, observation: Any) -> tuple[Array, list[int], float | None]:
        """Values ``(F,)``, token numbers and time of one observation: a mapping, or F numbers in order."""
        if isinstance(observation, dict):
            lacking = [n for n in (*self.features, *self.categorical) if n not in observation]
            if lacking:
                raise ValueError(f"the observation lacks {lacking[0]!r}")
            numbers: Any = [observation[n] for n in self.features]
            words = [as_text(observation[n]) for n in self.categorical]
            time = observation.get("time")
        else:
            numbers, words, time = np.asarray(observation, object).ravel(), [], None
            if self.categorical or len(numbers) != len(self.features):
                raise ValueError(
                    f"the observation must have {len(self.features)} numbers, or be a mapping with "
                    f"{', '.join((*self.features, *self.categorical))}"
                )
        try:
            values = np.array([np.nan if v is None else float(v) for v in numbers], float)
            moment = None if time is None else float(time)
        except (TypeError, ValueError):
            raise ValueError("the observation holds something that is not a number") from None
        tokens = [
            v.number(w) if w is not None else MISSING
            for v, w in zip(self.vocabularies, words, strict=True)
        ]
        return values, tokens, moment

    def describe(self) -> str:
        parts = [f"{len(self.features)} number{'s' * (len(self.features) != 1)}"]
        if self.categorical:
            parts.append(f"{len(self.categorical)} categories")
        if self.holes:
            parts.append("which values are missing")
        if self.gap is not None:
            parts.append("the time since the step before")
        return f"a step is {', '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "categorical": list(self.categorical),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "logs": self.logs.tolist(),
            "vocabularies": [list(v.words) for v in self.vocabularies],
            "holes": self.holes,
            "gap": self.gap,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        F = len(kept["features"])
        mean, deviation = np.array(kept["mean"], float), np.array(kept["deviation"], float)
        logs = np.array(kept["logs"], bool)
        if mean.shape != (F,) or deviation.shape != (F,) or logs.shape != (F,):
            raise ValueError("scales and channels differ in number")
        if not (np.isfinite([mean, deviation]).all() and (deviation > 0).all()):
            raise ValueError("scales are not finite and positive")
        vocabularies = tuple(Vocabulary(tuple(map(str, words))) for words in kept["vocabularies"])
        if len(vocabularies) != len(kept["categorical"]):
            raise ValueError("vocabularies and categorical channels differ in number")
        gap = None if kept["gap"] is None else float(kept["gap"])
        if gap is not None and not 0 < gap < np.inf:
            raise ValueError("the time between steps is not finite and positive")
        return cls(
            tuple(kept["features"]),
            tuple(kept["categorical"]),
            mean,
            deviation,
            logs,
            vocabularies,
            bool(kept["holes"]),
            gap,
        )


class _SeriesStream(EncoderStream):
    def __init__(self, encoder: SeriesEncoder) -> None:
        self._encoder = encoder
        self._last: float | None = None

    def push(self, observation: Any) -> Encoded:
        encoder = self._encoder
        values, tokens, time = encoder.row(observation)
        gaps = None
        if encoder.gap is not None:
            if time is None:
                raise ValueError("the observation lacks 'time', which the model was trained with")
            gaps = np.array([0.0 if self._last is None else time - self._last])
            self._last = time
        return Encoded(
            encoder._numbers(values[None], gaps), np.array([tokens], np.int32).reshape(1, -1)
        )


def _scales(values: Array, seen: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel's seen values; 1 where they do not vary."""
    count = np.maximum(seen.sum(0), 1)
    # In a unit that is a power of two, which rounds nothing: squares neither overflow nor vanish.
    unit = 2.0 ** np.floor(np.log2(np.maximum(np.abs(values).max(0, initial=0.0), 1e-290)))
    mean = (values / unit).sum(0) / count
    deviation = np.sqrt((np.where(seen, values / unit - mean, 0) ** 2).sum(0) / count) * unit
    mean = mean * unit
    low, high = np.where(seen, values, np.inf).min(0), np.where(seen, values, -np.inf).max(0)
    # Of many equal values the mean is not exactly theirs.
    varies = (low < high) & (deviation > 1e-12 * np.maximum(np.abs(mean), 1e-290))
    return mean, np.where(varies, deviation, 1.0)


def _skewed(values: Array) -> npt.NDArray[np.bool_]:
    """Channels spread over magnitudes: the largest value far beyond what a quarter exceeds."""
    if len(values) < 100:
        return np.zeros(values.shape[1], bool)
    size = np.abs(values)
    typical = np.quantile(size[:: max(1, len(size) // 100_000)], 0.75, axis=0)
    found: npt.NDArray[np.bool_] = size.max(0) / 100 > np.maximum(typical, 1.0)
    return found


def _log(values: Array) -> Array:
    logs: Array = np.sign(values) * np.log1p(np.abs(values))
    return logs


def _typical_gap(items: list[Series]) -> float | None:
    """The median time between steps where it varies; None where steps are even or have no times."""
    times = [s.times for s in items if s.times is not None]
    if len(times) < len(items):
        return None
    gaps = np.concatenate([np.diff(t) for t in times])
    if not len(gaps) or np.ptp(gaps) <= 1e-3 * max(float(np.abs(gaps).max()), 1e-300):
        return None
    positive = gaps[gaps > 0]
    return float(np.median(positive)) if len(positive) else None
