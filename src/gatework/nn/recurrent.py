"""Recurrent layers: ``torch.nn``'s LSTM, GRU and RNN with lengths and a step.

One alphabet: B batch, T time, I input, H hidden, D directions, Z layers.  Gates in one order, i f g o
(input, forget, candidate, output), which is also the order of torch's ``weight_ih_l0``.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

State = Tensor | tuple[Tensor, Tensor]


class _Recurrent(nn.Module):
    """What LSTM, GRU and RNN share: checks of the input, ``lengths`` and ``step``.

    Mixed in before a ``torch.nn`` layer, so that arguments, ``state_dict`` and results are that layer's.
    """

    input_size: int
    hidden_size: int
    num_layers: int
    batch_first: bool
    bidirectional: bool
    dropout: float

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Any, State]:
        """Outputs of every step and the last state; padding is not computed on.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``; ``(T, I)`` unbatched; or a
                ``PackedSequence``.
            hx: initial state, as the torch layer takes it; zeros when absent.
            lengths: ``(B,)`` integers, the valid steps of each sequence, in any order, at least 1.
                Outputs after a sequence's end are 0 and its state is that of its last valid step.

        Returns:
            ``(output, state)`` as the torch layer returns them: output ``(B, T, D*H)``, states
            ``(Z*D, B, H)``.

        Raises:
            ValueError: sizes or lengths that do not fit, with the sizes named.
        """
        kind = type(self).__name__
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError(
                    f"{kind}.forward: a PackedSequence carries its own lengths; omit `lengths`."
                )
            return cast("tuple[Any, State]", super().forward(input, hx))
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{kind}.forward: `input` must have 2 axes (T, I) or 3 axes (batch, time, I); "
                f"got shape {tuple(input.shape)}."
            )
        if input.shape[-1] != self.input_size:
            raise ValueError(
                f"{kind}.forward: `input` has {input.shape[-1]} features in its last axis, this layer was "
                f"built with input_size={self.input_size}. Got shape {tuple(input.shape)}. Check the "
                f"columns you passed, or rebuild with input_size={input.shape[-1]}."
            )
        if lengths is None:
            return cast("tuple[Any, State]", super().forward(input, hx))
        if input.dim() != 3:
            raise ValueError(
                f"{kind}.forward: `lengths` needs a batch; got shape {tuple(input.shape)}."
            )
        B, T = input.shape[:2] if self.batch_first else input.shape[1::-1]
        lengths = torch.as_tensor(lengths).detach().to("cpu", torch.int64)
        if lengths.shape != (B,):
            raise ValueError(
                f"{kind}.forward: `lengths` must hold one number per sequence, shape ({B},); "
                f"got shape {tuple(lengths.shape)}."
            )
        if B and (int(lengths.min()) < 1 or int(lengths.max()) > T):
            raise ValueError(
                f"{kind}.forward: `lengths` must lie between 1 and T={T}; "
                f"got {int(lengths.min())} to {int(lengths.max())}."
            )
        packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
        output, state = super().forward(packed, hx)
        padded, _ = pad_packed_sequence(output, self.batch_first, total_length=T)
        return padded, state

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Output and state after one more observation, in constant time and memory.

        Args:
            x: ``(B, I)``, one step of each sequence.
            state: what the last ``step`` or ``forward`` returned; zeros when absent.

        Returns:
            ``(h, state)``: output ``(B, H)`` of the top layer and the new state.  A chain of steps gives
            what ``forward`` gives over the whole sequence.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        if self.bidirectional:
            raise ValueError(
                f"{type(self).__name__}.step: a bidirectional layer needs the whole sequence; "
                "build it with bidirectional=False to stream."
            )
        if x.dim() != 2:
            raise ValueError(
                f"{type(self).__name__}.step: `x` must be (B, I); got {tuple(x.shape)}."
            )
        axis = 1 if self.batch_first else 0
        output, state = self.forward(x.unsqueeze(axis), state)
        return output.squeeze(axis), state

    def fan_out(self, x: Tensor, state: State) -> Tensor:
        """Outputs of one step from the same state for many inputs: what a parallel decoder needs.

        The product of weights and state is made once for the m inputs, that of weights and inputs once
        for all states that share them: B + m products instead of 2 B m.

        Args:
            x: ``(*lead, m, I)`` inputs; an axis of the lead that is 1 is shared along that axis.
            state: ``(Z, *lead, H)``, as ``forward`` returned it, its batch axis folded into one or more.

        Returns:
            ``(*lead, m, H)``: what ``step`` would return for each input, the state left as it was.

        >>> gru = GRU(3, 4, batch_first=True)
        >>> h = torch.randn(1, 2, 4)
        >>> x = torch.randn(1, 5, 3)
        >>> torch.allclose(gru.fan_out(x, h)[:, 3], gru.step(x[:, 3].expand(2, 3), h)[0], atol=1e-6)
        True
        """
        layers = state if isinstance(state, tuple) else (state,)
        for layer in range(self.num_layers):
            W_ih, W_hh, b_ih, b_hh = self._layer_weights(layer)
            from_input = F.linear(x, W_ih, b_ih)
            from_state = F.linear(layers[0][layer], W_hh, b_hh).unsqueeze(-2)
            x = self._pointwise(from_input, from_state, *(s[layer].unsqueeze(-2) for s in layers))
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x

    def _layer_weights(self, layer: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        names = ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l")
        w_ih, w_hh, b_ih, b_hh = (getattr(self, f"{name}{layer}", None) for name in names)
        assert w_ih is not None
        assert w_hh is not None
        return w_ih, w_hh, b_ih, b_hh

    def _pointwise(self, from_input: Tensor, from_state: Tensor, *state: Tensor) -> Tensor:
        """The cell after its products: the new ``h``."""
        raise NotImplementedError


class LSTM(_Recurrent, nn.LSTM):  # type: ignore[misc]  # forward takes `lengths` too
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    .. code-block:: text

        i = σ(W_ii x + b_ii + W_hi h + b_hi)      f = σ(W_if x + b_if + W_hf h + b_hf)
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)   o = σ(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g                        h' = o * tanh(c')

    Arguments, ``state_dict`` and results are those of ``torch.nn.LSTM``; ``forward`` also takes
    ``lengths`` and ``step`` advances one observation.

    >>> lstm = LSTM(3, 8, batch_first=True)
    >>> y, (h, c) = lstm(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 2]))
    >>> y.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    def _pointwise(self, from_input: Tensor, from_state: Tensor, *state: Tensor) -> Tensor:
        i, f, g, o = (from_input + from_state).chunk(4, dim=-1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh()


class GRU(_Recurrent, nn.GRU):  # type: ignore[misc]  # forward takes `lengths` too
    """Gated recurrent unit (Cho et al. 2014), torch's form: the reset gate acts after the product.

    .. code-block:: text

        r = σ(W_ir x + b_ir + W_hr h + b_hr)      z = σ(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Arguments, ``state_dict`` and results are those of ``torch.nn.GRU``.

    >>> y, h = GRU(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape
    torch.Size([2, 5, 8])
    """

    def _pointwise(self, from_input: Tensor, from_state: Tensor, *state: Tensor) -> Tensor:
        (r_x, z_x, n_x), (r_h, z_h, n_h) = from_input.chunk(3, -1), from_state.chunk(3, -1)
        z = (z_x + z_h).sigmoid()
        n = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
        return (1 - z) * n + z * state[0]


class RNN(_Recurrent, nn.RNN):  # type: ignore[misc]  # forward takes `lengths` too
    """Plain recurrent network (Elman 1990): ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Arguments, ``state_dict`` and results are those of ``torch.nn.RNN``.

    >>> y, h = RNN(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape
    torch.Size([2, 5, 8])
    """

    def _pointwise(self, from_input: Tensor, from_state: Tensor, *state: Tensor) -> Tensor:
        total = from_input + from_state
        return total.tanh() if self.nonlinearity == "tanh" else total.relu()
