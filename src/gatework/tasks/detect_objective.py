"""What the training loop minimises for a detector: how badly rows were foretold or rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.data.observations import BoolArray, IntArray
from gatework.nn.detect import DetectNetwork, RowBatch, Told
from gatework.tasks.detect_config import DetectConfig
from gatework.tasks.detect_data import DetectData

MIN_EPOCH_STEPS, MAX_EPOCH_STEPS = 50, 1000
VALIDATION_ROWS = 50_000
LONGEST = 512  # events of a session that one piece holds
FARTHEST = 10.0  # standard deviations; targets beyond pull no further
DIVERGENCE = 1e-3  # weight of the latent vectors' divergence


def runs(marked: BoolArray, offsets: IntArray) -> tuple[IntArray, IntArray]:
    """First rows and lengths of the stretches of marked rows, none across a series' end.

    >>> runs(np.array([True, True, False, True, True]), np.array([0, 4, 5]))
    (array([0, 3, 4]), array([2, 1, 1]))
    """
    starts = np.zeros(len(marked) + 1, bool)
    starts[offsets[:-1][np.diff(offsets) > 0]] = True
    before = np.concatenate([[False], marked[:-1]])
    begins = marked & (~before | starts[:-1])
    first = np.flatnonzero(begins)
    after = np.concatenate([marked[1:], [False]])
    ends = np.flatnonzero(marked & (~after | starts[1:]))
    return first, ends - first + 1


class DetectObjective:
    """Pinball loss of the numbers and cross-entropy of the categories, mean over what was measured."""

    def __init__(self, network: DetectNetwork, data: DetectData, config: DetectConfig) -> None:
        self.network: nn.Module = network
        self.own, self.data, self.config = network, data, config
        self._levels = torch.tensor(config.levels)
        spec = network.spec
        self._classes = [float(np.log(n + 1)) for n in spec.cardinalities]
        self._columns = max(spec.channels + len(spec.cardinalities), 1)
        self._starts, self._lengths = runs(data.marked(0), data.found.offsets)
        self._cumulated = np.cumsum(self._lengths)
        self._rows = int(self._lengths.sum())
        self.window = min(data.window, LONGEST) if spec.forecasts else data.window
        if data.per_session:
            self.window = LONGEST
        if not data.per_session and spec.forecasts:  # a short history is cut into a few pieces
            self.window = int(np.clip(self._rows // 8, min(32, self.window), self.window))
        typical = int(np.clip(np.median(self._lengths), 1, self.window))
        self._batch = config.batch_size or self._pieces(typical)
        steps = -(-self._rows // (self._batch * typical))
        self._steps = int(np.clip(steps, MIN_EPOCH_STEPS, MAX_EPOCH_STEPS))
        self._validation = self._validation_pieces()

    def _pieces(self, typical: int) -> int:
        """Pieces in a batch: a 32nd of the rows, as a power of two, within bounds by the kind."""
        if self.data.per_session:
            return 64
        least, most = (4, 16) if self.own.spec.forecasts else (16, 64)
        if self.window == 1:
            least, most = 32, 256
        wished = self._rows / (32 * max(typical, 1))
        return int(np.clip(2 ** int(np.log2(max(wished, 1))), least, most))

    def steps_per_epoch(self) -> int:
        """Number of batches of one epoch."""
        return self._steps

    def batches(self, generator: torch.Generator) -> Iterator[RowBatch]:
        """Pieces of the training part, drawn anew."""
        for _ in range(self._steps):
            u = torch.rand(2, self._batch, generator=generator, dtype=torch.float64).numpy()
            yield self.data.batch(*self._drawn(u))

    def _drawn(self, u: np.ndarray) -> tuple[IntArray, IntArray]:
        """Starts and lengths of pieces: a stretch by its rows, then a place in it."""
        which = np.searchsorted(self._cumulated, u[0] * self._rows, side="right")
        which = np.minimum(which, len(self._lengths) - 1)
        length = np.minimum(self._lengths[which], self.window)
        if self.data.per_session:
            return self._starts[which], length
        free = self._lengths[which] - length
        return self._starts[which] + np.floor(u[1] * (free + 1)).astype(np.int64), length

    def _validation_pieces(self) -> list[tuple[IntArray, IntArray]]:
        """Successive pieces of the validation part, of training rows where there is none."""
        marked = self.data.marked(1)
        if not marked.any():
            marked = self.data.marked(0)
        first, lengths = runs(marked, self.data.found.offsets)
        starts, sizes = [], []
        for a, n in zip(first.tolist(), lengths.tolist(), strict=True):
            pieces = [a] if self.data.per_session else range(a, a + n, self.window)
            for s in pieces:
                starts.append(s)
                sizes.append(min(self.window, a + n - s))
        found = np.array(starts, np.int64), np.array(sizes, np.int64)
        most = max(VALIDATION_ROWS // max(int(np.median(found[1])), 1), 1)
        if len(starts) > most:
            kept = np.linspace(0, len(starts) - 1, most).round().astype(np.int64)
            found = found[0][kept], found[1][kept]
        order = np.argsort(found[1], kind="stable")
        chunks = np.array_split(order, max(-(-int(found[1].sum()) // 2**15), 1))
        return [(found[0][c], found[1][c]) for c in chunks if len(c)]

    def loss(self, batch: Any) -> Tensor:
        """Mean over the rows, those with the largest loss left out."""
        told = self.own(batch)
        losses = self._losses(told, batch)
        if self.config.trim:
            most = torch.quantile(losses.detach(), 1 - self.config.trim)
            losses = losses[losses <= most]
        loss: Tensor = losses.mean() + DIVERGENCE * told.divergence
        return loss

    def _losses(self, told: Told, batch: RowBatch) -> Tensor:
        """Losses of the rows within their pieces, in one line."""
        inside = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
        total = torch.zeros(inside.shape)
        if told.quantiles.shape[2]:
            y = batch.values.clamp(-FARTHEST, FARTHEST)
            measured = ~torch.isnan(y)
            distance = y.nan_to_num().unsqueeze(-1) - told.quantiles
            pinball = torch.maximum(self._levels * distance, (self._levels - 1) * distance)
            total = total + 2 * (pinball.mean(-1) * measured).sum(-1)
        for d, logits in enumerate(told.logits):
            cross = F.cross_entropy(
                logits.flatten(0, 1), batch.tokens[..., d].flatten(), reduction="none"
            )
            total = total + cross.view(total.shape) / self._classes[d]
        losses: Tensor = (total / self._columns)[inside]
        return losses

    def validate(self) -> float:
        """The loss over the validation pieces, single rows bounded."""
        total, rows = 0.0, 0
        for starts, lengths in self._validation:
            batch = self.data.batch(starts, lengths)
            losses = self._losses(self.own(batch), batch)
            total += float(losses.clamp(max=FARTHEST).sum())
            rows += len(losses)
        return total / max(rows, 1)


@torch.no_grad()
def row_losses(
    network: DetectNetwork, data: DetectData, config: DetectConfig, part: int
) -> npt.NDArray[np.float64]:
    """``(W,)`` losses of the rows of a part, each stretch from its beginning."""
    network.eval()
    objective = DetectObjective(network, data, config)
    first, lengths = runs(data.marked(part), data.found.offsets)
    found = []
    for a, n in zip(first.tolist(), lengths.tolist(), strict=True):
        for s in range(a, a + n, objective.window):
            size = np.array([min(objective.window, a + n - s)])
            batch = data.batch(np.array([s]), size)
            found.append(objective._losses(network(batch), batch).numpy())
    return np.concatenate(found).astype(np.float64) if found else np.empty(0)
