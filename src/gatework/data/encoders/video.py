"""Videos as sequences of small frames, which a convolutional network reads one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from gatework.data.augment import augment_frames
from gatework.data.encoders.base import Encoded, Encoder, EncoderStream, SequenceBatch, no_tokens
from gatework.data.sequences import SequenceSet
from gatework.data.sources.images import Pixels, resized, with_channels
from gatework.data.sources.video import Clip

MOST_FITTED = 200  # videos whose brightness is looked at


class VideoEncoder(Encoder):
    """A step is every ``step``-th frame, resized to ``frame``, standardised by the training part's brightness.

    ``step`` is found so that 19 of 20 training videos have ``max_frames`` steps at most, and is the same for
    all: a movement keeps its speed, and a stream gives the same steps.  Colours are not read.
    """

    kind = "video"
    cardinalities = ()

    def __init__(
        self, frame: tuple[int, int, int], step: int, mean: float, deviation: float
    ) -> None:
        self.frame, self.step = frame, step  # (channels, height, width) of each step's numbers
        self.mean, self.deviation = mean, deviation
        self.size = int(np.prod(frame))

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        side = int(getattr(settings, "frame_size", None) or 32)
        most = int(getattr(settings, "max_frames", None) or 64)
        n = len(sequences)
        numbers = np.unique(np.linspace(0, n - 1, min(n, MOST_FITTED)).astype(int)).tolist()
        lengths = [len(sequences.items[i]) for i in numbers]
        step = max(1, int(np.ceil(np.quantile(lengths, 0.95) / most)))
        bare = cls((1, side, side), step, 0.0, 1.0)
        count, total, squares = 0, 0.0, 0.0
        for i in numbers:
            try:
                values = bare.encode(sequences.items[i]).values.astype(float)
            except ValueError as fact:
                if type(fact) is not ValueError:
                    raise
                raise sequences.refuse(i, f"{fact}.") from None
            count, total = count + values.size, total + float(values.sum())
            squares += float((values**2).sum())
        mean = total / count
        deviation = max(float(np.sqrt(max(squares / count - mean**2, 0))), 1.0)
        return cls(bare.frame, step, mean, deviation)

    def encode(self, item: Any) -> Encoded:
        steps = [self._step(pixels) for pixels in _frames(item, self.step)]
        if not steps:
            raise ValueError("holds no frames")
        return Encoded(np.stack(steps), no_tokens(len(steps)))

    def _step(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        channels, height, width = self.frame
        grey = with_channels(pixels, channels)[..., 0]
        values = resized(grey, height, width).reshape(-1).astype(np.float32)
        return (values - np.float32(self.mean)) / np.float32(self.deviation)

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        return augment_frames(batch, generator, strength, shape=self.frame)

    def stream(self) -> EncoderStream:
        return _FrameStream(self)

    def describe(self) -> str:
        _, height, width = self.frame
        each = "each frame" if self.step == 1 else f"one of {self.step} frames"
        return f"a step is {each}, grey, of {height} x {width} pixels"

    def to_json(self) -> dict[str, Any]:
        return {
            "frame": list(self.frame),
            "step": self.step,
            "mean": self.mean,
            "deviation": self.deviation,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        channels, height, width = (int(n) for n in kept["frame"])
        step, mean, deviation = int(kept["step"]), float(kept["mean"]), float(kept["deviation"])
        if not (channels == 1 and 0 < height <= 1024 and 0 < width <= 1024 and step >= 1):
            raise ValueError("the shape of the frames or their step is impossible")
        if not (np.isfinite(mean) and np.isfinite(deviation) and deviation > 0):
            raise ValueError("scales are not finite and positive")
        return cls((channels, height, width), step, mean, deviation)


class _FrameStream(EncoderStream):
    """Frames as a camera gives them: (height, width) or (height, width, 3) of uint8."""

    def __init__(self, encoder: VideoEncoder) -> None:
        self._encoder = encoder
        self._seen = 0

    def push(self, observation: Any) -> Encoded:
        encoder = self._encoder
        due = self._seen % encoder.step == 0
        values = encoder._step(np.asarray(observation))[None]
        self._seen += 1
        if not due:
            values = values[:0]
        return Encoded(values, no_tokens(len(values)))


def _frames(item: Any, step: int) -> Iterator[Pixels]:
    """Every ``step``-th frame of a clip or an array.

    Raises ValueError, the bare fact, for an array that is no video.
    """
    if isinstance(item, Clip):
        yield from item.frames(step)
        return
    array = np.asarray(item)
    if array.ndim not in (3, 4):
        raise ValueError(
            f"has the shape {array.shape}: a video is (frames, height, width) or (frames, height, width, 3)"
        )
    yield from array[::step]
