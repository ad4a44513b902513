"""Convolutional LSTM: a state with the shape of an image, products that are convolutions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from gatework.nn import checks, planes
from gatework.nn import convolutional_reference as reference
from gatework.nn.composed import is_symbolic, leaf, refuse_unknown

State = tuple[Tensor, Tensor]
_PLAIN = {Tensor, nn.Parameter}
_DTYPES = (torch.float32, torch.float64)
_HALF = (torch.bfloat16, torch.float16)


class _ConvLSTM(nn.Module):
    """What ConvLSTM1d, 2d and 3d share."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | tuple[int, ...],
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = True,
        peepholes: bool = False,
        size: int | tuple[int, ...] | None = None,
        forget_bias: float = 1.0,
        bidirectional: bool = False,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(self, unknown)
        name = type(self).__name__
        for argument, value in (
            ("in_channels", in_channels), ("hidden_channels", hidden_channels), ("num_layers", num_layers),
        ):  # fmt: skip
            _check_whole(name, argument, value)
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.kernel_size = _per_axis(name, "kernel_size", kernel_size, self.axes)
        if any(k % 2 == 0 for k in self.kernel_size):
            raise ValueError(
                f"{name}: `kernel_size` must be odd, so that a position has as many neighbours on each side "
                f"and the size stays; got {kernel_size}. Take one more or one less."
            )
        if peepholes and size is None:
            raise ValueError(
                f"{name}: peepholes=True needs `size`, the size of the images: each channel and position "
                "has its own weight. Give for instance "
                f"size={(64,) * self.axes if self.axes > 1 else 64}, or leave peepholes out."
            )
        if size is not None and not peepholes:
            raise ValueError(
                f"{name}: `size` is of use with peepholes=True only; got {size}. Without peepholes the "
                "layer takes images of every size: omit it."
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: `dropout` must lie between 0 and 1; got {dropout}.")
        self.size = None if size is None else _per_axis(name, "size", size, self.axes)
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.forget_bias, self.bidirectional, self.dropout = forget_bias, bidirectional, dropout
        H, D = hidden_channels, 2 if bidirectional else 1
        for number in range(num_layers):
            C = in_channels if number == 0 else D * H
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (4 * H, C, *self.kernel_size),
                "weight_hh": (4 * H, H, *self.kernel_size),
            }
            if bias:
                shapes["bias"] = (4 * H,)
            if self.size is not None:
                shapes["weight_p"] = (3, H, *self.size)
            for suffix in self._suffixes(number):
                for kind, shape in shapes.items():
                    empty = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(kind + suffix, nn.Parameter(empty))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New weights, uniform within ``1 / sqrt(inputs of a gate)``; bias 0, ``forget_bias`` for f."""
        H = self.hidden_channels
        for name, parameter in self.named_parameters():
            with torch.no_grad():
                if name.startswith("weight_p"):
                    parameter.zero_()
                elif name.startswith("bias"):
                    parameter.zero_()
                    parameter[H : 2 * H] = self.forget_bias
                else:
                    W_ih = getattr(self, name.replace("weight_hh", "weight_ih"))
                    inputs = (W_ih.shape[1] + H) * math.prod(self.kernel_size)
                    parameter.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs))

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        parts = [f"{self.in_channels}, {self.hidden_channels}, kernel_size={self.kernel_size}"]
        defaults = {
            "num_layers": 1, "bias": True, "batch_first": True, "size": None, "forget_bias": 1.0,
            "bidirectional": False, "dropout": 0.0,
        }  # fmt: skip
        for argument, default in defaults.items():
            value = getattr(self, argument)
            if value != default:
                parts.append(f"{'peepholes=True, ' * (argument == 'size')}{argument}={value}")
        return ", ".join(parts)

    # ---- the ways in

    def forward(
        self,
        input: Tensor,
        hx: State | None = None,
        lengths: Tensor | list[int] | None = None,
    ) -> tuple[Tensor, State]:
        """Outputs of every step and the last state.

        Args:
            input: ``(B, T, C, *S)``, without ``batch_first`` ``(T, B, C, *S)``.
            hx: initial state ``(h, c)``, each ``(Z*D, B, H, *S)``; zeros when absent.
            lengths: ``(B,)`` integers, 0 to T: the valid steps of each sequence, in any order.  Outputs
                after a sequence's end are 0 and its state is that of its last valid step.

        Returns:
            ``(output, (h, c))``: output ``(B, T, D*H, *S)``, states ``(Z*D, B, H, *S)``.  Without steps
            (T = 0) the state passes.  Channels lie side by side in memory: ``output.reshape`` works where
            ``output.view`` asks for another layout.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
            TypeError: something that is not the kind of value the argument takes.
        """
        name = f"{type(self).__name__}.forward"
        if is_symbolic(input):
            return leaf(self, input, hx=hx, lengths=lengths)
        self._check_input(name, input, "T")
        if lengths is not None:
            one = input
            for _ in range(self.axes):
                one = one[..., 0]  # in the end (B, T, C)
            lengths = checks.check_lengths(name, lengths, one, self.batch_first)
        x = input if self.batch_first else input.transpose(0, 1)
        y, state = self._run(name, x, hx, lengths)
        return y if self.batch_first else y.transpose(0, 1), state

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Output and state after one more image, in constant time and memory.

        Args:
            x: ``(B, C, *S)``, one step of each sequence.
            state: what the last ``step`` or ``forward`` returned; zeros when absent.

        Returns:
            ``(h, state)``: output ``(B, H, *S)`` of the top layer and the new state.

        Raises:
            ValueError: the layer is bidirectional, or sizes do not fit.
        """
        name = f"{type(self).__name__}.step"
        if self.bidirectional:
            raise ValueError(
                f"{name}: a bidirectional layer needs the whole sequence; build it with "
                "bidirectional=False to stream."
            )
        self._check_input(name, x, "")
        y, state = self._run(name, x.unsqueeze(1), state, None)
        return y.squeeze(1), state

    # ---- the stack

    def _run(self, name: str, x: Tensor, hx: Any, lengths: Tensor | None) -> tuple[Tensor, State]:
        B, T = x.shape[:2]
        D, H, space = 2 if self.bidirectional else 1, self.hidden_channels, x.shape[3:]
        state: tuple[Tensor, ...] = ()
        if hx is not None:
            state = self._check_state(name, hx, (self.num_layers * D, B, H, *space), x)
        half = x.dtype if x.dtype in _HALF else None
        if half is not None:
            x, state = x.float(), tuple(s.float() for s in state)
        hs, cs = [], []
        for number in range(self.num_layers):
            if number:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for d, suffix in enumerate(self._suffixes(number)):
                row = number * D + d
                h0, c0 = (state[0][row], state[1][row]) if state else (None, None)
                weights = self._weights(suffix)
                if half is not None:
                    weights = tuple(None if w is None else w.float() for w in weights)
                run = self._engine if self._on_engine(x, h0, c0, *weights) and T else self._loop
                y, h, c = run(x, h0, c0, weights, lengths, d == 1)
                outputs.append(y)
                hs.append(h)
                cs.append(c)
            x = outputs[0] if D == 1 else torch.cat(outputs, dim=2)
        last = torch.stack(hs), torch.stack(cs)
        if half is not None:
            return x.to(half), (last[0].to(half), last[1].to(half))
        return x, last

    def _suffixes(self, number: int) -> list[str]:
        return [f"_l{number}", f"_l{number}_reverse"][: 2 if self.bidirectional else 1]

    def _weights(self, suffix: str) -> tuple[Tensor | None, ...]:
        """W_ih, W_hh, bias, W_p."""
        return (
            getattr(self, "weight_ih" + suffix),
            getattr(self, "weight_hh" + suffix),
            getattr(self, "bias" + suffix) if self.bias else None,
            None if self.size is None else getattr(self, "weight_p" + suffix),
        )

    def _on_engine(self, *tensors: Tensor | None) -> bool:
        """Plain tensors on the CPU, and nobody who looks into each operation."""
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return False
        if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
            return False
        if torch._C._len_torch_dispatch_stack():
            return False
        return all(
            t is None or (type(t) in _PLAIN and t.is_cpu and t.dtype in _DTYPES) for t in tensors
        )

    def _loop(
        self, x: Tensor, h0: Any, c0: Any, weights: Any, lengths: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """By the readable loop: differentiable as often as wanted, on any device."""
        if h0 is None:
            h0 = c0 = x.new_zeros((x.shape[0], self.hidden_channels, *x.shape[3:]))
        return reference.layer(x, h0, c0, *weights, lengths=lengths, reverse=reverse)

    def _engine(
        self, x: Tensor, h0: Any, c0: Any, weights: Any, lengths: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """By the engine: sequences in the order of falling length, two or three axes of space."""
        T = x.shape[1]
        if lengths is not None and (lengths.numel() == 0 or int(lengths.min()) == T):
            lengths = None
        back = turned = active = None
        if reverse:
            turned = _turned(T, lengths)
            x = _take(x, turned)
        if lengths is not None:
            order = lengths.argsort(descending=True, stable=True)
            back = order.argsort()
            x, h0, c0 = x[order], *(None if s is None else s[order] for s in (h0, c0))
            active = (lengths > torch.arange(T).unsqueeze(1)).sum(1).tolist()
        W_ih, W_hh, bias, W_p = weights
        flat = self.axes == 1  # a height of 1
        if flat:
            x = x.unsqueeze(-2)
            h0, c0, W_ih, W_hh, W_p = (
                None if t is None else t.unsqueeze(-2) for t in (h0, c0, W_ih, W_hh, W_p)
            )
        y, h, c = planes.sequence(x, h0, c0, W_ih, W_hh, bias, W_p, active)
        if flat:
            y, h, c = y.squeeze(-2), h.squeeze(-2), c.squeeze(-2)
        if back is not None:
            y, h, c = y[back], h[back], c[back]
        return (y if turned is None else _take(y, turned)), h, c

    # ---- checks

    def _check_input(self, name: str, x: Any, steps: str) -> None:
        argument = "input" if steps else "x"
        letters = ("B, T, C" if self.batch_first else "T, B, C") if steps else "B, C"
        space = ", ".join("DHW"[3 - self.axes :])
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}: `{argument}` must be a tensor ({letters}, {space}); got {type(x).__name__}."
            )
        checks.check_layout(name, f"`{argument}`", x)
        axes = self.axes + 2 + bool(steps)
        if x.dim() != axes:
            advice = ""
            if steps and x.dim() == axes - 1:
                advice = " Add the axis that is missing, for a single sequence x.unsqueeze(0)."
            raise ValueError(
                f"{name}: `{argument}` must have {axes} axes ({letters}, {space}); "
                f"got shape {tuple(x.shape)}.{advice}"
            )
        channels = x.shape[-self.axes - 1]
        if channels != self.in_channels:
            raise ValueError(
                f"{name}: `{argument}` has {channels} channels, this layer was built with "
                f"in_channels={self.in_channels}. Got shape {tuple(x.shape)}, read as ({letters}, {space}). "
                f"Check the order of the axes, or rebuild with in_channels={channels}."
            )
        came = tuple(x.shape[-self.axes :])
        if self.size is not None and came != self.size:
            raise ValueError(
                f"{name}: `{argument}` has images of {came}, this layer's peepholes were built for "
                f"size={self.size}. Resize the images, or build it with size={came} or without peepholes."
            )
        if 0 in came:
            raise ValueError(f"{name}: `{argument}` has no positions; got shape {tuple(x.shape)}.")
        weight = self._weights("_l0")[0]
        assert weight is not None
        if x.dtype != weight.dtype:
            raise ValueError(
                f"{name}: `{argument}` is {x.dtype}, this layer's weights are {weight.dtype}. Convert the "
                f"input, {argument}.to({weight.dtype}), or the layer, layer.to({x.dtype})."
            )
        if x.device != weight.device:
            raise ValueError(
                f"{name}: `{argument}` is on {x.device}, this layer's weights are on {weight.device}. "
                f"Move one of them: layer.to({str(x.device)!r})."
            )

    def _check_state(self, name: str, hx: Any, shape: tuple[int, ...], x: Tensor) -> State:
        if not (isinstance(hx, tuple | list) and len(hx) == 2):
            came = f"{len(hx)} values" if isinstance(hx, tuple | list) else type(hx).__name__
            raise TypeError(
                f"{name}: the state must be a pair (h, c), as forward returned it; got {came}."
            )
        for letter, s in zip("hc", hx, strict=True):
            if not isinstance(s, Tensor) or s.shape != shape:
                came = str(tuple(s.shape)) if isinstance(s, Tensor) else type(s).__name__
                raise ValueError(
                    f"{name}: the initial {letter} must have shape {shape}, (Z*D, B, H, *S); got {came} "
                    f"with input {tuple(x.shape)}."
                )
            if s.dtype != x.dtype or s.device != x.device:
                raise ValueError(
                    f"{name}: the initial {letter} is {s.dtype} on {s.device}, the input {x.dtype} on "
                    f"{x.device}. Convert it: {letter}.to(input)."
                )
        h, c = hx
        return h, c


