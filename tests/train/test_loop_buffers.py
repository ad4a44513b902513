"""The loop keeps what layers gather beside their weights: with the best, over a break, and on undoing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatework.train.checkpoint import Checkpoint
from gatework.train.config import TrainConfig
from gatework.train.loop import Trainer, TrainResult
from gatework.train.progress import Quiet

ROWS, BATCH = 40, 8
STEPS = ROWS // BATCH
SETTINGS: dict[str, Any] = {
    "max_epochs": 5,
    "patience": 9,
    "learning_rate": 0.05,
    "warmup_epochs": 3,
    "ema": 0.9,
}


class Silent(Quiet):
    def message(self, text: str) -> None:
        """Undone steps are meant here."""


class Normalised:
    """Least squares of a line behind a batch normalisation; a hook bends the loss."""

    def __init__(
        self,
        scores: list[float] | None = None,
        bend: Callable[[int, Tensor], Tensor] = lambda n, loss: loss,
    ) -> None:
        generator = torch.Generator().manual_seed(7)
        self.x = 5 + 3 * torch.randn(ROWS, 3, generator=generator)
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]])
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.1), nn.Linear(3, 1))
        self.scores, self.bend = scores, bend
        self.validations = self.asked = 0
        self.judged: list[list[Tensor]] = []

    def steps_per_epoch(self) -> int:
        return STEPS

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        yield from torch.randperm(ROWS, generator=generator).split(BATCH)

    def loss(self, batch: Tensor) -> Tensor:
        self.asked += 1
        return self.bend(self.asked, (self.network(self.x[batch]) - self.y[batch]).square().mean())

    def validate(self) -> float:
        self.validations += 1
        self.judged.append(state(self.network))
        if self.scores is not None:
            return self.scores[self.validations - 1]
        return float((self.network(self.x) - self.y).square().mean())


def state(network: nn.Module) -> list[Tensor]:
    """Weights and statistics; not the count of batches, which nothing depends on."""
    return [v.clone() for v in network.state_dict().values() if v.is_floating_point()]


MEAN = 2  # of these the running mean


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def train(
    objective: Normalised,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    **settings: Any,
) -> TrainResult:
    config = TrainConfig(**(SETTINGS | settings))
    return Trainer(objective, config, Silent(), checkpoint).run(resume=resume)


def scores_of(result: TrainResult) -> list[tuple[float, float, float]]:
    return [(r.train_loss, r.validation, r.learning_rate) for r in result.history]


@pytest.mark.parametrize("best", [1, 2, 5])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_best_weights_come_with_their_own_statistics(best: int, ema: float) -> None:
    scores = [3.0] * 5
    scores[best - 1] = 1.0
    objective = Normalised(scores)
    result = train(objective, ema=ema)
    assert result.best_epoch == best
    assert equal(state(objective.network), objective.judged[best - 1])
    means = [judged[MEAN] for judged in objective.judged]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(means))  # they went on


def test_the_kept_network_scores_what_was_told() -> None:
    objective = Normalised()
    result = train(objective)
    with torch.no_grad():
        score = float((objective.network(objective.x) - objective.y).square().mean())
    assert score == result.best_score


@pytest.mark.parametrize("passes", [1, 3, 4])
def test_a_resumed_run_is_the_unbroken_run_to_the_bit(tmp_path: Path, passes: int) -> None:
    whole = Normalised()
    unbroken = train(whole)
    keeper = Checkpoint(tmp_path / "c", "f")
    train(Normalised(), keeper, max_epochs=passes)
    rest = Normalised()
    resumed = train(rest, keeper, resume=True)
    assert scores_of(resumed) == scores_of(unbroken)
    assert equal(state(rest.network), state(whole.network))


def test_the_best_may_lie_before_the_break(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    part = Normalised([3.0, 1.0, 2.0])
    train(part, keeper, max_epochs=3)
    rest = Normalised([4.0, 5.0])
    assert train(rest, keeper, resume=True).best_epoch == 2
    assert equal(state(rest.network), part.judged[1])


@pytest.mark.parametrize("bad", [(1,), (2,), (STEPS, STEPS + 1), (8, 9, 10)])
def test_statistics_of_an_undone_step_are_undone(bad: tuple[int, ...]) -> None:
    """The bad batches hold NaN: one that stayed would stay for ever."""

    class Damaged(Normalised):
        def loss(self, batch: Tensor) -> Tensor:
            if self.asked + 1 in bad:
                self.x[batch] *= math.nan
                loss = super().loss(batch)
                self.x = whole.x.clone()
                return loss
            return super().loss(batch)

    whole, objective = Normalised(), Damaged()
    result = train(objective)
    assert result.undone_steps == len(bad)
    assert all(torch.isfinite(t).all() for t in state(objective.network))
    assert result.history[-1].validation < result.history[0].validation


def test_undoing_goes_back_to_the_weights_and_statistics_of_before() -> None:
    objective = Normalised(bend=lambda n, loss: loss * math.nan if n == 4 else loss)
    trainer = Trainer(objective, TrainConfig(**(SETTINGS | {"max_epochs": 1})), Silent())
    gradient, undo = trainer._gradient, trainer._undo
    behind: list[list[Tensor]] = []  # statistics after each step's pass
    undone: list[list[Tensor]] = []

    def noted(batch: Any) -> tuple[float, float]:
        found = gradient(batch)
        behind.append([b.clone() for b in trainer.buffers])
        return found

    def noting(reason: str) -> None:
        undo(reason)
        undone.append([b.clone() for b in trainer.buffers])

    trainer._gradient, trainer._undo = noted, noting  # type: ignore[method-assign]
    trainer.run()
    assert len(undone) == 1
    assert equal(undone[0], behind[2])  # as the third pass left them
    assert not equal(undone[0], behind[3])


def test_a_resumed_run_knows_the_statistics_to_undo_to(tmp_path: Path) -> None:
    first = 2 * STEPS + 1

    def bend(shift: int) -> Callable[[int, Tensor], Tensor]:
        return lambda n, loss: loss * math.nan if n + shift == first else loss

    whole = Normalised(bend=bend(0))
    unbroken = train(whole)
    keeper = Checkpoint(tmp_path / "c", "f")
    train(Normalised(bend=bend(0)), keeper, max_epochs=2)
    rest = Normalised(bend=bend(2 * STEPS))
    resumed = train(rest, keeper, resume=True)
    assert resumed.undone_steps == unbroken.undone_steps == 1
    assert scores_of(resumed) == scores_of(unbroken)
    assert equal(state(rest.network), state(whole.network))


def test_whole_numbers_among_the_buffers_are_left_alone(tmp_path: Path) -> None:
    """A count of batches goes on; it is no statistic that answers depend on."""
    objective = Normalised([1.0, 2.0, 3.0, 4.0, 5.0])
    train(objective, Checkpoint(tmp_path / "c", "f"))
    norm: Any = objective.network[0]
    assert int(norm.num_batches_tracked) == 5 * STEPS
