"""One direction of one layer of a convolutional LSTM, by torch's convolutions and the engine's cell.

Memory is time-major with channels side by side, ``(T, B, *S, channels)``: oneDNN's convolutions read and
write that without turning it over (of a training step at B=8, 16 channels, 64x64 that was a third), and a
step of all sequences is one piece.  Convolutions over many steps go in chunks that fit the cache, whose
memory the allocator gives back and takes again without a fresh page.

Forward: the products with x of a chunk of steps in one convolution; then step by step that with h, and the
fused cell.  Backward: step by step the fused cell and the gradient of h; then for the chunk in one
convolution each, the gradients of x and of both weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gatework.engine_module import engine as compiled
from gatework.nn.convolutional_reference import CONVOLUTION

_CHUNK = 8 << 20  # bytes of gates; with 32 MB a training step took 9 % longer (L3 32 MB)
_NO_SECOND_DERIVATIVE = (
    "gatework: a convolutional layer's gradient cannot be differentiated again. Take second derivatives "
    "through the readable loop: gatework.nn.convolutional_reference.layer."
)

Outputs = tuple[Tensor, Tensor, Tensor]  # y, hn, cn
Active = Sequence[int] | None  # of each step the number of sequences that have it; None: all


def sequence(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    W_ih: Tensor,
    W_hh: Tensor,
    bias: Tensor | None,
    W_p: Tensor | None,
    active: Active,
) -> Outputs:
    """``(y, hn, cn)`` of plain float32 or float64 tensors on the CPU; shapes as the reference has them.

    Args:
        x: ``(B, T, C, *S)`` with two or three axes of space, T at least 1.
        h0: ``(B, H, *S)``; None: zeros.
        c0: the same.
        W_ih: ``(4*H, C, *kernel)``.
        W_hh: ``(4*H, H, *kernel)``.
        bias: ``(4*H,)``.
        W_p: ``(3, H, *S)``.
        active: falling; the sequences then stand in the order of falling length.
    """
    tensors = (x, h0, c0, W_ih, W_hh, bias, W_p)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        # torch's Function.apply has no types
        out: Outputs = _Sequence.apply(active, *tensors)  # type: ignore[no-untyped-call]
        return out
    return _Pass(active, *tensors).forward(False)[:3]


class _Sequence(torch.autograd.Function):
    """All steps as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, active: Active, *tensors: Any) -> Outputs:
        y, hn, cn, gates, cells = _Pass(active, *tensors).forward(True)
        ctx.active = active
        ctx.save_for_backward(y, gates, cells, *tensors)
        ctx.set_materialize_grads(False)
        return y, hn, cn

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, dhn: Tensor | None, dcn: Tensor | None
    ) -> tuple[Any, ...]:
        y, gates, cells, *tensors = ctx.saved_tensors
        with torch.no_grad():
            one = _Pass(ctx.active, *tensors)
            found = one.backward(y, gates, cells, dy, dhn, dcn, ctx.needs_input_grad[1:])
        if torch.is_grad_enabled():  # backward was called with create_graph
            found = [_once(g, tensors) for g in found]
        return None, *found


def _once(gradient: Tensor | None, tensors: Sequence[Tensor | None]) -> Tensor | None:
    """A gradient that says so when it is differentiated by any of the tensors it depends on."""
    if gradient is None:
        return None
    leads_to = [t for t in tensors if t is not None and t.requires_grad]
    # torch's Function.apply has no types
    out: Tensor = _Once.apply(gradient.detach(), *leads_to)  # type: ignore[no-untyped-call]
    return out


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *leads_to: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(_NO_SECOND_DERIVATIVE)


