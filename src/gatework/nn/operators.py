"""One recurrent layer as torch sees it: an eager function with gradients, and two operators.

    recurrent(...)                     the eager call: straight to the engine, through autograd if needed
    torch.ops.gatework.recurrent       the same as an operator with a shape function, for torch.compile,
                                       torch.export and tensors that are not plain ones
    torch.ops.gatework.recurrent_backward   its gradients

Two ways because a call costs: 4 µs straight, 12 µs through `autograd.Function`, 50 µs through a
Python operator with registered autograd, against 4 µs for a step of the engine itself.  Both share
``engine.forward`` and ``engine.backward``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gatework.nn import engine
from gatework.nn.engine import NOTHING, Modifiers

_NO_SECOND_DERIVATIVE = (
    "gatework: a recurrent layer's gradient cannot be differentiated again. Take second derivatives "
    "with torch.func.hessian, which takes the readable loop, or, of an LSTM, GRU or RNN, through torch's own: "
    "torch.nn.LSTM.forward(layer, x, hx)."
)

Outputs = tuple[Tensor, Tensor, Tensor | None]  # y, hn, cn


def recurrent(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    modifiers: Modifiers = NOTHING,
) -> Outputs:
    """``(y, hn, cn)`` of plain CPU tensors; arguments as :func:`gatework.nn.engine.forward` has them."""
    if _needs_gradient(x, h0, c0, weights, modifiers.scale):
        options = (cell, directions, batch_first)
        # torch's Function.apply has no types
        out: Outputs = _Recurrent.apply(
            options, x, h0, c0, lengths, offsets, resets, *modifiers, *weights
        )  # type: ignore[no-untyped-call]
        return out
    return engine.forward(
        x,
        h0,
        c0,
        weights,
        lengths,
        offsets,
        resets,
        cell,
        directions,
        batch_first,
        modifiers,
        False,
    )[:3]


def recurrent_operator(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    modifiers: Modifiers = NOTHING,
) -> Outputs:
    """The same through ``torch.ops.gatework.recurrent``."""
    save = _needs_gradient(x, h0, c0, weights, modifiers.scale)
    y, hn, cn, _ = torch.ops.gatework.recurrent(
        x,
        h0,
        c0,
        list(weights),
        lengths,
        offsets,
        resets,
        cell,
        directions,
        batch_first,
        save,
        *modifiers,
    )
    return y, hn, cn if _has_c(cell) else None


def _needs_gradient(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor],
    scale: Tensor | None,
) -> bool:
    if not torch.is_grad_enabled():
        return False
    if x.requires_grad:
        return True
    for w in weights:
        if w.requires_grad:
            return True
    return any(s is not None and s.requires_grad for s in (h0, c0, scale))


def _has_c(cell: int) -> bool:
    return engine.BY_CODE[cell].has_c


class _Recurrent(torch.autograd.Function):
    """The eager way through autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        options: tuple[int, int, bool],
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        lengths: Tensor | None,
        offsets: Tensor | None,
        resets: Tensor | None,
        scale: Tensor | None,
        zone_h: Tensor | None,
        zone_c: Tensor | None,
        decay: bool,
        *weights: Tensor,
    ) -> Outputs:
        modifiers = _modifiers(scale, zone_h, zone_c, decay)
        y, hn, cn, saved = engine.forward(
            x, h0, c0, weights, lengths, offsets, resets, *options, modifiers, True
        )
        ctx.options, ctx.decay = options, decay
        ctx.save_for_backward(
            x, h0, c0, lengths, offsets, resets, *modifiers[:3], y, saved, *weights
        )
        ctx.set_materialize_grads(False)
        return y, hn, cn

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, dhn: Tensor | None, dcn: Tensor | None = None
    ) -> tuple[Any, ...]:
        x, h0, c0, lengths, offsets, resets, scale, zone_h, zone_c, y, saved, *weights = (
            ctx.saved_tensors
        )
        needs = ctx.needs_input_grad
        cell, directions, batch_first = ctx.options
        with torch.no_grad():
            dx, dh0, dc0, dscale, *dweights = engine.backward(
                dy,
                dhn,
                dcn,
                x,
                h0,
                c0,
                weights,
                lengths,
                offsets,
                resets,
                y,
                saved,
                cell,
                directions,
                batch_first,
                _modifiers(scale, zone_h, zone_c, ctx.decay),
                (*needs[1:4], needs[7], *needs[11:]),
            )
        found = (None, dx, dh0, dc0, None, None, None, dscale, None, None, None, *dweights)
        return _once(found) if torch.is_grad_enabled() else found


def _modifiers(
    scale: Tensor | None, zone_h: Tensor | None, zone_c: Tensor | None, decay: bool
) -> Modifiers:
    if scale is None and zone_h is None and zone_c is None:
        return NOTHING
    return Modifiers(scale, zone_h, zone_c, decay)


