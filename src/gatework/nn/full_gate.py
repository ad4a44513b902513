"""The LSTM whose gates see the gates of the step before: full gate recurrence."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatework.errors import ConfigError
from gatework.nn.composed import (
    ComposedLayer,
    State,
    is_symbolic,
    leaf,
    refuse_unknown,
    turned,
    without_steps,
)


class FullGateLSTM(ComposedLayer):
    """Full gate recurrence (FGR; Greff et al. 2015, arXiv 1503.04069, section 3), as in the first LSTM of 1997.

    .. code-block:: text

        i' = σ(W_ii x + W_hi h + b_i + R_ii i + R_fi f + R_oi o)
        f' = σ(W_if x + W_hf h + b_f + R_if i + R_ff f + R_of o)
        o' = σ(W_io x + W_ho h + b_o + R_io i + R_fo f + R_oo o)
        g = tanh(W_ig x + W_hg h + b_g)      c' = f' * c + i' * g      h' = o' * tanh(c')

    Nine matrices more than the LSTM.  With ``peepholes`` (as there) p_i * c and p_f * c are added, and p_o * c'
    to the output gate.  Greff et al. found no gain in it; it is here so that their comparison can be run
    again.  The one cell of the family that runs as a loop of torch's operations, step by step, and not on the
    engine: expect it to be slow.

    Parameters of a layer l beside torch's: ``weight_gates_l{l} (3*H, 3*H)``, rows and columns i f o, and with
    ``peepholes`` ``weight_p_l{l} (3, H)``.  State: ``(h, c, i, f, o)``, each ``(Z*D, B, H)``.

    Args:
        peepholes: whether the gates see c, too.
        forget_bias: the forget gates' bias, 1 unless given (Gers, Schmidhuber & Cummins 2000, section 4).

    Raises:
        ConfigError: a size below 1, a rate outside 0 to 1, a forget_bias without biases.
        TypeError: an option that it has not.

    >>> y, state = FullGateLSTM(3, 8, batch_first=True)(torch.zeros(2, 5, 3), lengths=[5, 2])
    >>> y.shape, len(state)
    (torch.Size([2, 5, 8]), 5)
    """

    cell = "full_gate_recurrence"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        peepholes: bool = False,
        forget_bias: float | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        refuse_unknown(self, unknown)
        if forget_bias is not None and not bias:
            raise ConfigError(
                "FullGateLSTM: `forget_bias` was given, this layer has no biases. "
                "Set bias=True, or leave it out."
            )
        self.forget_bias = 1.0 if forget_bias is None else float(forget_bias)
        if not math.isfinite(self.forget_bias):
            raise ConfigError(
                f"FullGateLSTM: `forget_bias` must be a finite number; got {forget_bias!r}."
            )
        self.peepholes, H = bool(peepholes), hidden_size
        for z in range(num_layers):
            width = input_size if z == 0 else H * (2 if bidirectional else 1)
            kinds: dict[str, tuple[int, ...]] = {
                "weight_ih": (4 * H, width),
                "weight_hh": (4 * H, H),
                "bias_ih": (4 * H,),
                "bias_hh": (4 * H,),
                "weight_gates": (3 * H, 3 * H),
            }
            if peepholes:
                kinds["weight_p"] = (3, H)
            for suffix in self._suffixes(z):
                self._make_weights(kinds, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within ±1/√H, as torch initialises its layers; the forget gates' bias as asked for."""
        super().reset_parameters()
        H = self.hidden_size
        with torch.no_grad():
            for name, p in self.named_parameters():
                if name.startswith("bias_"):
                    p[H : 2 * H] = self.forget_bias if name.startswith("bias_ih") else 0.0

    def extra_repr(self) -> str:
        return super().extra_repr() + (", peepholes=True" if self.peepholes else "")

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, State]:
        """Outputs of every step and the last state, as :class:`~gatework.nn.LSTM` returns them.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``, or a ``PackedSequence``.
            hx: ``(h, c, i, f, o)``, what the last call returned; zeros when absent.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.
            resets: ``(B, T)`` bool: True clears the state just before that step.

        Returns:
            ``(output, state)``: output ``(B, T, D*H)``, 0 in padding.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
        """
        if is_symbolic(input):
            return leaf(self, input, hx=hx, lengths=lengths, resets=resets)
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, lengths, resets)
        x, state, _, valid, resets = self._begin("FullGateLSTM.forward", input, hx, lengths, resets)
        if state is None:
            state = tuple(x.new_zeros(shape) for shape in self._state_shapes(x.shape[0]))
        last: list[State] = []
        for z in range(self.num_layers):
            if z:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for d, suffix in enumerate(self._suffixes(z)):
                first = tuple(s[len(last)] for s in state)
                own, clear = x, resets
                if d == 1:
                    own = turned(x, valid)
                    clear = None if resets is None else turned(resets, valid)
                y, after = self._direction(suffix, own, first, valid, clear)
                outputs.append(turned(y, valid) if d == 1 else y)
                last.append(after)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        states = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
        return x if self.batch_first else x.transpose(0, 1), states

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Output and state after one more observation, in constant time and memory.

        Args:
            x: ``(B, I)``, one step of each sequence.
            state: what the last ``step`` or ``forward`` returned; zeros when absent.

        Returns:
            ``(h (B, H), state)``.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        self._check_step("FullGateLSTM.step", x)
        axis = 1 if self.batch_first else 0
        y, state = self(x.unsqueeze(axis), state)
        return y.squeeze(axis), state

    def fan_out(self, x: Tensor, state: Any) -> Tensor:
        """Outputs of one step from the same state for many inputs, as of :class:`~gatework.nn.LSTM`.

        Args:
            x: ``(*lead, m, I)`` inputs; an axis of the lead that is 1 is shared along that axis.
            state: ``(Z, *lead, H)`` each, as ``forward`` returned it, its batch axis folded.

        Returns:
            ``(*lead, m, H)``: what ``step`` would return for each input, the state left as it was.
        """
        self._check_fan_out(x, state)
        for z in range(self.num_layers):
            before = tuple(s[z].unsqueeze(-2) for s in state)
            x = self._cell_step(f"_l{z}", self._from_input(f"_l{z}", x), before)[0]
            x = F.dropout(x, self.dropout, self.training and z < self.num_layers - 1)
        return x

    # ---- inside

    def _state_shapes(self, B: int) -> tuple[tuple[int, ...], ...]:
        rows = self.num_layers * (2 if self.bidirectional else 1)
        return ((rows, B, self.hidden_size),) * len(self._cell.states)

    def _from_input(self, suffix: str, x: Tensor) -> Tensor:
        weight, bias = self._get("weight_ih", suffix), self._get("bias_ih", suffix)
        assert weight is not None
        return F.linear(x, weight, bias)

    def _cell_step(self, suffix: str, x: Tensor, state: State) -> State:
        """The state after one step, readable against the paper; x: sums from the input, ``(…, 4*H)``."""
        W_hh, b_hh = self._get("weight_hh", suffix), self._get("bias_hh", suffix)
        R, p = self._get("weight_gates", suffix), self._get("weight_p", suffix)
        assert W_hh is not None
        assert R is not None
        h, c, *gates = (s.to(x.dtype) for s in state)
        i, f, g, o = (x + F.linear(h, W_hh, b_hh)).chunk(4, dim=-1)
        r_i, r_f, r_o = F.linear(torch.cat(gates, dim=-1), R).chunk(3, dim=-1)
        p_i, p_f, p_o = (0.0, 0.0, 0.0) if p is None else p
        i, f = (i + r_i + p_i * c).sigmoid(), (f + r_f + p_f * c).sigmoid()
        c = f * c + i * g.tanh()
        o = (o + r_o + p_o * c).sigmoid()
        return o * c.tanh(), c, i, f, o

    def _direction(
        self,
        suffix: str,
        x: Tensor,
        state: State,
        valid: Tensor | None,
        resets: Tensor | None,
    ) -> tuple[Tensor, State]:
        """One direction of one layer over x ``(B, T, ·)``, step by step."""
        sums, outputs = self._from_input(suffix, x), []
        for t in range(x.shape[1]):
            before = state
            if resets is not None:
                before = tuple(s.masked_fill(resets[:, t, None], 0.0) for s in state)
            after = self._cell_step(suffix, sums[:, t], before)
            after = tuple(a.to(x.dtype) for a in after)
            output = after[0]
            if valid is not None:
                here = valid[:, t, None]
                after = tuple(torch.where(here, a, s) for a, s in zip(after, state, strict=True))
                output = output.masked_fill(~here, 0.0)
            outputs.append(output)
            state = after
        if not outputs:
            own = [p for name, p in self.named_parameters() if name.endswith(suffix)]
            y = without_steps(x, (x.shape[0], 0, self.hidden_size), own)
            return y, tuple(s + y.sum() for s in state)
        return torch.stack(outputs, dim=1), state
