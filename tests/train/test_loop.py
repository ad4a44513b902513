"""The training loop on a linear model: seeds, the best weights, stopping, resuming, divergence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatework.errors import DivergenceError, ModelFileError
from gatework.train.checkpoint import Checkpoint
from gatework.train.config import TrainConfig
from gatework.train.loop import MAX_UNDONE, EpochRecord, Trainer, TrainResult
from gatework.train.progress import Quiet

ROWS, BATCH = 48, 8
STEPS = ROWS // BATCH
SETTINGS: dict[str, Any] = {
    "max_epochs": 6,
    "patience": 5,
    "learning_rate": 0.05,
    "warmup_epochs": 3,
    "lr_decay": 0.8,
    "ema": 0.0,
}


class Notes(Quiet):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.losses: list[float] = []
        self.records: list[EpochRecord] = []
        self.started = self.stopped = 0

    def message(self, text: str) -> None:
        self.messages.append(text)

    def start(self, epochs: int, steps: int) -> None:
        self.started += 1
        assert steps == STEPS

    def step(self, loss: float) -> None:
        self.losses.append(loss)

    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)

    def stop(self) -> None:
        self.stopped += 1


class Line:
    """Least squares of a line through a layer and dropout; hooks bend loss and score."""

    def __init__(
        self,
        dropout: float = 0.0,
        bend_loss: Callable[[int, Tensor], Tensor] | None = None,
        scores: list[float] | None = None,
    ) -> None:
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(ROWS, 3, generator=generator)
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
        torch_state = torch.get_rng_state()
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(dropout), nn.Linear(4, 1))
        torch.set_rng_state(torch_state)
        self.bend_loss, self.scores = bend_loss, scores
        self.losses_asked = self.validations = 0
        self.judged: list[list[Tensor]] = []

    def steps_per_epoch(self) -> int:
        return STEPS

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        assert self.network.training
        yield from torch.randperm(ROWS, generator=generator).split(BATCH)

    def loss(self, batch: Tensor) -> Tensor:
        self.losses_asked += 1
        loss = (self.network(self.x[batch]) - self.y[batch]).square().mean()
        return loss if self.bend_loss is None else self.bend_loss(self.losses_asked, loss)

    def validate(self) -> float:
        assert not self.network.training
        assert not torch.is_grad_enabled()
        self.validations += 1
        self.judged.append([p.detach().clone() for p in self.network.parameters()])
        if self.scores is not None:
            return self.scores[self.validations - 1]
        return float((self.network(self.x) - self.y).square().mean())


@dataclass
class Run:
    """One training and all that can be asked about it."""

    line: Line
    notes: Notes
    result: TrainResult = field(default_factory=TrainResult)

    @property
    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.line.network.parameters()]

    @property
    def history(self) -> list[tuple[Any, ...]]:
        """All that does not depend on the clock."""
        return [
            (r.epoch, r.train_loss, r.validation, r.learning_rate, r.steps, r.best)
            for r in self.result.history
        ]


def train(
    line: Line | None = None,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    **settings: Any,
) -> Run:
    run = Run(line or Line(), Notes())
    config = TrainConfig(**(SETTINGS | settings))
    trainer = Trainer(run.line, config, run.notes, checkpoint)
    try:
        run.result = trainer.run(resume=resume)
    finally:
        assert (run.notes.started, run.notes.stopped) == (1, 1)
    return run


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


# ------------------------------------------------------------------ training


def test_training_learns_and_tells_every_pass() -> None:
    run = train(max_epochs=30, patience=30)
    first, last = run.result.history[0], run.result.history[-1]
    assert last.validation < first.validation / 10
    assert run.result.best_score == min(r.validation for r in run.result.history)
    assert [r.epoch for r in run.result.history] == list(range(1, 31))
    assert run.notes.records == run.result.history
    assert len(run.notes.losses) == 30 * STEPS
    mean = sum(run.notes.losses[:STEPS]) / STEPS
    assert first.train_loss == pytest.approx(mean)
    assert run.result.steps_per_second > 0
    assert run.result.stopped == "finished"
    assert not run.line.network.training


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    runs = [train(Line(dropout=0.3), seed=seed) for seed in (3, 3, 4)]
    assert equal(runs[0].weights, runs[1].weights)
    assert runs[0].history == runs[1].history
    assert not equal(runs[0].weights, runs[2].weights)


def test_the_callers_random_state_has_no_say_and_is_left_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = train(Line(dropout=0.3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert equal(train(Line(dropout=0.3)).weights, first.weights)


def test_the_random_state_is_left_alone_after_a_failure() -> None:
    before = torch.get_rng_state()
    with pytest.raises(DivergenceError):
        train(Line(0.3, bend_loss=lambda n, loss: loss * math.nan))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_first_step_is_adamw_s_by_hand() -> None:
    """From zero moments, every weight with a gradient moves by about the learning rate, downhill."""
    line = Line()
    before = [p.detach().clone() for p in line.network.parameters()]
    whole = torch.arange(ROWS)
    line.loss(whole).backward()
    signs = [p.grad.sign() for p in line.network.parameters() if p.grad is not None]
    line.batches = lambda generator: iter([whole])  # type: ignore[method-assign]
    run = train(line, max_epochs=1, learning_rate=0.01, warmup_epochs=1)
    for p, q, sign in zip(before, run.weights, signs, strict=True):
        torch.testing.assert_close(q - p, -0.01 * sign, rtol=1e-3, atol=1e-6)


def test_the_learning_rate_warms_up_then_decays() -> None:
    run = train(max_epochs=5, warmup_epochs=2, lr_decay=0.5, learning_rate=0.04)
    rates = [r.learning_rate for r in run.result.history]
    assert rates == pytest.approx([0.04, 0.04, 0.02, 0.01, 0.005])


def test_gradients_are_clipped() -> None:
    norms: list[float] = []
    line = Line(bend_loss=lambda n, loss: loss * 1e6)
    trainer = Trainer(
        line, TrainConfig(**(SETTINGS | {"max_epochs": 1, "clip_norm": 0.5})), Notes()
    )
    step = trainer.optimiser.step

    def noted(*args: Any) -> Any:
        squares = [float(p.grad.square().sum()) for p in trainer.parameters if p.grad is not None]
        norms.append(math.sqrt(sum(squares)))
        return step(*args)

    trainer.optimiser.step = noted  # type: ignore[method-assign]
    trainer.run()
    assert norms == pytest.approx([0.5] * STEPS, rel=1e-4)


def test_frozen_weights_stay() -> None:
    line = Line()
    frozen = line.network[0].weight
    frozen.requires_grad_(False)
    before = frozen.clone()
    run = train(line)
    assert torch.equal(frozen, before)
    assert run.result.history[-1].validation < run.result.history[0].validation


# ------------------------------------------------------------------ the best weights


def test_the_best_weights_are_kept_and_not_the_last() -> None:
    run = train(Line(scores=[5.0, 4.0, 1.0, 2.0, 3.0, 2.0]))
    assert (run.result.best_epoch, run.result.best_score) == (3, 1.0)
    assert [r.best for r in run.result.history] == [True, True, True, False, False, False]
    assert equal(run.weights, run.line.judged[2])
    assert not equal(run.weights, run.line.judged[-1])


def test_of_equal_scores_the_first_is_best() -> None:
    assert train(Line(scores=[2.0, 1.0, 1.0]), max_epochs=3).result.best_epoch == 2


@pytest.mark.parametrize(("patience", "passes"), [(1, 3), (2, 4), (3, 6)])
def test_training_stops_when_patience_is_over(patience: int, passes: int) -> None:
    run = train(Line(scores=[2.0, 1.0, 1.5, 1.5, 0.9, 2.0]), patience=patience)
    assert len(run.result.history) == passes
    assert run.result.stopped == ("early" if passes < 6 else "finished")


def test_averaged_weights_are_judged_and_kept_and_the_raw_ones_trained() -> None:
    plain, averaged = train(patience=6), train(patience=6, ema=0.9)
    losses = [r.train_loss for r in plain.result.history]
    assert [r.train_loss for r in averaged.result.history] == losses
    assert not equal(plain.weights, averaged.weights)
    assert equal(averaged.weights, averaged.line.judged[averaged.result.best_epoch - 1])


def test_the_average_is_the_sum_of_its_definition() -> None:
    line = Line()
    trainer = Trainer(line, TrainConfig(**(SETTINGS | {"max_epochs": 1, "ema": 0.8})), Notes())
    expected = [p.detach().clone().double() for p in trainer.parameters]
    taken = 0
    update = trainer._update_average

    def noted() -> None:
        nonlocal taken
        taken += 1
        decay = min(0.8, taken / (taken + 10))
        for e, p in zip(expected, trainer.parameters, strict=True):
            e.mul_(decay).add_(p.detach().double(), alpha=1 - decay)
        update()

    trainer._update_average = noted  # type: ignore[method-assign]
    trainer.run()
    assert taken == STEPS
    for e, p in zip(expected, line.network.parameters(), strict=True):
        torch.testing.assert_close(p.detach().double(), e, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ resuming


CASES = {
    "plain": {},
    "ema": {"ema": 0.9},
    "weight-decay": {"weight_decay": 0.1, "warmup_epochs": 1},
}


@pytest.mark.parametrize("passes_before", [1, 3, 5])
@pytest.mark.parametrize("settings", list(CASES.values()), ids=list(CASES))
def test_a_resumed_run_is_the_unbroken_run(
    tmp_path: Path, settings: dict[str, Any], passes_before: int
) -> None:
    whole = train(Line(dropout=0.3), patience=9, **settings)
    keeper = Checkpoint(tmp_path / "run" / "checkpoint", "data and settings")
    train(Line(dropout=0.3), keeper, max_epochs=passes_before, patience=9, **settings)
    torch.manual_seed(99)
    rest = train(Line(dropout=0.3), keeper, resume=True, patience=9, **settings)
    assert rest.notes.messages == [f"resumed after epoch {passes_before}"]
    assert len(rest.notes.records) == 6 - passes_before
    assert rest.history == whole.history
    assert equal(rest.weights, whole.weights)
    assert (rest.result.best_epoch, rest.result.best_score) == (
        whole.result.best_epoch,
        whole.result.best_score,
    )


def test_the_best_pass_may_lie_before_the_break(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    part = train(Line(scores=[3.0, 1.0, 2.0]), keeper, max_epochs=3)
    rest = train(Line(scores=[4.0, 5.0, 6.0]), keeper, resume=True)
    assert rest.result.best_epoch == 2
    assert equal(rest.weights, part.line.judged[1])


def bent_at(*steps: int) -> Callable[[int, Tensor], Tensor]:
    return lambda n, loss: loss * math.nan if n in steps else loss


@pytest.mark.parametrize("bend", [(8,), (11, 12), (1,)], ids=["early", "end-of-pass", "first"])
def test_a_resumed_run_knows_of_the_steps_undone(tmp_path: Path, bend: tuple[int, ...]) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    whole = train(Line(bend_loss=bent_at(*bend)))
    train(Line(bend_loss=bent_at(*bend)), keeper, max_epochs=2)
    rest = train(Line(), keeper, resume=True)
    assert rest.result.undone_steps == whole.result.undone_steps == len(bend)
    assert rest.history == whole.history
    assert equal(rest.weights, whole.weights)


def later(bend: Callable[[int, Tensor], Tensor], passes: int) -> Callable[[int, Tensor], Tensor]:
    """The same bend for a line that is asked from this pass on."""
    return lambda n, loss: bend(n + passes * STEPS, loss)


@pytest.mark.parametrize(
    "bad", [lambda loss: loss * math.nan, lambda loss: loss * math.inf], ids=["nan", "inf"]
)
def test_the_first_step_of_a_resumed_run_can_be_undone(
    tmp_path: Path, bad: Callable[[Tensor], Tensor]
) -> None:
    def bend(n: int, loss: Tensor) -> Tensor:
        return bad(loss) if n == 2 * STEPS + 1 else loss

    keeper = Checkpoint(tmp_path / "c", "f")
    whole = train(Line(bend_loss=bend))
    train(Line(bend_loss=bend), keeper, max_epochs=2)
    rest = train(Line(bend_loss=later(bend, 2)), keeper, resume=True)
    assert rest.result.undone_steps == whole.result.undone_steps == 1
    assert rest.history == whole.history
    assert equal(rest.weights, whole.weights)


def test_a_resumed_run_gives_up_where_the_unbroken_one_does(tmp_path: Path) -> None:
    def bend(n: int, loss: Tensor) -> Tensor:  # three steps before the break and all behind it
        return loss * math.nan if n > 2 * STEPS - 3 else loss

    keeper = Checkpoint(tmp_path / "c", "f")
    whole = train(Line(bend_loss=bend))
    train(Line(bend_loss=bend), keeper, max_epochs=2)
    rest = train(Line(bend_loss=later(bend, 2)), keeper, resume=True)
    assert rest.result.stopped == whole.result.stopped == "diverged"
    assert rest.result.undone_steps == whole.result.undone_steps == MAX_UNDONE
    assert len(rest.history) == len(whole.history) == 2
    assert equal(rest.weights, whole.weights)


def test_a_resumed_run_knows_of_a_validation_that_failed(tmp_path: Path) -> None:
    scores = [3.0, math.nan, 2.0, 1.0, 1.5, 1.2]
    keeper = Checkpoint(tmp_path / "c", "f")
    whole = train(Line(scores=scores))
    train(Line(scores=scores[:2]), keeper, max_epochs=2)
    rest = train(Line(scores=scores[2:]), keeper, resume=True)
    assert rest.result.undone_steps == whole.result.undone_steps == 1
    assert [r[3] for r in rest.history] == [r[3] for r in whole.history]
    assert equal(rest.weights, whole.weights)


def test_resume_without_a_checkpoint_starts_at_the_beginning(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    assert equal(train(None, keeper, resume=True).weights, train().weights)
    assert equal(train(resume=True).weights, train().weights)


def test_without_resume_an_old_checkpoint_has_no_say(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    train(None, keeper, max_epochs=2, seed=5)
    assert equal(train(None, keeper).weights, train().weights)


def test_a_run_that_had_ended_is_not_continued(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    whole = train(None, keeper)
    again = train(None, keeper, resume=True)
    assert again.notes.records == []
    assert equal(again.weights, whole.weights)
    early = train(Line(scores=[1.0, 2.0, 2.0]), keeper, patience=2)
    again = train(Line(scores=[]), keeper, resume=True, patience=2)
    assert again.result.stopped == early.result.stopped == "early"


def test_resume_refuses_other_data_or_settings_and_changes_nothing(tmp_path: Path) -> None:
    train(None, Checkpoint(tmp_path / "c", "one"), max_epochs=2)
    before = (tmp_path / "c").read_bytes()
    line = Line()
    weights = [p.detach().clone() for p in line.network.parameters()]
    trainer = Trainer(line, TrainConfig(), Notes(), Checkpoint(tmp_path / "c", "two"))
    with pytest.raises(ModelFileError, match="other data or settings"):
        trainer.run(resume=True)
    assert (tmp_path / "c").read_bytes() == before
    assert equal(weights, [p.detach() for p in line.network.parameters()])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_resume_refuses_a_truncated_file(tmp_path: Path, share: float) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    train(None, keeper, max_epochs=1)
    content = keeper.path.read_bytes()
    keeper.path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match=r"cannot be read.*Start again without --resume"):
        Trainer(Line(), TrainConfig(), Notes(), keeper).run(resume=True)


# ------------------------------------------------------------------ divergence


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_undone_and_the_rate_halved(bad: float) -> None:
    run = train(Line(bend_loss=lambda n, loss: loss * bad if n == 9 else loss))
    assert run.result.undone_steps == 1
    assert run.notes.messages[0].startswith("epoch 2, step 3: loss ")
    assert "step undone, learning rate times 0.5" in run.notes.messages[0]
    assert [r.learning_rate for r in run.result.history[:3]] == pytest.approx([0.05, 0.025, 0.05])
    assert [r.steps for r in run.result.history] == [6, 5, 6, 6, 6, 6]
    assert run.result.history[-1].validation < run.result.history[0].validation
    assert all(torch.isfinite(p).all() for p in run.weights)


def test_a_loss_that_stays_far_above_its_mean_is_undone() -> None:
    run = train(Line(bend_loss=lambda n, loss: loss + 1e6 if 13 <= n <= 17 else loss))
    assert run.result.undone_steps == 1
    assert "loss 1e+06" in run.notes.messages[0]
    assert all(torch.isfinite(p).all() for p in run.weights)


def test_a_far_value_in_one_batch_undoes_nothing() -> None:
    run = train(Line(bend_loss=lambda n, loss: loss + 1e6 if n in (9, 15, 21) else loss))
    assert run.result.undone_steps == 0
    assert run.notes.messages == []


def test_an_epoch_without_trouble_brings_the_rate_back() -> None:
    run = train(Line(bend_loss=lambda n, loss: loss * math.nan if n == 3 else loss))
    rates = [r.learning_rate for r in run.result.history[:2]]
    assert rates == pytest.approx([0.025, 0.05])


def test_a_hard_batch_is_no_explosion() -> None:
    run = train(Line(bend_loss=lambda n, loss: loss * 10 if n == 9 else loss), learning_rate=1e-4)
    assert run.result.undone_steps == 0
    assert run.notes.messages == []


def test_a_gradient_that_is_not_finite_is_undone() -> None:
    def bend(n: int, loss: Tensor) -> Tensor:
        # The root's slope at 0 is infinite; its value is not.
        return loss + (loss - loss).abs().sqrt() if n == 4 else loss

    run = train(Line(bend_loss=bend))
    assert run.result.undone_steps == 1
    assert "gradient norm" in run.notes.messages[0]
    assert all(torch.isfinite(p).all() for p in run.weights)


def test_undoing_takes_the_last_step_back() -> None:
    """The step before a NaN made it: its weights are gone, with the momentum."""
    line = Line(bend_loss=bent_at(3))
    trainer = Trainer(line, TrainConfig(**(SETTINGS | {"max_epochs": 1})), Notes())
    seen: list[list[Tensor]] = []
    undo = trainer._undo

    def noted(reason: str) -> None:
        seen.append([p.detach().clone() for p in trainer.parameters])
        undo(reason)
        seen.append([p.detach().clone() for p in trainer.parameters])
        assert not trainer.optimiser.state

    trainer._undo = noted  # type: ignore[method-assign]
    one = Trainer(Line(), TrainConfig(**(SETTINGS | {"max_epochs": 1})), Notes())
    weights_after: list[list[Tensor]] = []
    step = one.optimiser.step

    def stepped(*args: Any) -> Any:
        out = step(*args)
        weights_after.append([p.detach().clone() for p in one.parameters])
        return out

    one.optimiser.step = stepped  # type: ignore[method-assign]
    one.run()
    trainer.run()
    assert equal(seen[0], weights_after[1])
    assert equal(seen[1], weights_after[0])


def test_a_hopeless_training_is_an_error() -> None:
    line = Line(bend_loss=lambda n, loss: loss * math.nan)
    with pytest.raises(DivergenceError, match=r"epoch 2.*8 halvings.*lower learning_rate"):
        train(line)
    # Passes are shorter than the number of tries: they count over the ends of passes.
    assert STEPS < MAX_UNDONE
    assert line.losses_asked == MAX_UNDONE + 1


def test_a_training_without_one_step_has_no_best_weights() -> None:
    """Too few steps to give up on, but none of them good: no model comes of it."""
    with pytest.raises(DivergenceError, match="epoch 1"):
        train(Line(bend_loss=lambda n, loss: loss * math.nan), max_epochs=1)


def test_a_training_whose_validation_never_succeeds_is_an_error() -> None:
    with pytest.raises(DivergenceError):
        train(Line(scores=[math.nan] * 3), max_epochs=3)


def test_a_training_that_turns_hopeless_keeps_its_best() -> None:
    line = Line(bend_loss=lambda n, loss: loss * math.nan if n > 2 * STEPS else loss)
    run = train(line)
    assert run.result.stopped == "diverged"
    assert run.result.best_epoch in (1, 2, 3)
    assert equal(run.weights, line.judged[run.result.best_epoch - 1])
    assert f"The weights of epoch {run.result.best_epoch} are kept." in run.notes.messages[-1]


def test_a_validation_score_that_is_nan_is_never_the_best() -> None:
    run = train(Line(scores=[math.nan, 2.0, math.nan, 1.0, math.inf, 3.0]))
    assert run.result.best_epoch == 4
    assert sum("validation score" in m for m in run.notes.messages) == 3


def test_the_course_is_json_whatever_happened() -> None:
    for scores in ([1.0, 2.0], [math.nan, 2.0], [math.inf, 1.0]):
        result = train(Line(scores=scores), max_epochs=2).result
        plain = result.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert len(plain["history"]) == 2
        assert plain["best_epoch"] == result.best_epoch
    assert TrainResult().to_json()["best_score"] is None


# ------------------------------------------------------------------ Ctrl-C


def interrupted_at(step: int) -> Callable[[int, Tensor], Tensor]:
    def bend(n: int, loss: Tensor) -> Tensor:
        if n == step:
            raise KeyboardInterrupt
        return loss

    return bend


def test_ctrl_c_inside_a_pass_keeps_the_best() -> None:
    line = Line(bend_loss=interrupted_at(2 * STEPS + 3))
    run = train(line)
    assert run.result.stopped == "interrupted"
    assert len(run.result.history) == 2
    assert equal(run.weights, line.judged[run.result.best_epoch - 1])
    assert run.notes.messages == ["interrupted: the best weights so far are kept"]
    assert not line.network.training


def test_ctrl_c_while_validating_averaged_weights_keeps_the_best() -> None:
    class Stopped(Line):
        def validate(self) -> float:
            score = super().validate()
            if self.validations == 3:
                raise KeyboardInterrupt
            return score

    line = Stopped()
    run = train(line, ema=0.9)
    assert run.result.stopped == "interrupted"
    assert equal(run.weights, line.judged[run.result.best_epoch - 1])


def test_ctrl_c_before_the_first_pass_ends_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Line(bend_loss=interrupted_at(3)))


def test_after_ctrl_c_resuming_gives_the_unbroken_run(tmp_path: Path) -> None:
    keeper = Checkpoint(tmp_path / "c", "f")
    train(Line(0.3, bend_loss=interrupted_at(2 * STEPS + 3)), keeper)
    rest, whole = train(Line(0.3), keeper, resume=True), train(Line(0.3))
    assert equal(rest.weights, whole.weights)
    assert rest.history == whole.history
    assert rest.result.stopped == whole.result.stopped
