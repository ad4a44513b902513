"""The one training loop: every task hands it an Objective and gets back the best weights.

for each epoch:  batches → loss → backward → clip → AdamW → (average of weights)
after the epoch: validation score → keep the best → checkpoint → next learning rate, or stop
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gatework.errors import DivergenceError
from gatework.files import json_numbers
from gatework.train.checkpoint import Checkpoint
from gatework.train.config import TrainConfig
from gatework.train.progress import Progress

# A loss this many times the running mean is a far value in the batch, or an explosion: clipping bounds what
# a batch can do, so it is an explosion only when it lasts for so many steps.
EXPLOSION, EXPLODED_STEPS = 50.0, 5
# Undone steps in a row after which a lower learning rate is not going to help.
MAX_UNDONE = 8


class Objective(Protocol):
    """What a task asks the loop to make small."""

    network: nn.Module

    def steps_per_epoch(self) -> int:
        """Number of batches of one epoch."""

    def batches(self, generator: torch.Generator) -> Iterator[Any]:
        """One epoch of training data, shuffled by ``generator`` alone."""

    def loss(self, batch: Any) -> Tensor:
        """The scalar to minimise for one batch."""

    def validate(self) -> float:
        """Score on the validation part, lower is better; the network is in eval mode."""


@dataclass
class EpochRecord:
    """One epoch: what the progress line, the training curve and the checkpoint tell."""

    epoch: int
    train_loss: float
    validation: float
    learning_rate: float
    seconds: float
    steps: int
    best: bool


@dataclass
class TrainResult:
    """The course of a training; the network holds its best weights."""

    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = math.inf
    seconds: float = 0.0
    stopped: str = "finished"  # finished | early | time | interrupted | diverged
    undone_steps: int = 0

    @property
    def steps_per_second(self) -> float:
        """Optimiser steps a second, validation not counted."""
        seconds = sum(r.seconds for r in self.history)
        return sum(r.steps for r in self.history) / seconds if seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values: what is not finite is None."""
        plain: dict[str, Any] = json_numbers(
            asdict(self) | {"steps_per_second": self.steps_per_second}
        )
        return plain

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TrainResult:
        """The result that ``to_json`` wrote; KeyError or TypeError when it is damaged."""
        kept: dict[str, Any] = {k: v for k, v in data.items() if k != "steps_per_second"}
        history: list[dict[str, Any]] = kept.pop("history", [])
        for record in history:
            record.update({k: math.nan for k, v in record.items() if v is None})
        records = [EpochRecord(**record) for record in history]
        score = kept.pop("best_score", None)
        return cls(**kept, history=records, best_score=math.inf if score is None else score)


