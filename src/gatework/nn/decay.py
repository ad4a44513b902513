"""A GRU for values that are missing and steps that are not as far from each other: GRU-D."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.nn import operators, reference
from gatework.nn.composed import (
    ComposedLayer,
    State,
    at_end,
    is_symbolic,
    leaf,
    refuse_unknown,
    turned,
)
from gatework.nn.engine import Modifiers
from gatework.nn.layer import RecurrentLayer
from gatework.nn.missing_times import Seen, seen_until

_HALF = (torch.bfloat16, torch.float16)


class GRUD(ComposedLayer):
    """GRU-D (Che et al. 2018, Scientific Reports 8:6085, arXiv 1606.01865, section 2.2): what is old fades.

    .. code-block:: text

        δ = gap + (0 where m of the step before is 1, else δ of the step before)      0 at the first step
        γ_x = exp(-max(0, w_x * δ + b_x))         γ_h = exp(-max(0, W_γ δ + b_γ))
        x̂ = m * x + (1 - m) * (γ_x * x_last + (1 - γ_x) * mean)
        h' = GRU([x̂, m], γ_h * h)

    m is 1 where a value is there and 0 where it is missing, δ the time since each variable was last seen,
    ``mean`` what is expected of a variable that nobody has looked at for long.  In the layers above the first
    nothing is missing, and δ is the gap.

    Where we differ: the GRU is torch's, whose reset gate acts after the product; several layers and two
    directions; no batch normalisation and, between layers, torch's dropout alone; before a variable was first
    seen, x_last is its mean; decay begins at W_γ between 0 and 1/I and w_x between 0 and 1 with biases 0, so
    that all can learn.  So give gaps in a unit in which they are about 1: after 100 of them little is left, and
    little is learned.

    Args:
        input_size: I, the variables; the mask is made here and not counted.
        means: ``(I,)``, of the training data; 0 when absent, what scaled data have.  Kept in ``state_dict``.

    Parameters of a layer l beside torch's (``weight_ih_l0 (3*H, 2*I)``, columns x̂, m):
    ``weight_decay_l{l}``, ``(H, I)`` and above ``(H, 1)``, ``bias_decay_l{l} (H,)``; of the first
    ``weight_input_decay_l0`` and ``bias_input_decay_l0``, ``(I,)``.

    State: ``(h, last, since)``: h ``(Z*D, B, H)``; last ``(D, B, I)``, each variable's last value less its
    mean; since ``(D, B, I)``, the time since then.  Zeros are a state that has seen nothing.

    Raises:
        ConfigError: a size below 1, a rate outside 0 to 1, means that are not as many as the variables.

    >>> layer = GRUD(2, 8, batch_first=True)
    >>> x = torch.tensor([[[1.0, 5.0], [2.0, torch.nan], [torch.nan, torch.nan]]])
    >>> y, (h, last, since) = layer(x, gaps=torch.tensor([[0.0, 0.5, 2.0]]))
    >>> y.shape, last[0].tolist(), since[0].tolist()
    (torch.Size([1, 3, 8]), [[2.0, 5.0]], [[2.0, 2.5]])
    """

    cell = "gru_d"
    means: Tensor
    _code = cast("int", CELLS["gru"].code)

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
        means: Any = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        refuse_unknown(self, unknown)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        H, I = hidden_size, input_size  # noqa: E741
        for z in range(num_layers):
            width = H * (2 if bidirectional else 1)
            kinds: dict[str, tuple[int, ...]] = {
                "weight_ih": (3 * H, width if z else 2 * I),
                "weight_hh": (3 * H, H),
                "bias_ih": (3 * H,),
                "bias_hh": (3 * H,),
                "weight_decay": (H, 1 if z else I),
                "bias_decay": (H,),
            }
            if z == 0:
                kinds |= {"weight_input_decay": (I,), "bias_input_decay": (I,)}
            for suffix in self._suffixes(z):
                self._make_weights(kinds, suffix, factory)
        expected = torch.zeros(I, **factory)
        if means is not None:
            expected.copy_(_as_means(means, I))
        self.register_buffer("means", expected)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The GRU's uniform within ±1/√H, as torch draws them; decay as the class says."""
        super().reset_parameters()
        for name, p in self.named_parameters():
            if name.startswith("weight_decay"):
                nn.init.uniform_(p, 0.0, 1.0 / p.shape[1])
            elif name.startswith("weight_input_decay"):
                nn.init.uniform_(p, 0.0, 1.0)
            elif "decay" in name:
                nn.init.zeros_(p)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
        gaps: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Any, State]:
        """Outputs of every step and the last state, as :class:`~gatework.nn.GRU` returns them.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``, or a ``PackedSequence``; NaN is
                missing, unless there is a ``mask``.
            hx: ``(h, last, since)``, what the last call returned; when absent, nothing was seen, and time
                begins at the first step, whose gap is not read.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.
            resets: ``(B, T)`` bool: True forgets all, just before that step; its gap is not read.
            gaps: ``(B, T)`` time since the step before, at least 0; 1 when absent.  The reverse direction takes
                each from its other side; the first there has none.
            mask: as ``input``, 1 or True where a value is there; others are not read.

        Returns:
            ``(output, state)``: output ``(B, T, D*H)``, 0 in padding.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, negative gaps, an observed NaN, named.
        """
        if is_symbolic(input):
            others = {"hx": hx, "lengths": lengths, "resets": resets, "gaps": gaps, "mask": mask}
            return leaf(self, input, **others)
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, lengths, resets, gaps=gaps, mask=mask)
        name = "GRUD.forward"
        x, state, counts, valid, resets = self._begin(name, input, hx, lengths, resets)
        observed = self._observed(name, x, mask, valid)
        gaps = self._gaps(name, gaps, x, valid, resets, fresh=hx is None)
        dtype = self.weight_ih_l0.dtype
        dtype = torch.float32 if dtype in _HALF else dtype
        x, gaps, means = x.to(dtype), gaps.to(dtype), self.means.to(dtype)
        if state is None:
            state = tuple(x.new_zeros(shape) for shape in self._state_shapes(x.shape[0]))
        h, last, since = (s.to(dtype) for s in state)
        x = torch.where(observed, x - means, 0.0)  # less the mean: what fades goes to 0
        hs: list[Tensor] = []
        lasts: list[Tensor] = []
        sinces: list[Tensor] = []
        for z in range(self.num_layers):
            if z:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for d, suffix in enumerate(self._suffixes(z)):
                own, there, times, clear = x, observed, gaps, resets
                if d == 1:
                    own, there = turned(own, valid), turned(there, valid)
                    times = _turned_gaps(times, valid)
                    clear = None if clear is None else turned(clear, valid)
                if z == 0:
                    first = Seen(last[d], since[d])
                    own, delta, seen = self._filled(suffix, own, there, times, clear, first)
                    lasts.append(at_end(seen.last, last[d], counts))
                    sinces.append(at_end(seen.since, since[d], counts))
                else:
                    delta = times.unsqueeze(-1)
                scale = self._fade(suffix, delta)
                y, after = self._gru(suffix, own, h[len(hs)], scale, counts, clear)
                outputs.append(turned(y, valid) if d == 1 else y)
                hs.append(after)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        final = (torch.stack(parts).to(input.dtype) for parts in (hs, lasts, sinces))
        x = x.to(input.dtype)
        return x if self.batch_first else x.transpose(0, 1), tuple(final)

    def step(
        self,
        x: Tensor,
        state: State | None = None,
        gap: Tensor | float | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Output and state after one more observation, in constant time and memory.

        Args:
            x: ``(B, I)``, one step of each sequence; NaN is missing.
            state: what the last ``step`` or ``forward`` returned; when absent, nothing was seen.
            gap: time since the step before, one for all or ``(B,)``; 1 when absent.
            mask: ``(B, I)``, see ``forward``.

        Returns:
            ``(h (B, H), state)``.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        self._check_step("GRUD.step", x)
        axis = 1 if self.batch_first else 0
        gaps = None
        if gap is not None:
            gaps = torch.as_tensor(gap, dtype=torch.float64, device=x.device)
            if gaps.shape not in ((), (x.shape[0],)):
                raise ValueError(
                    f"GRUD.step: `gap` must be a number, or one for each of the {x.shape[0]} sequences; got "
                    f"shape {tuple(gaps.shape)}."
                )
            gaps = gaps.expand(x.shape[0]).unsqueeze(1)
        mask = None if mask is None else torch.as_tensor(mask).unsqueeze(axis)
        y, state = self(x.unsqueeze(axis), state, gaps=gaps, mask=mask)
        return y.squeeze(axis), state

    def fan_out(self, x: Tensor, state: Any, gap: float | None = None) -> Tensor:
        """Outputs of one step from the same state for many inputs, as of :class:`~gatework.nn.GRU`.

        Args:
            x: ``(*lead, m, I)`` inputs, NaN is missing; an axis of the lead that is 1 is shared along it.
            state: ``(h, last, since)``, as ``forward`` returned it, each batch axis folded into one or more.
            gap: time since the step before; 1 when absent.

        Returns:
            ``(*lead, m, H)``: what ``step`` would return for each input, the state left as it was.
        """
        self._check_fan_out(x, state)
        gap = 1.0 if gap is None else float(gap)
        if not 0 <= gap < math.inf:
            raise ValueError(f"GRUD.fan_out: `gap` must be a time of at least 0; got {gap}.")
        h, last, since = state
        delta = since[0].unsqueeze(-2) + gap
        observed = ~torch.isnan(x)
        faded = self._input_fade("_l0", delta) * last[0].unsqueeze(-2) + self.means
        x_hat = torch.where(observed, x, faded)
        x = torch.cat([x_hat, observed.to(x.dtype).expand_as(x_hat)], dim=-1)
        for z in range(self.num_layers):
            if z:
                delta = x.new_full((1,), gap)
            W_ih, W_hh, b_ih, b_hh = self._four(f"_l{z}")
            before = h[z].unsqueeze(-2) * self._fade(f"_l{z}", delta)
            from_x, from_h = F.linear(x, W_ih, b_ih), F.linear(before, W_hh, b_hh)
            x = reference.POINTWISE["gru"](from_x, from_h, (before,), None)[0]
            x = F.dropout(x, self.dropout, self.training and z < self.num_layers - 1)
        return x

    # ---- inside

    def _state_shapes(self, B: int) -> tuple[tuple[int, ...], ...]:
        D = 2 if self.bidirectional else 1
        seen = (D, B, self.input_size)
        return (self.num_layers * D, B, self.hidden_size), seen, seen

    def _observed(self, name: str, x: Tensor, mask: Any, valid: Tensor | None) -> Tensor:
        """``(B, T, I)`` bool: a value is there."""
        observed = ~torch.isnan(x)
        if mask is not None:
            given = torch.as_tensor(mask, device=x.device)
            given = given if self.batch_first else given.transpose(0, 1)
            if given.shape != x.shape:
                raise ValueError(
                    f"{name}: `mask` must be as `input`, {tuple(x.shape)} with the batch first; got "
                    f"{tuple(given.shape)}."
                )
            if valid is not None:
                given = given.masked_fill(~valid.unsqueeze(-1), 0)
            if given.dtype != torch.bool and _values_known(x):
                other = given[(given != 0) & (given != 1)]
                if len(other):
                    raise ValueError(
                        f"{name}: `mask` must be bool, or 1 where a value is there and 0 where none is; got "
                        f"{other[0].item()}. Choose a threshold: mask > 0.5."
                    )
            given = given.bool()
            if _values_known(x) and bool((given & ~observed).any()):
                b, t, i = (given & ~observed).nonzero()[0].tolist()
                raise ValueError(
                    f"{name}: `input` is NaN where `mask` says that a value is there, first at sequence {b}, "
                    f"step {t}, variable {i}. Set the mask to 0 there, or leave it out: NaN is missing."
                )
            observed = given
        return observed if valid is None else observed & valid.unsqueeze(-1)

    def _gaps(
        self,
        name: str,
        gaps: Any,
        x: Tensor,
        valid: Tensor | None,
        resets: Tensor | None,
        fresh: bool,
    ) -> Tensor:
        """``(B, T)`` float64, 0 where time begins and in padding."""
        B, T, _ = x.shape
        if gaps is None:
            gaps = torch.ones(B, T, dtype=torch.float64, device=x.device)
        gaps = torch.as_tensor(gaps, device=x.device).to(torch.float64)
        if gaps.shape != (B, T):
            raise ValueError(
                f"{name}: `gaps` must have shape (B={B}, T={T}), the batch first whatever batch_first is; "
                f"got {tuple(gaps.shape)}."
            )
        if valid is not None:
            gaps = gaps.masked_fill(~valid, 0.0)
        if fresh and T:
            gaps = torch.cat([torch.zeros_like(gaps[:, :1]), gaps[:, 1:]], dim=1)
        read: Tensor = (
            gaps if resets is None or self.bidirectional else gaps.masked_fill(resets, 0.0)
        )
        if _values_known(x) and not bool((read >= 0).all() & read.isfinite().all()):
            b, t = (~((read >= 0) & read.isfinite())).nonzero()[0].tolist()
            raise ValueError(
                f"{name}: `gaps` must be times of at least 0; got {float(read[b, t])} at sequence {b}, step "
                f"{t}. Sort the steps by time; two at the same time have a gap of 0."
            )
        return read

    def _filled(
        self,
        suffix: str,
        x: Tensor,
        observed: Tensor,
        gaps: Tensor,
        resets: Tensor | None,
        first: Seen,
    ) -> tuple[Tensor, Tensor, Seen]:
        """``[x̂, m] (B, T, 2*I)``, δ and what was last seen; x less its mean, 0 where missing."""
        seen, delta = seen_until(x, observed, gaps, resets, first)
        faded = torch.where(observed, x, self._input_fade(suffix, delta) * seen.last)
        x_hat = faded + self.means.to(x.dtype)
        return torch.cat([x_hat, observed.to(x.dtype)], dim=-1), delta, seen

    def _input_fade(self, suffix: str, delta: Tensor) -> Tensor:
        w, b = self._get("weight_input_decay", suffix), self._get("bias_input_decay", suffix)
        assert w is not None
        sums = delta * w.to(delta.dtype)
        return torch.exp(-F.relu(sums if b is None else sums + b.to(delta.dtype)))

    def _fade(self, suffix: str, delta: Tensor) -> Tensor:
        W, b = self._get("weight_decay", suffix), self._get("bias_decay", suffix)
        assert W is not None
        W, b = W.to(delta.dtype), None if b is None else b.to(delta.dtype)
        return torch.exp(-F.relu(F.linear(delta, W, b))).to(delta.dtype)

    def _four(self, suffix: str) -> list[Any]:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [self._get(kind, suffix) for kind in kinds]

    def _gru(
        self,
        suffix: str,
        x: Tensor,
        h: Tensor,
        scale: Tensor,
        counts: Tensor | None,
        resets: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Outputs ``(B, T, H)`` and last h ``(B, H)`` of one direction of one layer."""
        four = self._four(suffix)
        weights = [w.to(x.dtype) for w in four if w is not None]
        # only reads the kinds of tensors, and no attribute that another layer lacks
        like = cast("RecurrentLayer", self)
        route = RecurrentLayer._route(like, x, (h, scale), [weights])
        if route == "reference":
            y, (h,) = reference.layer(
                "gru",
                x,
                (h,),
                weights,
                lengths=counts,
                resets=resets,
                scale=scale,
                decay=True,
            )
            return y, h
        call = operators.recurrent if route == "engine" else operators.recurrent_operator
        modifiers = Modifiers(scale=scale, decay=True)
        y, last, _ = call(
            x,
            h.unsqueeze(0),
            None,
            weights,
            counts,
            None,
            resets,
            self._code,
            1,
            True,
            modifiers,
        )
        return y, last[0]

    # what the choice of ways asks of a layer
    weight_ih_l0: Tensor
    _has_options = True


def _values_known(x: Tensor) -> bool:
    """Whether values may be looked at: not while a graph is recorded or a function transformed."""
    return not (
        x.is_meta
        or torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
    )


def _turned_gaps(gaps: Tensor, valid: Tensor | None) -> Tensor:
    """Gaps as the reverse direction has them: a step's is that to the one after it."""
    after = torch.cat([gaps[:, 1:], torch.zeros_like(gaps[:, :1])], dim=1)
    return turned(after, valid)


def _as_means(means: Any, I: int) -> Tensor:  # noqa: E741
    try:
        found = torch.as_tensor(means, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        found = torch.empty(0, 0)
    if found.shape != (I,) or not bool(found.isfinite().all()):
        raise ConfigError(
            f"GRUD: `means` must be {I} finite numbers, one for each variable; got {means!r}. Take those of "
            "the training data, or leave it out for 0."
        )
    return found