class ConvLSTM1d(_ConvLSTM):
    """LSTM over rows of positions: (B, T, C, W); see :class:`ConvLSTM2d`.

    >>> ConvLSTM1d(2, 4, 5)(torch.zeros(3, 7, 2, 30))[0].shape
    torch.Size([3, 7, 4, 30])
    """

    axes = 1


class ConvLSTM2d(_ConvLSTM):
    """LSTM over images, its products convolutions: (B, T, C, H, W).

    .. code-block:: text

        i = s(W_xi * x + W_hi * h' + w_ci c' + b_i)     g = tanh(W_xg * x + W_hg * h' + b_g)
        f = s(W_xf * x + W_hf * h' + w_cf c' + b_f)     c = f c' + i g
        o = s(W_xo * x + W_ho * h' + w_co c  + b_o)     h = o tanh(c)

    with ``*`` a convolution that keeps the size (0 beyond the border) and, beside it, a product position by
    position.  The terms in c, the peepholes, are there with ``peepholes=True``.

    Source: Shi et al. 2015, Convolutional LSTM Network (arXiv 1506.04214), equation 3.  There peepholes are
    always on; here they are off by default, as in most layers of that name, since they tie the layer to one
    size of image.

    Parameters, for layer k: ``weight_ih_lk (4*H, C, *kernel)``, ``weight_hh_lk (4*H, H, *kernel)``,
    ``bias_lk (4*H,)``, ``weight_p_lk (3, H, *size)`` of i, f, o; ``_reverse`` after it for the other direction.
    Gates i f g o.

    Args:
        in_channels: C.
        hidden_channels: H.
        kernel_size: odd; one number, or one for each axis.
        num_layers: Z.
        bias: whether there is one.
        batch_first: time is the second axis, else the first.
        peepholes: the gates see the cell.
        size: of the images, with peepholes: one number, or one for each axis.
        forget_bias: where the forget gate's bias starts: 1 keeps what is stored until something is learned.
        bidirectional: a second direction, its channels after those of the first.
        dropout: between the layers.
        device: of the parameters.
        dtype: of the parameters; half precision computes in float32.

    On the CPU the engine computes, in ``torch.compile`` and on other devices a loop of torch's operations.

    Raises:
        ValueError: an argument that is out of range, named.

    >>> layer = ConvLSTM2d(3, 8, kernel_size=3)
    >>> clip = torch.zeros(2, 5, 3, 16, 16)
    >>> output, (h, c) = layer(clip)
    >>> output.shape, h.shape
    (torch.Size([2, 5, 8, 16, 16]), torch.Size([1, 2, 8, 16, 16]))
    >>> first, state = layer.step(clip[:, 0])
    >>> torch.allclose(first, output[:, 0], atol=1e-6)
    True
    """

    axes = 2


