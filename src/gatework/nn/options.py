"""What a recurrent layer is: sizes, its row of the table of cells, and the options that torch's have not."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gatework.cells import CELLS, Cell
from gatework.nn import checks, engine, regularisers

_OPTIONS = ("recurrent_dropout", "zoneout", "weight_drop", "residual", "learned_state")
# torch's names of the cells; a variant's `mode` is the cell's own name
_CELLS = CELLS | {
    "LSTM": CELLS["lstm"],
    "GRU": CELLS["gru"],
    "RNN_TANH": CELLS["rnn"],
    "RNN_RELU": CELLS["rnn_relu"],
}


class WithOptions(nn.Module):
    """A layer with a cell and options; abstract.  An option is in the instance only where it is used."""

    mode: str
    input_size: int
    hidden_size: int
    proj_size: int
    num_layers: int
    batch_first: bool
    bidirectional: bool
    dropout: float
    _all_weights: list[list[str]]
    recurrent_dropout: float = 0.0
    zoneout: tuple[float, float] = (0.0, 0.0)
    weight_drop: float = 0.0
    residual: bool = False
    learned_state: bool = False
    _has_options: bool = False

    def _set_options(
        self,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        weight_drop: float = 0.0,
        residual: bool = False,
        learned_state: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        """What a constructor does with the options that torch's layers have not.

        Raises:
            ValueError: a rate outside 0 to 1, or an option that this cell has no use for.
        """
        name, cell = type(self).__name__, self._cell
        pair = regularisers.check(name, recurrent_dropout, zoneout, weight_drop)
        if isinstance(zoneout, int | float) and not cell.zones:
            pair = (pair[0], 0.0)
        checks.check_options(
            name, cell, self.proj_size, pair, recurrent_dropout, weight_drop, learned_state
        )
        given = {
            "recurrent_dropout": float(recurrent_dropout),
            "zoneout": pair,
            "weight_drop": float(weight_drop),
            "residual": bool(residual),
            "learned_state": bool(learned_state),
        }
        for option, value in given.items():
            if value != getattr(WithOptions, option):
                setattr(self, option, value)
                self._has_options = True
        if learned_state:
            like = next(iter(self._parameters.values()))
            assert like is not None
            for part, shape in zip(cell.states, self._state_shapes(1), strict=True):
                self.register_parameter(f"initial_{part}", nn.Parameter(like.new_zeros(shape)))
        if forget_bias is not None:
            self._set_forget_bias(name, forget_bias)

    def _set_forget_bias(self, name: str, value: float) -> None:
        """The forget gates' bias, in ``bias_ih``; what ``bias_hh`` adds to it becomes 0."""
        cell, H = self._cell, self.hidden_size
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ValueError(
                f"{name}: `forget_bias` must be a finite number, such as 1; got {value!r}."
            )
        if "f" not in cell.x_gates or not hasattr(self, "bias_ih_l0"):
            why = "has no biases" if "f" in cell.x_gates else "has no forget gate"
            raise ValueError(f"{name}: `forget_bias` was given, this layer {why}.")
        with torch.no_grad():
            for names in self._all_weights:
                for weight in names:
                    gates = cell.h_gates if weight.startswith("bias_hh") else cell.x_gates
                    if weight.startswith("bias_"):
                        at = gates.index("f") * H
                        own = value if weight.startswith("bias_ih") else 0.0
                        getattr(self, weight)[at : at + H] = own

    def extra_repr(self) -> str:
        """torch's arguments, then those that only Gatework has."""
        return f"{super().extra_repr()}{self._options_repr()}"

    def _options_repr(self) -> str:
        given = {option: getattr(self, option) for option in _OPTIONS}
        used = {o: v for o, v in given.items() if v != getattr(WithOptions, o)}
        return "".join(f", {option}={value}" for option, value in used.items())

    @property
    def _cell(self) -> Cell:
        """The layer's row of the table of cells."""
        return _CELLS[self.mode]

    def _initial(self, B: int) -> tuple[Tensor, ...]:
        """What was learned to begin with; empty for zeros."""
        if not self.learned_state:
            return ()
        return tuple(getattr(self, f"initial_{p}").expand(-1, B, -1) for p in self._cell.states)

    def _six(self, weights: list[Tensor]) -> tuple[Tensor | None, ...]:
        """W_ih, W_hh, b_ih, b_hh, W_hr, p of one direction, None for what is not there."""
        code = self._cell.code
        assert code is not None
        six: list[Tensor | None] = [None] * 6
        for slot, weight in zip(engine.SLOTS[code, len(weights)], weights, strict=True):
            six[slot] = weight
        return tuple(six)

    def _state_shapes(self, B: int) -> tuple[tuple[int, ...], ...]:
        rows = self.num_layers * (2 if self.bidirectional else 1)
        h = (rows, B, self.proj_size or self.hidden_size)
        return (h, *[(rows, B, self.hidden_size)] * (len(self._cell.states) - 1))

    def _skips(self, number: int, x: Tensor, y: Tensor) -> bool:
        """Whether a layer's input is added to its output (Wu et al. 2016, arXiv 1609.08144, section 3.1)."""
        return self.residual and number > 0 and x.shape[-1] == y.shape[-1]


def take_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """The options that torch's layers have not, taken out of a constructor's keywords."""
    names = (*_OPTIONS, "forget_bias")
    return {name: arguments.pop(name) for name in names if name in arguments}
