"""Pictures as sequences of their rows or columns."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch

from gatework.data.augment import augment_pictures
from gatework.data.encoders.base import Encoded, Encoder, EncoderStream, SequenceBatch, no_tokens
from gatework.data.sequences import SequenceSet
from gatework.data.sources.images import Pixels, resized, with_channels

MOST_FITTED = 5_000  # pictures whose brightness is looked at
MAX_SIDE = 512
DISTORTED = 1.5  # how far the sides of a picture may be from the trained ones


class ImagesEncoder(Encoder):
    """A step is a row of pixels, or a column, standardised by the training part's brightness.

    Pictures of another size are resized to the one that is in the middle of the training part's; they are
    grey where all of these were.
    """

    kind = "images"

    def __init__(
        self, height: int, width: int, channels: int, read_by: str, mean: float, deviation: float
    ) -> None:
        self.height, self.width, self.channels, self.read_by = height, width, channels, read_by
        self.mean, self.deviation = mean, deviation
        self.size = (width if read_by == "rows" else height) * channels
        self.cardinalities = ()

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        n = len(sequences)
        numbers = np.unique(np.linspace(0, n - 1, min(n, MOST_FITTED)).astype(int)).tolist()
        sizes, count, total, squares, channels = [], 0, 0.0, 0.0, 1
        for i in numbers:
            item = np.asarray(sequences.items[i])
            try:
                pixels = with_channels(item, 3 if item.ndim == 3 and item.shape[-1] == 3 else 1)
            except ValueError as fact:
                raise sequences.refuse(i, f"{fact}.") from None
            sizes.append(pixels.shape[:2])
            channels = max(channels, pixels.shape[-1])
            values = pixels.astype(np.float64)
            count, total = count + values.size, total + float(values.sum())
            squares += float((values**2).sum())
        height, width = np.median(np.array(sizes), axis=0).round().astype(int).tolist()
        scale = min(1.0, MAX_SIDE / max(height, width))
        mean = total / count
        deviation = max(float(np.sqrt(max(squares / count - mean**2, 0))), 1.0)
        return cls(
            max(round(height * scale), 1),
            max(round(width * scale), 1),
            channels,
            str(getattr(settings, "read_by", "rows")),
            mean,
            deviation,
        )

    def encode(self, item: Any) -> Encoded:
        pixels = with_channels(np.asarray(item), self.channels)
        ratio = pixels.shape[1] / pixels.shape[0] * self.height / self.width
        if not 1 / DISTORTED <= ratio <= DISTORTED:
            raise ValueError(
                f"is {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width), and the model reads "
                f"{self.height} x {self.width}: it would be distorted. Cut it to that shape"
            )
        if self.channels == 1:
            pixels = resized(pixels[..., 0], self.height, self.width)[..., None]
        else:
            pixels = resized(pixels, self.height, self.width)
        return self._lines(pixels if self.read_by == "rows" else pixels.swapaxes(0, 1))

    def _lines(self, pixels: Pixels) -> Encoded:
        values = (pixels.reshape(len(pixels), -1).astype(np.float32) - np.float32(self.mean)) / (
            np.float32(self.deviation)
        )
        return Encoded(values, no_tokens(len(values)))

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        return augment_pictures(
            batch,
            generator,
            strength,
            shape=(self.channels, self.height, self.width),
            by_columns=self.read_by == "columns",
        )

    def stream(self) -> EncoderStream:
        return _LineStream(self)

    def describe(self) -> str:
        line = "row" if self.read_by == "rows" else "column"
        colours = "grey" if self.channels == 1 else "coloured"
        return f"a step is a {line} of a {colours} picture of {self.height} x {self.width} pixels"

    def to_json(self) -> dict[str, Any]:
        return {
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "read_by": self.read_by,
            "mean": self.mean,
            "deviation": self.deviation,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        height, width, channels = int(kept["height"]), int(kept["width"]), int(kept["channels"])
        mean, deviation = float(kept["mean"]), float(kept["deviation"])
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and channels in (1, 3)):
            raise ValueError("the shape of the pictures is impossible")
        if not (np.isfinite(mean) and np.isfinite(deviation) and deviation > 0):
            raise ValueError("scales are not finite and positive")
        if kept["read_by"] not in ("rows", "columns"):
            raise ValueError("the way of reading is unknown")
        return cls(height, width, channels, kept["read_by"], mean, deviation)


class _LineStream(EncoderStream):
    """Rows or columns as a scanner gives them: (n,) of grey pixels, or (n, 3)."""

    def __init__(self, encoder: ImagesEncoder) -> None:
        self._encoder = encoder

    def push(self, observation: Any) -> Encoded:
        encoder = self._encoder
        n = encoder.width if encoder.read_by == "rows" else encoder.height
        line = np.asarray(observation)
        if line.ndim == 0 or len(line) != n:
            raise ValueError(
                f"has the shape {line.shape}: a {encoder.read_by[:-1]} of the trained pictures has {n} pixels"
            )
        if line.ndim not in (1, 2):
            raise ValueError(f"has the shape {line.shape}: pass (n,) or (n, 3)")
        return encoder._lines(with_channels(line[None], encoder.channels)[..., :])