class _Pass:
    """The tensors of a call, laid out for oneDNN, and its sizes."""

    def __init__(
        self,
        active: Active,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        W_ih: Tensor,
        W_hh: Tensor,
        bias: Tensor | None,
        W_p: Tensor | None,
    ) -> None:
        self.B, self.T, self.C, *self.space = x.shape
        self.H = W_hh.shape[1]
        self.axes = len(self.space)
        self.format = torch.channels_last if self.axes == 2 else torch.channels_last_3d
        self.convolve = CONVOLUTION[self.axes]
        self.x = _time_major(x)
        self.h0, self.c0 = (None if s is None else _channels_last(s) for s in (h0, c0))
        self.W_ih, self.W_hh = (w.contiguous(memory_format=self.format) for w in (W_ih, W_hh))
        self.bias = bias
        self.W_p = None if W_p is None else _channels_last(W_p)
        self.padding = [k // 2 for k in W_hh.shape[2:]]
        self.active = [self.B] * self.T if active is None else list(active)
        self.sizes = (
            self.space[0] * self.space[1] * (self.space[2] if self.axes == 3 else 1),
            self.H,
        )
        step = self.B * self.sizes[0] * 4 * self.H * x.element_size()
        # Sequences of unequal lengths go step by step: there is nothing computed on padding.
        self.chunk = max(1, _CHUNK // max(step, 1)) if active is None else 1
        self.f64 = x.dtype is torch.float64

    # ---- forward

    def forward(self, keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
        """``y (B, T, H, *S)``, hn, cn, and with ``keep`` the gates and cells ``(T, B, *S, ·)``."""
        B, T, H, space = self.B, self.T, self.H, self.space
        y = _time_major_empty(self.x, (B, T, H, *space))
        rows = _time_major(y)  # a view
        gates = self._memory(4 * H) if keep else None
        cells = self._memory(H) if keep else None
        ends = T and self.active[-1] < B  # sequences that end before the last step
        hn, cn = (self.x.new_zeros((B, *space, H)) for _ in "hc")
        if ends:
            rows.zero_()
            for last, first in ((hn, self.h0), (cn, self.c0)):
                if first is not None:
                    last.copy_(first)
        h, c = self.h0, self.c0
        spare = torch.empty_like(hn) if cells is None else cn
        with torch.autocast("cpu", enabled=False):
            for t0 in range(0, T, self.chunk):
                n = self.active[t0]
                if n == 0:
                    break
                from_x = self._product(self.x[t0 : t0 + self.chunk, :n], self.W_ih, self.bias)
                for t in range(t0, min(t0 + self.chunk, T)):
                    from_h = None if h is None else self._product(h[None, :n], self.W_hh)
                    now = spare if cells is None else cells[t]
                    self._cell(
                        n,
                        from_x[t - t0],
                        from_h,
                        c,
                        None if gates is None else gates[t],
                        now,
                        rows[t],
                    )
                    h, c = rows[t], now
                    following = self.active[t + 1] if t + 1 < T else 0
                    if following < n:
                        hn[following:n], cn[following:n] = h[following:n], c[following:n]
        return y, _channels_first(hn), _channels_first(cn), gates, cells

    def _product(self, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """``(k, n, *S, 4*H)``: the convolution of ``(k, n, *S, channels)``."""
        images = _channels_first(rows.flatten(0, 1))
        out = _channels_last(self.convolve(images, weight, bias, padding=self.padding))
        return out.view(*rows.shape[:-1], 4 * self.H)

    def _cell(
        self,
        n: int,
        from_x: Tensor,
        from_h: Tensor | None,
        c0: Tensor | None,
        gates: Tensor | None,
        c: Tensor | None,
        y: Tensor,
    ) -> None:
        arrays = (from_x, from_h, c0, self.W_p, gates, c, y)
        compiled.planes_forward(
            self.f64, torch.get_num_threads(), (n, *self.sizes), tuple(map(_pointer, arrays))
        )

    def _memory(self, channels: int) -> Tensor:
        """``(T, B, *S, channels)``, not cleared, of the engine's memory, which is used again."""
        shape = (self.T, self.B, *self.space, channels)
        flat = torch.from_numpy(compiled.empty(torch.Size(shape).numel(), self.f64))
        return flat.view(shape)

    # ---- backward

    def backward(
        self,
        y: Tensor,
        gates: Tensor,
        cells: Tensor,
        dy: Tensor | None,
        dhn: Tensor | None,
        dcn: Tensor | None,
        wanted: Sequence[bool],
    ) -> list[Tensor | None]:
        """Gradients of x, h0, c0, W_ih, W_hh, bias, W_p: those that are ``wanted``, None for the others."""
        want_x, want_h0, want_c0, want_ih, want_hh, want_bias, want_p = wanted
        B, T, H, space = self.B, self.T, self.H, self.space
        rows = _time_major(y)
        dy = None if dy is None else _time_major(dy)
        dh = None if dhn is None else _channels_last(dhn).clone()
        dc = self.x.new_zeros((B, *space, H)) if dcn is None else _channels_last(dcn).clone()
        ragged = self.active[-1] < B
        if ragged and dh is None:
            dh = torch.zeros_like(dc)
        dW_p = torch.zeros_like(self.W_p) if want_p and self.W_p is not None else None
        dx = _time_major_empty(self.x, (B, T, self.C, *space)) if want_x else None
        sums: dict[str, Tensor] = {}
        room = self.x.new_empty((min(self.chunk, T), B, *space, 4 * H))
        if dx is not None and ragged:
            dx.zero_()
        with torch.autocast("cpu", enabled=False):
            for t0 in reversed(range(0, T, self.chunk)):
                t1, n = min(t0 + self.chunk, T), self.active[t0]
                if n == 0:
                    continue
                chunk = room[: t1 - t0, :n]
                for t in reversed(range(t0, t1)):
                    before = cells[t - 1] if t else self.c0
                    arrays = (
                        gates[t], cells[t], before, self.W_p, None if dy is None else dy[t], dh, dc,
                        chunk[t - t0], dW_p,
                    )  # fmt: skip
                    compiled.planes_backward(
                        self.f64,
                        torch.get_num_threads(),
                        (n, *self.sizes),
                        tuple(map(_pointer, arrays)),
                    )
                    if t or want_h0:
                        like = rows[t, :n]  # of the shape of h
                        back = self._input_gradient(chunk[t - t0][None], like[None], self.W_hh)[0]
                        if ragged:
                            assert dh is not None
                            dh[:n] = back
                        else:
                            dh = back
                x = self.x[t0:t1, :n]
                if want_ih:
                    _add(sums, "ih", self._weight_gradient(chunk, x, self.W_ih))
                if dx is not None:
                    _time_major(dx)[t0:t1, :n] = self._input_gradient(chunk, x, self.W_ih)
                if want_bias:
                    _add(sums, "bias", chunk.flatten(0, -2).sum(0))
                if want_hh:
                    if t0 == 0 and self.h0 is not None:
                        of_h0 = self._weight_gradient(chunk[:1], self.h0[None, :n], self.W_hh)
                        _add(sums, "hh", of_h0)
                    begin = max(t0, 1)
                    if begin < t1:
                        h = rows[begin - 1 : t1 - 1, :n]
                        _add(sums, "hh", self._weight_gradient(chunk[begin - t0 :], h, self.W_hh))
        if want_h0 and dh is None:
            dh = torch.zeros_like(dc)
        return [
            dx,
            _channels_first(dh) if want_h0 and dh is not None else None,
            _channels_first(dc) if want_c0 else None,
            sums.get("ih", torch.zeros_like(self.W_ih)) if want_ih else None,
            sums.get("hh", torch.zeros_like(self.W_hh)) if want_hh else None,
            sums.get("bias", self.x.new_zeros(4 * H)) if want_bias else None,
            None if dW_p is None else _channels_first(dW_p),
        ]

    def _input_gradient(self, gradient: Tensor, like: Tensor, weight: Tensor) -> Tensor:
        """That of ``like (k, n, *S, channels)``, from ``(k, n, *S, 4*H)``."""
        found = self._gradients(gradient, like, weight, [True, False, False])[0]
        return _channels_last(found).view(like.shape)

    def _weight_gradient(self, gradient: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
        return self._gradients(gradient, rows, weight, [False, True, False])[1]

    def _gradients(
        self, gradient: Tensor, rows: Tensor, weight: Tensor, mask: list[bool]
    ) -> tuple[Tensor, Tensor, Tensor]:
        ones = [1] * self.axes
        found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
            _channels_first(gradient.flatten(0, 1)), _channels_first(rows.flatten(0, 1)), weight, None,
            ones, self.padding, ones, False, [0] * self.axes, 1, mask,
        )  # fmt: skip
        return found


def _add(sums: dict[str, Tensor], name: str, term: Tensor) -> None:
    sums[name] = sums[name].add_(term) if name in sums else term


def _channels_last(x: Tensor) -> Tensor:
    """``(B, C, *S)`` as contiguous ``(B, *S, C)``."""
    return x.movedim(1, -1).contiguous()


def _channels_first(x: Tensor) -> Tensor:
    """``(B, *S, C)`` as a view ``(B, C, *S)``."""
    return x.movedim(-1, 1)


def _time_major(x: Tensor) -> Tensor:
    """``(B, T, C, *S)`` as contiguous ``(T, B, *S, C)``."""
    return x.transpose(0, 1).movedim(2, -1).contiguous()


def _time_major_empty(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``(B, T, C, *S)``, not cleared, in memory ``(T, B, *S, C)``; not a view, so that it may be changed."""
    B, T, C, *space = shape
    strides = (
        like.new_empty((T, B, *space, C), device="meta").movedim(-1, 2).transpose(0, 1).stride()
    )
    return torch.empty_strided(shape, strides, dtype=like.dtype)


def _pointer(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()