class Trainer:
    """One training run; ``run`` does it.

    Args:
        objective: the task's batches, loss and validation.
        config: learning rate, stopping and so on.
        progress: told what happens.
        checkpoint: where to keep the run after every epoch; None keeps nothing on disk.
    """

    def __init__(
        self,
        objective: Objective,
        config: TrainConfig,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.objective, self.config, self.progress = objective, config, progress
        self.checkpoint = checkpoint
        self.network = objective.network
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        # What layers gather beside their weights, such as the statistics of a batch normalisation.
        self.buffers = [b for b in self.network.buffers() if b.is_floating_point()]
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=all(p.is_floating_point() for p in self.parameters),
        )
        self.shuffle = torch.Generator().manual_seed(config.seed)
        self.result = TrainResult()
        self.deadline = math.inf  # of time.perf_counter
        self.damping = 1.0  # halved whenever a step has to be undone
        self.undone_in_a_row = 0  # over the ends of epochs, which may be short
        self.running_loss = math.nan
        self.best = [p.detach().clone() for p in self.parameters]
        self.best_buffers = [b.clone() for b in self.buffers]
        self.average = [p.detach().clone() for p in self.parameters]
        self.averaged_steps = 0
        # The weights before the last step, and their average then, to undo it.
        self._before = [p.detach().clone() for p in self.parameters]
        self._average_before = [p.detach().clone() for p in self.parameters]
        self._buffers_before = [b.clone() for b in self.buffers]

    def run(self, *, resume: bool = False) -> TrainResult:
        """Train until the epochs are over, patience is, or the user presses Ctrl-C.

        The random state of the caller is left as it was.

        Raises:
            DivergenceError: the loss is not finite whatever the learning rate, before any epoch ended.
        """
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            if resume and self.checkpoint is not None and self.checkpoint.exists():
                self._restore(self.checkpoint)
            if self.config.max_seconds is not None:
                spent = sum(r.seconds for r in self.result.history)
                self.deadline = started + self.config.max_seconds - spent
            self.progress.start(self.config.max_epochs, self.objective.steps_per_epoch())
            try:
                self._run_epochs()
            except KeyboardInterrupt:
                self.result.stopped = "interrupted"
                if not self.result.best_epoch:
                    raise
                self.progress.message("interrupted: the best weights so far are kept")
            except DivergenceError as error:
                self.result.stopped = "diverged"
                if not self.result.best_epoch:
                    raise
                self.progress.message(
                    f"{error} The weights of epoch {self.result.best_epoch} are kept."
                )
            finally:
                self.progress.stop()
        torch._foreach_copy_([p.data for p in self.parameters], self.best)
        _copy(self.buffers, self.best_buffers)
        self.network.eval()
        self.result.seconds += time.perf_counter() - started
        return self.result

    def _run_epochs(self) -> None:
        result = self.result
        while len(result.history) < self.config.max_epochs:
            epoch = len(result.history) + 1
            if epoch - 1 - result.best_epoch >= self.config.patience and result.best_epoch:
                result.stopped = "early"
                return
            if time.perf_counter() >= self.deadline and result.history:
                result.stopped = "time"
                break
            lr = self._learning_rate(epoch)
            train_loss, seconds, steps = self._epoch(epoch, lr)
            score = self._validate()
            # Weights that no step could change are not the best of anything.
            better = score < result.best_score and not math.isnan(self.running_loss)
            if better:
                result.best_epoch, result.best_score = epoch, score
            record = EpochRecord(
                epoch, train_loss, score, lr * self.damping, seconds, steps, better
            )
            result.history.append(record)
            self.progress.epoch(record)
            if not math.isfinite(score):
                self._undo(f"epoch {epoch}: the validation score is {score}")
            if self.checkpoint is not None:  # after the undoing, which a resumed run has to know of
                self.checkpoint.save(self._state())
        if not result.best_epoch:
            self._give_up(len(result.history))

    def _learning_rate(self, epoch: int) -> float:
        """Full rate for the warm-up epochs, then times ``lr_decay`` an epoch."""
        decays = max(0, epoch - self.config.warmup_epochs)
        return float(self.config.learning_rate * self.config.lr_decay**decays)

    def _epoch(self, epoch: int, lr: float) -> tuple[float, float, int]:
        """Mean loss, seconds and steps of one epoch."""
        self.network.train()
        total, steps, exploded, undone = 0.0, 0, 0, self.result.undone_steps
        started = time.perf_counter()
        for batch in self.objective.batches(self.shuffle):
            for group in self.optimiser.param_groups:
                group["lr"] = lr * self.damping
            loss, norm = self._gradient(batch)
            # False at the first step, while the mean is NaN, and for losses that may be negative.
            far = self.running_loss > 0 and loss > EXPLOSION * self.running_loss
            exploded = exploded + 1 if far else 0
            if not (math.isfinite(loss) and math.isfinite(norm)) or exploded >= EXPLODED_STEPS:
                exploded = 0
                self.undone_in_a_row += 1
                if self.undone_in_a_row > MAX_UNDONE:
                    self._give_up(epoch)
                self._undo(
                    f"epoch {epoch}, step {steps + 1}: loss {loss:.4g}, gradient norm {norm:.4g}"
                )
                continue
            self.undone_in_a_row = 0
            if not far:
                torch._foreach_copy_(self._before, [p.data for p in self.parameters])
                torch._foreach_copy_(self._average_before, self.average)
                _copy(self._buffers_before, self.buffers)
                first = math.isnan(self.running_loss)
                self.running_loss = loss if first else 0.95 * self.running_loss + 0.05 * loss
            self.optimiser.step()
            self._update_average()
            total += loss
            steps += 1
            self.progress.step(loss)
            if time.perf_counter() >= self.deadline:
                break  # what was learned so far is validated like a whole epoch
        if self.result.undone_steps == undone:
            self.damping = min(1.0, 2 * self.damping)  # an epoch without trouble earns trust back
        mean = total / steps if steps else math.nan
        return mean, time.perf_counter() - started, steps

    def _gradient(self, batch: Any) -> tuple[float, float]:
        """Loss and norm of the clipped gradient, left in the parameters."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.objective.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        return float(loss.detach()), float(norm)

    def _undo(self, reason: str) -> None:
        """Go back to the weights before the last step, forget its momentum, and halve the rate."""
        self.damping *= 0.5
        self.result.undone_steps += 1
        torch._foreach_copy_([p.data for p in self.parameters], self._before)
        torch._foreach_copy_(self.average, self._average_before)
        _copy(self.buffers, self._buffers_before)
        self.optimiser.state.clear()
        self.progress.message(
            f"{reason}: diverged; step undone, learning rate times {self.damping:g} from here"
        )

    def _give_up(self, epoch: int) -> None:
        raise DivergenceError(
            f"training diverged in epoch {epoch}: the loss stayed infinite, NaN or far above its mean "
            f"after {self.result.undone_steps} halvings of the learning rate. Check the data for values "
            "far outside the rest, or lower learning_rate."
        )

    def _update_average(self) -> None:
        """Exponential moving average of the weights, with the start's bias kept small."""
        if not self.config.ema:
            return
        self.averaged_steps += 1
        decay = min(self.config.ema, self.averaged_steps / (self.averaged_steps + 10))
        torch._foreach_lerp_(self.average, [p.data for p in self.parameters], 1 - decay)

    def _validate(self) -> float:
        """Score of the weights that would be kept; they become ``best`` when it is the lowest."""
        judged = self.average if self.config.ema else [p.data for p in self.parameters]
        trained = [p.data.clone() for p in self.parameters]
        torch._foreach_copy_([p.data for p in self.parameters], judged)
        self.network.eval()
        with torch.no_grad():
            score = float(self.objective.validate())
        if score < self.result.best_score:
            torch._foreach_copy_(self.best, [p.data for p in self.parameters])
            _copy(self.best_buffers, self.buffers)
        torch._foreach_copy_([p.data for p in self.parameters], trained)
        return score

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts from which ``_restore`` goes on as if nothing had happened."""
        tensors: dict[str, Tensor] = {
            "rng.torch": torch.get_rng_state(),
            "rng.shuffle": self.shuffle.get_state(),
        }
        for i, buffer in enumerate(self.buffers):
            tensors[f"buffer.{i}"] = buffer
            tensors[f"best_buffer.{i}"] = self.best_buffers[i]
            tensors[f"buffer_before.{i}"] = self._buffers_before[i]
        for i, p in enumerate(self.parameters):
            tensors[f"parameter.{i}"] = p.data
            tensors[f"best.{i}"] = self.best[i]
            tensors[f"average.{i}"] = self.average[i]
            tensors[f"before.{i}"] = self._before[i]
            tensors[f"average_before.{i}"] = self._average_before[i]
            for name, value in self.optimiser.state.get(p, {}).items():
                tensors[f"optimiser.{i}.{name}"] = value
        facts = {
            "result": asdict(self.result),
            "damping": self.damping,
            "undone_in_a_row": self.undone_in_a_row,
            "running_loss": self.running_loss if math.isfinite(self.running_loss) else None,
            "averaged_steps": self.averaged_steps,
        }
        return tensors, facts

    def _restore(self, checkpoint: Checkpoint) -> None:
        tensors, facts = checkpoint.load(
            {f"parameter.{i}": p for i, p in enumerate(self.parameters)}
        )
        for i, buffer in enumerate(self.buffers):
            buffer.copy_(tensors[f"buffer.{i}"])
            self.best_buffers[i].copy_(tensors[f"best_buffer.{i}"])
            self._buffers_before[i].copy_(tensors[f"buffer_before.{i}"])
        for i, p in enumerate(self.parameters):
            p.data.copy_(tensors[f"parameter.{i}"])
            self.best[i].copy_(tensors[f"best.{i}"])
            self.average[i].copy_(tensors[f"average.{i}"])
            self._before[i].copy_(tensors[f"before.{i}"])
            self._average_before[i].copy_(tensors[f"average_before.{i}"])
            prefix = f"optimiser.{i}."
            state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            if state:
                self.optimiser.state[p] = state
        torch.set_rng_state(tensors["rng.torch"])
        self.shuffle.set_state(tensors["rng.shuffle"])
        history = [EpochRecord(**r) for r in facts["result"].pop("history")]
        self.result = TrainResult(**facts["result"], history=history)
        self.damping, self.averaged_steps = facts["damping"], facts["averaged_steps"]
        self.undone_in_a_row = facts["undone_in_a_row"]
        self.running_loss = math.nan if facts["running_loss"] is None else facts["running_loss"]
        self.progress.message(f"resumed after epoch {len(history)}")


def _copy(to: list[Tensor], of: list[Tensor]) -> None:
    """Of networks without buffers nothing: torch refuses empty lists."""
    if to:
        torch._foreach_copy_(to, of)
