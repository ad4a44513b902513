"""mLSTM: a recurrent layer with a matrix for a memory, trained in chunks and stepped one by one.

One alphabet: B batch, T time, I input, H hidden, N heads, d = H/N the size of a head, D directions, Z layers,
L the steps of a chunk.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.errors import ConfigError
from gatework.nn import checks
from gatework.nn.attention import steps_below
from gatework.nn.composed import autocasts, is_symbolic, leaf, refuse_unknown, without_steps
from gatework.nn.mlstm_cell import chunkwise, fan, recurrent_step

State = tuple[Tensor, Tensor, Tensor, Tensor]
CHUNK = 64  # steps; of 16 to 128 the quickest at T = 512 and d = 64, and at T = 1024 and d = 16
_HALF = (torch.bfloat16, torch.float16)


class MLSTM(nn.Module):
    r"""mLSTM (Beck et al. 2024, xLSTM, arXiv 2405.04517, equations 19 to 27).

    .. code-block:: text

        q = W_q x + b_q     k = (W_k x + b_k) / √d     v = W_v x + b_v     o = σ(W_o x + b_o)
        i = exp(w_i · x + b_i)                         f = σ(w_f · x + b_f)
        C' = f C + i v kᵀ                              n' = f n + i k
        h' = o * (C' q) / max(|n' · q|, 1)

    for each of N heads of d = H/N units, with one input and one forget gate a head.  The state holds C and n
    divided by exp(m), where m' = max(log f + m, log i) keeps every exponential at most 1 (equations 15 to 17
    and appendix A.3), so that an input gate of any size computes; what m is changes no output.  Nothing of h
    goes back into the gates, so that T steps are a few matrix products for each chunk of them: time and
    memory grow with T, not with T².

    From the ``xlstm`` package: the forget gate is the sigmoid, of which its cell and ours take the logarithm,
    and its bias starts between 3 and 6, head by head.  Unlike there the gates see x and not q, k and v (as
    in the paper), no 1e-6 is added to the denominator, and the norm of each head that follows the cell there
    is left to the model.

    Args:
        input_size: I.
        hidden_size: H, a multiple of ``num_heads``.
        num_layers: Z.
        num_heads: N.
        bias: whether there are biases; without them the forget gate starts at a half.
        batch_first: whether input and output are ``(B, T, ·)`` or ``(T, B, ·)``.
        dropout: between the layers.
        bidirectional: a second set of layers that goes from each sequence's end to its start.

    Parameters of a layer l: ``weight_ih_l{l} (4*H, I)``, rows q k v o, and ``weight_gates_l{l} (2*N, I)``, rows
    i f; ``bias_ih_l{l}`` and ``bias_gates_l{l}``.  The state is ``(h, C, n, m)``, ``(Z*D, B, H)``,
    ``(Z*D, B, N, d, d)``, ``(Z*D, B, N, d)`` and ``(Z*D, B, N)``; only the last three matter to a next step.
    m carries no gradient: whatever depends on the state as the layer does gets the right one through C and n.

    Raises:
        ConfigError: sizes that do not go together.

    >>> mlstm = MLSTM(3, 8, num_heads=2, batch_first=True)
    >>> y, (h, C, n, m) = mlstm(torch.zeros(4, 5, 3), lengths=[5, 2, 0, 1])
    >>> y.shape, C.shape, m.shape
    (torch.Size([4, 5, 8]), torch.Size([1, 4, 2, 4, 4]), torch.Size([1, 4, 2]))
    """

    weight_ih_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        num_heads: int = 4,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(self, unknown)
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "num_heads": num_heads,
        }
        for argument, size in sizes.items():
            if type(size) is not int or size < 1:
                raise ConfigError(
                    f"MLSTM: `{argument}` must be a whole number of at least 1; got {size!r}."
                )
        if hidden_size % num_heads:
            fitting = [n for n in range(1, hidden_size + 1) if hidden_size % n == 0]
            near = min(fitting, key=lambda n: abs(n - num_heads))
            raise ConfigError(
                f"MLSTM: hidden_size={hidden_size} must be a multiple of num_heads={num_heads}, so that each "
                f"head has as many units. Take num_heads={near}."
            )
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(
                f"MLSTM: `dropout` must be at least 0 and less than 1; got {dropout!r}."
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.num_heads, self.bias, self.batch_first = num_heads, bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * (2 if bidirectional else 1)
            for suffix in self._suffixes(layer):
                for kind, rows in (("ih", 4 * hidden_size), ("gates", 2 * num_heads)):
                    weight = torch.empty(rows, width, device=device, dtype=dtype)
                    self.register_parameter(f"weight_{kind}{suffix}", nn.Parameter(weight))
                    if bias:
                        b = torch.empty(rows, device=device, dtype=dtype)
                        self.register_parameter(f"bias_{kind}{suffix}", nn.Parameter(b))
        self.reset_parameters()

    def extra_repr(self) -> str:
        told = f"{self.input_size}, {self.hidden_size}, num_heads={self.num_heads}"
        if self.num_layers > 1:
            told += f", num_layers={self.num_layers}"
        defaults = {"bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [
            f", {n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v
        ]
        return told + "".join(changed)

    def reset_parameters(self) -> None:
        """New weights: matrices as ``torch.nn.Linear`` draws them, the gates' 0; forget biases 3 to 6."""
        N = self.num_heads
        for name, p in self.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.uniform_(p, -1 / math.sqrt(p.shape[1]), 1 / math.sqrt(p.shape[1]))
            else:
                nn.init.zeros_(p)
            if name.startswith("bias_gates"):
                with torch.no_grad():
                    p[:N].normal_(0.0, 0.1)
                    p[N:] = torch.linspace(3.0, 6.0, N)

    def forward(
        self,
        input: Tensor,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Outputs of every step and the last state, as :class:`~gatework.nn.LSTM` returns them.

        Args:
            input: ``(B, T, I)`` with ``batch_first``, else ``(T, B, I)``.
            hx: ``(h, C, n, m)``, what the last call returned; zeros when absent.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.
            resets: ``(B, T)`` bool: True clears the state just before that step.

        Returns:
            ``(output, state)``: output ``(B, T, D*H)``, 0 in padding.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
        """
        name = "MLSTM.forward"
        if is_symbolic(input):
            return leaf(self, input, hx=hx, lengths=lengths, resets=resets)
        if not isinstance(input, Tensor) or input.dim() != 3:
            came = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
            raise ValueError(
                f"{name}: `input` must be a tensor with 3 axes (batch, time, I); got {came}. Give one "
                "sequence a batch axis, and padded tensors with `lengths` instead of a PackedSequence."
            )
        casts = autocasts(input)
        checks.check_features(name, input, self.input_size, self.weight_ih_l0, casts)
        x = input if self.batch_first else input.transpose(0, 1)
        state = self._state(name, hx, x)
        valid = None
        if lengths is not None:
            counts = checks.check_lengths(name, lengths, input, self.batch_first)
            valid = steps_below(counts, x.shape[1], x.device)
            x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
        if resets is not None:
            resets = checks.check_resets(name, resets, input, self.batch_first)
        last = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for d, suffix in enumerate(self._suffixes(layer)):
                row = layer * (2 if self.bidirectional else 1) + d
                first = tuple(s[row] for s in state)
                y, after = self._direction(suffix, x, first, valid, resets, d == 1)
                outputs.append(y)
                last.append(after)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        h, C, n, m = (torch.stack(parts) for parts in zip(*last, strict=True))
        return x if self.batch_first else x.transpose(0, 1), (h, C, n, m)

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
        name = "MLSTM.step"
        self._refuse_both_ways(name)
        if not isinstance(x, Tensor) or x.dim() != 2:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"{name}: `x` must be a tensor (B, I={self.input_size}); got {came}.")
        casts = autocasts(x)
        checks.check_features(name, x, self.input_size, self.weight_ih_l0, casts)
        before = self._state(name, state, x)
        last = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            _, C, n, m = (s[layer] for s in before)
            q, k, v, o, i, f = self._projected(f"_l{layer}", x)
            C, n, m = (s.to(q.dtype) for s in (C, n, m))
            h, C, n, m = recurrent_step(q, k, v, i, f, C, n, m)
            x = (o * h.flatten(-2)).to(x.dtype)
            last.append((x, *(s.to(x.dtype) for s in (C, n, m))))
        h, C, n, m = (torch.stack(parts) for parts in zip(*last, strict=True))
        return x, (h, C, n, m)

    def fan_out(self, x: Tensor, state: Any) -> Tensor:
        """Outputs of one step from the same state for many inputs, as of :class:`~gatework.nn.LSTM`.

        The new C of an input is never made: what is asked of it is f (C q) + i v (k · q).

        Args:
            x: ``(*lead, m, I)`` inputs; an axis of the lead that is 1 is shared along that axis.
            state: ``(Z, *lead, ·)``, as ``forward`` returned it, its batch axis folded into one or more.

        Returns:
            ``(*lead, m, H)``: what ``step`` would return for each input, the state left as it was.
        """
        name = "MLSTM.fan_out"
        self._refuse_both_ways(name)
        if not isinstance(state, tuple | list) or len(state) != 4:
            came = f"{len(state)} values" if isinstance(state, tuple | list) else "a tensor"
            raise TypeError(
                f"{name}: `state` must be (h, C, n, m), as forward returned it; got {came}."
            )
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: `x` has {x.shape[-1]} features in its last axis, this layer was built with "
                f"input_size={self.input_size}. Got shape {tuple(x.shape)}."
            )
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            q, k, v, o, i, f = self._projected(f"_l{layer}", x)
            C, n, m = (s[layer].to(q.dtype) for s in state[1:])
            x = (o * fan(q, k, v, i, f, C, n, m).flatten(-2)).to(x.dtype)
        return x

    # ---- inside

    def _direction(
        self,
        suffix: str,
        x: Tensor,
        state: tuple[Tensor, ...],
        valid: Tensor | None,
        resets: Tensor | None,
        backwards: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One direction of one layer over x ``(B, T, ·)``."""
        B, T, _ = x.shape
        h0, C, n, m = state
        turned = None
        if backwards:  # each sequence from its own end; padding stays where it is
            turned = torch.arange(T - 1, -1, -1, device=x.device).expand(B, T)
            if valid is not None:
                turned = turned - (T - valid.sum(1, keepdim=True))
                turned = torch.where(turned >= 0, turned, torch.arange(T, device=x.device))
            x = x.gather(1, turned.unsqueeze(-1).expand_as(x))
            resets = None if resets is None else resets.gather(1, turned)
        if T == 0:
            own = [p for name, p in self.named_parameters() if name.endswith(suffix)]
            y = without_steps(x, (B, 0, self.hidden_size), own)
            return y, (h0 + y.sum(), C + y.sum(), n + y.sum(), m)
        q, k, v, o, i, f = self._projected(suffix, x)
        C, n, m = (s.to(q.dtype) for s in (C, n, m))
        h, C, n, m = chunkwise(q, k, v, i, f, C, n, m, valid, resets, CHUNK)
        y = (o * h.flatten(-2)).to(x.dtype)
        final = y[:, -1]
        if valid is not None:
            y = y.masked_fill(~valid.unsqueeze(-1), 0.0)
            counts = valid.sum(1)
            place = (counts - 1).clamp(min=0).view(B, 1, 1).expand(B, 1, self.hidden_size)
            final = torch.where((counts > 0).unsqueeze(1), y.gather(1, place).squeeze(1), h0)
        if turned is not None:
            y = y.gather(1, turned.unsqueeze(-1).expand_as(y))
        return y, (final, *(s.to(x.dtype) for s in (C, n, m)))

    def _projected(self, suffix: str, x: Tensor) -> tuple[Tensor, ...]:
        """q, k, v ``(..., N, d)``, k divided by √d; o ``(..., H)``; logarithms of i and f ``(..., N)``."""
        found, half = [], x.dtype in _HALF
        for kind in ("ih", "gates"):
            weight = getattr(self, f"weight_{kind}{suffix}")
            bias = getattr(self, f"bias_{kind}{suffix}") if self.bias else None
            if half:
                weight, bias = weight.float(), None if bias is None else bias.float()
            found.append(F.linear(x.float() if half else x, weight, bias))
        if found[0].dtype in _HALF:  # autocast
            found = [t.float() for t in found]
        q, k, v, o = found[0].chunk(4, dim=-1)
        i, f = found[1].chunk(2, dim=-1)
        N, d = self.num_heads, self.hidden_size // self.num_heads
        q, k, v = (t.reshape(*t.shape[:-1], N, d) for t in (q, k / math.sqrt(d), v))
        return q, k, v, o.sigmoid(), i, F.logsigmoid(f)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 2 if self.bidirectional else 1]

    def _state_shapes(self, B: int) -> tuple[tuple[int, ...], ...]:
        rows = self.num_layers * (2 if self.bidirectional else 1)
        N, d = self.num_heads, self.hidden_size // self.num_heads
        return (rows, B, self.hidden_size), (rows, B, N, d, d), (rows, B, N, d), (rows, B, N)

    def _state(self, name: str, hx: Any, x: Tensor) -> State:
        """The initial state, checked; zeros when absent."""
        shapes = self._state_shapes(x.shape[0])
        if hx is None:
            h, C, n, m = (x.new_zeros(shape) for shape in shapes)
            return h, C, n, m
        if not isinstance(hx, tuple | list) or len(hx) != 4:
            came = f"{len(hx)} values" if isinstance(hx, tuple | list) else type(hx).__name__
            raise TypeError(f"{name}: the state must be (h, C, n, m); got {came}.")
        for letter, s, shape in zip("hCnm", hx, shapes, strict=True):
            if not isinstance(s, Tensor) or s.shape != shape:
                size: object = tuple(s.shape) if isinstance(s, Tensor) else type(s).__name__
                raise ValueError(
                    f"{name}: the state's {letter} must have shape {shape}; got {size}."
                )
            if s.dtype != x.dtype or s.device != x.device:
                raise ValueError(
                    f"{name}: the state's {letter} is {s.dtype} on {s.device}, the input {x.dtype} on "
                    f"{x.device}. Convert it: {letter}.to(input)."
                )
        h, C, n, m = hx
        return h, C, n, m

    def _refuse_both_ways(self, name: str) -> None:
        if self.bidirectional:
            raise ValueError(
                f"{name}: a bidirectional layer needs the whole sequence; build it with "
                "bidirectional=False."
            )