def _once(grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """Gradients that say so when they are differentiated: backward was called with ``create_graph``."""
    present = [g.detach().requires_grad_() for g in grads if g is not None]
    delayed: Any = torch._C._functions.DelayedError(_NO_SECOND_DERIVATIVE.encode(), len(present))
    found = iter(delayed(*present) if len(present) > 1 else [delayed(*present)])
    return tuple(g if g is None else next(found) for g in grads)


# ------------------------------------------------------------------ operators


@torch.library.custom_op("gatework::recurrent", mutates_args=(), device_types="cpu")
def _operator(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: list[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    save: bool,
    scale: Tensor | None,
    zone_h: Tensor | None,
    zone_c: Tensor | None,
    decay: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    y, hn, cn, saved = engine.forward(
        x,
        h0,
        c0,
        weights,
        lengths,
        offsets,
        resets,
        cell,
        directions,
        batch_first,
        _modifiers(scale, zone_h, zone_c, decay),
        save,
        exact=False,
    )
    return y, hn, _present(cn, x), _present(saved, x)


@_operator.register_fake
def _(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: list[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    save: bool,
    scale: Tensor | None,
    zone_h: Tensor | None,
    zone_c: Tensor | None,
    decay: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sizes = engine.sizes_of(x, weights, lengths, offsets, cell, directions, batch_first)
    D, B, _, _, H, P = sizes
    rows = x.shape[0] if offsets is not None else x.shape[0] * x.shape[1]
    kept = rows * engine.saved_per_row(cell, x.dtype, sizes) if save else 0
    return (
        x.new_empty((*x.shape[:-1], D * (P or H))),
        x.new_empty((D, B, P or H)),
        x.new_empty((D, B, (len(engine.BY_CODE[cell].states) - 1) * H) if _has_c(cell) else (0,)),
        x.new_empty((kept,)),
    )


@torch.library.custom_op("gatework::recurrent_backward", mutates_args=(), device_types="cpu")
def _operator_backward(
    dy: Tensor | None,
    dhn: Tensor | None,
    dcn: Tensor | None,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: list[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    y: Tensor,
    saved: Tensor,
    cell: int,
    directions: int,
    batch_first: bool,
    scale: Tensor | None,
    zone_h: Tensor | None,
    zone_c: Tensor | None,
    decay: bool,
    wanted: list[bool],
) -> list[Tensor]:
    gradients = engine.backward(
        dy, dhn, dcn, x, h0, c0, weights, lengths, offsets, resets, y, saved,
        cell, directions, batch_first, _modifiers(scale, zone_h, zone_c, decay), wanted,
    )  # fmt: skip
    return [_present(g, x) for g in gradients]


@_operator_backward.register_fake
def _(
    dy: Tensor | None,
    dhn: Tensor | None,
    dcn: Tensor | None,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: list[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    y: Tensor,
    saved: Tensor,
    cell: int,
    directions: int,
    batch_first: bool,
    scale: Tensor | None,
    zone_h: Tensor | None,
    zone_c: Tensor | None,
    decay: bool,
    wanted: list[bool],
) -> list[Tensor]:
    return [
        x.new_empty(tensor.shape if want and tensor is not None else (0,))
        for tensor, want in zip((x, h0, c0, scale, *weights), wanted, strict=True)
    ]


def _present(tensor: Tensor | None, like: Tensor) -> Tensor:
    """An operator returns tensors: an empty one in the place of none."""
    return like.new_empty((0,)) if tensor is None else tensor


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first, *rest = inputs
    _, scale, zone_h, zone_c, ctx.decay = rest
    y, _, cn, saved = output
    ctx.options = (cell, directions, batch_first)
    ctx.has_c = _has_c(cell)
    ctx.mark_non_differentiable(*([saved] if ctx.has_c else [cn, saved]))
    ctx.save_for_backward(
        x, h0, c0, lengths, offsets, resets, scale, zone_h, zone_c, y, saved, *weights
    )
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
    x, h0, c0, lengths, offsets, resets, scale, zone_h, zone_c, y, saved, *weights = (
        ctx.saved_tensors
    )
    dy, dhn, dcn, _ = grads
    asked = ctx.needs_input_grad
    needs = [bool(n) for n in (*asked[:3], asked[11], *asked[3])]
    found = torch.ops.gatework.recurrent_backward(
        dy, dhn, dcn if ctx.has_c else None, x, h0, c0, weights, lengths, offsets, resets, y, saved,
        *ctx.options, scale, zone_h, zone_c, ctx.decay, needs,
    )  # fmt: skip
    dx, dh0, dc0, dscale, *dweights = (g if n else None for g, n in zip(found, needs, strict=True))
    return dx, dh0, dc0, dweights, *[None] * 7, dscale, *[None] * 3


def _refuse(ctx: Any, *grads: Any) -> Any:
    raise RuntimeError(_NO_SECOND_DERIVATIVE)


_operator.register_autograd(_backward, setup_context=_setup)
_operator_backward.register_autograd(_refuse)
