"""A running answer about one sequence: pushed piece by piece, in constant memory, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError, DataError, InputError
from gatework.runtime.sequence import SequenceRuntime

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class StreamAnswer:
    """What is known after a step: a label with its confidence, or a number with its quantiles."""

    step: int  # from 0
    label: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    mean: float | None = None
    quantiles: dict[float, float] | None = None


class LabelledStream:
    """Push observations, get the answer so far; made by a causal model's ``stream()``.

    An observation is a row of a series (a mapping, or its numbers), a text or word, samples of a sound, a row
    of an image, a frame of a video.  It gives what ``predict`` gives of the same steps, up to rounding.
    """

    def __init__(self, model: Any) -> None:
        self._classes: tuple[str, ...] = model.classes_
        self._temperature, self._name = model.temperature_, type(model).__name__
        self._offsets: Any = np.array(model.offsets_) if model.offsets_ else 0.0
        self._location, self._scale = model.location_, model.scale_
        spec = model.network_.spec
        self._levels = spec.levels
        if spec.levels:
            from gatework.runtime.quantiles import expectation_weights

            self._mean = expectation_weights(spec.levels)
        self._encoder = model.encoder_
        arrays = {k: v.detach().numpy() for k, v in model.network_.state_dict().items()}
        try:
            self._frames = self._encoder.stream()
            self._stream = SequenceRuntime(spec, arrays).stream()
        except InputError as error:
            fact = str(error).removeprefix("SequenceRuntime: ")
            raise ConfigError(f"{self._name}.stream: {fact}.") from None
        except ValueError as fact:
            raise ConfigError(f"{self._name}.stream: {fact}.") from None
        self._step = 0

    def reset(self) -> None:
        """Begin a new sequence."""
        self._frames, self._step = self._encoder.stream(), 0
        self._stream.reset()

    def push(self, observation: Any) -> StreamAnswer | None:
        """The answer after one more observation; None while no step is complete.

        Raises:
            DataError: an observation that does not fit the training data.
        """
        try:
            steps = self._frames.push(observation)
        except ValueError as fact:
            raise DataError(f"{self._name}.stream, step {self._step}: {fact}.") from None
        outputs = None
        for values, tokens in zip(steps.values, steps.tokens, strict=True):
            outputs = self.advance(values, tokens)
        return None if outputs is None else self._answer(outputs)

    def advance(self, values: Array, tokens: Array) -> Array:
        """The network's outputs ``(K,)`` after one more encoded step."""
        self._step += 1
        return self._stream.push(values, tokens)

    def _answer(self, outputs: Array) -> StreamAnswer:
        step = self._step - 1
        if self._levels:
            q = outputs.astype(float) * self._scale + self._location
            quantiles = dict(zip(self._levels, q.tolist(), strict=True))
            return StreamAnswer(step, None, None, None, float(q @ self._mean), quantiles)
        p = outputs.astype(float) / self._temperature + self._offsets
        p = np.exp(p - p.max())
        p /= p.sum()
        k = int(p.argmax())
        shown = dict(zip(self._classes, p.tolist(), strict=True))
        return StreamAnswer(step, self._classes[k], float(p[k]), shown)