class ConvLSTM3d(_ConvLSTM):
    """LSTM over volumes: (B, T, C, D, H, W); see :class:`ConvLSTM2d`.

    >>> ConvLSTM3d(1, 2, 3)(torch.zeros(1, 2, 1, 4, 5, 6))[0].shape
    torch.Size([1, 2, 2, 4, 5, 6])
    """

    axes = 3


def _turned(T: int, lengths: Tensor | None) -> Tensor:
    """``(T,)`` or ``(B, T)``: of each step the one in its place when a sequence's own steps are reversed."""
    steps = torch.arange(T)
    if lengths is None:
        return steps.flip(0)
    ends = lengths.unsqueeze(1)
    return torch.where(steps < ends, ends - 1 - steps, steps)


def _take(x: Tensor, steps: Tensor) -> Tensor:
    if steps.dim() == 1:
        return x.flip(1)
    return x[torch.arange(x.shape[0]).unsqueeze(1), steps]


def _check_whole(name: str, argument: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: `{argument}` must be a whole number from 1; got {value!r}.")


def _per_axis(name: str, argument: str, value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(values) != axes:
        raise ValueError(
            f"{name}: `{argument}` must be one number or {axes}, one for each axis; got {value!r}."
        )
    for one in values:
        _check_whole(name, argument, one)
    return values
