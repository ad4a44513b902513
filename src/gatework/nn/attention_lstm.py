"""A recurrent layer that attends to its own outputs, as a stream where it is causal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.nn import checks
from gatework.nn.attention import Attention, steps_below
from gatework.nn.composed import autocasts, is_symbolic, leaf, options_of
from gatework.nn.making import make

State = tuple[Tensor, ...]


class AttentionLSTM(nn.Module):
    """A recurrent layer with attention over its outputs: those so far, or all of them if bidirectional.

    .. code-block:: text

        h_1 … h_T = layer(x)        context_t = Σ_s a_ts h_s, s from t - window + 1 to t
        y_t = tanh(W_c [context_t; h_t])

    Luong, Pham & Manning 2015 (arXiv 1508.04025), equation 5, with the layer's own outputs in the place of
    an encoder's: Cheng, Dong & Lapata 2016 (arXiv 1601.06733) attend so inside the cell, which cannot be
    computed for all steps at once; here the layer does not see the contexts.  Scores and their sources:
    :class:`~gatework.nn.Attention`.  Of T steps the weights ``(B, T, T)`` are kept for the backward pass.

    The state is that of the layer and two parts more, every part with the batch on its second axis:
    ``memory (1, B, M, R)``, the outputs so far, the latest last, and ``count (1, B)``, how many of them there
    are.  M grows up to ``window - 1``, so that a stream with a window needs constant memory; without one it
    needs all that ever was.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Z, of the layer.
        cell: a name of the table in ``gatework.cells``.
        score: additive, dot, general or scaled.
        bidirectional: two directions, and attention to the whole sequence; no ``step`` then.
        window: how many of the latest outputs are attended to, the present one among them; None for all.
        batch_first: whether input and output are ``(B, T, ·)`` or ``(T, B, ·)``.
        dropout: between the layers.
        options: what :func:`~gatework.nn.make` passes on to the layer, ``bias`` among them; ``device`` and
            ``dtype`` are those of all parts.

    Raises:
        ConfigError: no such cell or score, or a window that makes no sense.
        TypeError: an option that neither it nor the cell's layer has.

    >>> layer = AttentionLSTM(3, 8, window=4, batch_first=True)
    >>> x = torch.randn(2, 6, 3)
    >>> y, state = layer(x)
    >>> [tuple(part.shape) for part in state]
    [(1, 2, 8), (1, 2, 8), (1, 2, 3, 8), (1, 2)]
    >>> half, state = layer(x[:, :5])
    >>> torch.allclose(layer.step(x[:, 5], state)[0], y[:, 5], atol=1e-6)
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        cell: str = "lstm",
        score: str = "general",
        bidirectional: bool = False,
        *,
        window: int | None = None,
        batch_first: bool = False,
        dropout: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        if window is not None and (type(window) is not int or window < 1):
            raise ConfigError(
                "AttentionLSTM: `window` must be a whole number of at least 1, the present step among "
                f"them, or None for all steps so far; got {window!r}."
            )
        if window is not None and bidirectional:
            raise ConfigError(
                f"AttentionLSTM: window={window} is for streams; a bidirectional layer attends to the "
                "whole sequence. Omit `window`, or set bidirectional=False."
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.cell, self.window, self.batch_first = cell, window, batch_first
        self.bidirectional, self.dropout = bidirectional, dropout
        try:
            self.layer = make(
                cell,
                input_size,
                hidden_size,
                num_layers,
                dropout=dropout,
                bidirectional=bidirectional,
                **options,
            )
        except TypeError as error:
            if not options.keys() - {"bias", "device", "dtype"}:
                raise
            raise TypeError(
                f"AttentionLSTM: not all of the options {', '.join(options)} are options of "
                f"cell={cell!r} ({error}). Its own are {', '.join(options_of(AttentionLSTM))}; others go "
                "to the layer of that cell."
            ) from None
        R = getattr(self.layer, "proj_size", 0) or hidden_size
        self.output_size = R * (2 if bidirectional else 1)
        self.attention = Attention(self.output_size, self.output_size, score)
        self.combine = nn.Linear(2 * self.output_size, self.output_size, bias=False)  # W_c
        factory: dict[str, Any] = {name: options.get(name) for name in ("device", "dtype")}
        self.attention.to(**factory)
        self.combine.to(**factory)
        self._parts = len(CELLS[cell].states)

    def extra_repr(self) -> str:
        return f"cell={self.cell!r}, window={self.window}, batch_first={self.batch_first}"

    def forward(
        self,
        input: Tensor,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
        need_weights: bool = False,
    ) -> Any:
        """Outputs of every step and the last state, as :class:`~gatework.nn.LSTM` returns them.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``.
            hx: what the last call returned; nothing when absent.  Of a bidirectional layer the layer's own
                state.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.
            resets: ``(B, T)`` bool: True clears the state and the memory just before that step.
            need_weights: whether the attention's weights are wanted, too.

        Returns:
            ``(output, state)``: output ``(B, T, D*R)``, 0 in padding; with ``need_weights``
            ``(output, state, weights)``, weights ``(B, T, M + T)``: of each step over the M outputs that the
            state brought (none without one) and those of this call.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, or resets of a bidirectional layer.
        """
        name = "AttentionLSTM.forward"
        if is_symbolic(input):
            others = {"hx": hx, "lengths": lengths, "resets": resets}
            return leaf(self, input, **others, need_weights=need_weights)
        if not isinstance(input, Tensor) or input.dim() != 3:
            came = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
            raise ValueError(
                f"{name}: `input` must be a tensor with 3 axes (batch, time, I); got {came}. Give one "
                "sequence a batch axis, and padded tensors with `lengths` instead of a PackedSequence."
            )
        checks.check_features(
            name,
            input,
            self.input_size,
            self.combine.weight,
            autocasts(input),
        )
        if lengths is not None:
            lengths = checks.check_lengths(name, lengths, input, self.batch_first)
        if resets is not None:
            resets = checks.check_resets(name, resets, input, self.batch_first)
            if self.bidirectional:
                raise ValueError(
                    f"{name}: `resets` do not go with bidirectional=True, whose attention sees the whole "
                    "sequence. Give each part as a sequence of its own."
                )
        x = input if self.batch_first else input.transpose(0, 1)
        inner, memory, count = self._split(name, hx, x)
        h, last = self.layer(x, inner, lengths=lengths, resets=resets)
        if self.bidirectional:
            context, weights = self.attention(h, h, lengths)
            y = self._combined(context, h)
        else:
            y, weights, past = self._attend(h, memory, count, lengths, resets)
            last = (*(last if isinstance(last, tuple) else (last,)), *past)
        if lengths is not None:
            inside = steps_below(lengths, x.shape[1], x.device).unsqueeze(-1)
            y, weights = y.masked_fill(~inside, 0.0), weights.masked_fill(~inside, 0.0)
        y = y if self.batch_first else y.transpose(0, 1)
        return (y, last, weights) if need_weights else (y, last)

    def step(self, x: Tensor, state: State | None = None, need_weights: bool = False) -> Any:
        """Output and state after one more observation; with a window in constant time and memory.

        Args:
            x: ``(B, I)``, one step of each sequence.
            state: what the last ``step`` or ``forward`` returned; nothing when absent.
            need_weights: whether the weights ``(B, M + 1)`` are wanted, too.

        Returns:
            ``(y, state)`` or ``(y, state, weights)``: y ``(B, R)``.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        name = "AttentionLSTM.step"
        self._refuse_both_ways(name)
        if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != self.input_size:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"{name}: `x` must be a tensor (B, I={self.input_size}); got {came}.")
        inner, memory, count = self._split(name, state, x)
        h, last = self.layer.step(x, inner)
        y, weights, past = self._attend(h.unsqueeze(1), memory, count, None, None)
        last = (*(last if isinstance(last, tuple) else (last,)), *past)
        y, weights = y.squeeze(1), weights.squeeze(1)
        return (y, last, weights) if need_weights else (y, last)

    def fan_out(self, x: Tensor, state: State) -> Tensor:
        """Outputs of one step from the same state for many inputs, as of :class:`~gatework.nn.LSTM`.

        Args:
            x: ``(*lead, m, I)`` inputs; an axis of the lead that is 1 is shared along that axis.
            state: as ``forward`` returned it, its batch axis folded into one or more.

        Returns:
            ``(*lead, m, R)``: what ``step`` would return for each input, the state left as it was.
        """
        self._refuse_both_ways("AttentionLSTM.fan_out")
        *inner, memory, count = state
        h = self.layer.fan_out(x, tuple(inner) if len(inner) > 1 else inner[0])
        lead, m, R = h.shape[:-2], h.shape[-2], h.shape[-1]
        M = memory.shape[-2]
        past = memory[0].unsqueeze(-3).expand(*lead, m, M, R).reshape(-1, M, R)
        known = count[0].unsqueeze(-1).expand(*lead, m).reshape(-1)
        y, _, _ = self._attend(h.reshape(-1, 1, R), past, known, None, None)
        return y.reshape(*lead, m, R)

    # ---- inside

    def _attend(
        self,
        h: Tensor,
        memory: Tensor,
        count: Tensor,
        lengths: Tensor | None,
        resets: Tensor | None,
    ) -> tuple[Tensor, Tensor, State]:
        """Outputs, weights and ``(memory, count)`` after the layer's outputs h ``(B, T, R)``."""
        B, T, R = h.shape
        M = memory.shape[1]
        device = h.device
        seen = torch.cat([memory, h], dim=1)
        now = torch.arange(M, M + T, device=device).unsqueeze(1)
        then = torch.arange(M + T, device=device)
        allowed = ((then <= now) & (then > now - (self.window or M + T + 1))).unsqueeze(0)
        if M:
            allowed = allowed & (then >= M - count.unsqueeze(1)).unsqueeze(1)
        parts = None
        if resets is not None:
            parts = resets.cumsum(1)  # 0 until the first reset, as what came before
            both = torch.cat([parts.new_zeros(B, M), parts], dim=1)
            allowed = allowed & (both.unsqueeze(1) == parts.unsqueeze(2))
        context, weights = self.attention(h, seen, mask=allowed)
        kept = M + T if self.window is None else min(self.window - 1, M + T)
        known, ends = count + T, None
        if lengths is not None:
            ends = lengths.to(device)
            known = count + ends
        if parts is not None:
            inside = steps_below(torch.full((B,), T) if ends is None else ends, T, device)
            reached = (
                parts.masked_fill(~inside, 0).amax(1, keepdim=True) if T else parts.sum(1, True)
            )
            since = ((parts == reached) & inside).sum(1)
            known = torch.where(reached.squeeze(1) > 0, since, known)
        known = known.clamp(max=kept)
        if ends is None:
            past = seen[:, M + T - kept :]
        else:  # the latest of each sequence, at its own end
            place = (M + ends).unsqueeze(1) - kept + torch.arange(kept, device=device)
            past = seen.gather(1, place.clamp(min=0).unsqueeze(-1).expand(B, kept, R))
        if lengths is not None or resets is not None:
            unknown = torch.arange(kept, device=device) < kept - known.unsqueeze(1)
            past = past.masked_fill(unknown.unsqueeze(-1), 0.0)
        return self._combined(context, h), weights, (past.unsqueeze(0), known.unsqueeze(0))

    def _combined(self, context: Tensor, h: Tensor) -> Tensor:
        y: Tensor = self.combine(torch.cat([context, h], dim=-1))
        return y.tanh()

    def _split(self, name: str, hx: Any, x: Tensor) -> tuple[Any, Tensor, Tensor]:
        """The layer's own state, and what it remembers of B sequences."""
        B, R = x.shape[0], self.output_size
        if hx is None or self.bidirectional:
            return hx, x.new_zeros(B, 0, R), torch.zeros(B, dtype=torch.int64, device=x.device)
        wanted = f"the {self._parts + 2} tensors that the last call returned"
        if not isinstance(hx, tuple | list) or len(hx) != self._parts + 2:
            came = f"{len(hx)} values" if isinstance(hx, tuple | list) else type(hx).__name__
            raise TypeError(f"{name}: the state must be {wanted}; got {came}.")
        *inner, memory, count = hx
        fits = memory.dim() == 4 and (*memory.shape[:2], memory.shape[3]) == (1, B, R)
        if not fits or count.shape != (1, B) or count.is_floating_point():
            raise ValueError(
                f"{name}: the state must be {wanted} for {B} sequences, ending in memory (1, {B}, M, {R}) "
                f"and whole numbers count (1, {B}); got {tuple(memory.shape)} and {count.dtype} "
                f"{tuple(count.shape)}."
            )
        return tuple(inner) if len(inner) > 1 else inner[0], memory[0], count[0]

    def _refuse_both_ways(self, name: str) -> None:
        if self.bidirectional:
            raise ValueError(
                f"{name}: a bidirectional layer needs the whole sequence; build it with "
                "bidirectional=False to stream."
            )
