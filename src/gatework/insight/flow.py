"""How much of a loss's gradient is left k steps back: the vanishing gradient, and its cure, measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gatework.errors import ConfigError
from gatework.nn.gates import cell_of


def gradient_flow(model: nn.Module, layer: Any, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Mean norm ``(T,)`` of the gradient of ``loss()`` by the layer's state, k = 0 … T-1 steps before its last.

    .. code-block:: text

        n_k = mean over sequences of | d loss / d s_(T-1-k) |      s: h, and c where there is one

    Hochreiter 1991; Bengio, Simard & Frasconi 1994: in a plain RNN it falls, or grows, like a power of k.
    The gradient by ``h`` counts what goes through the weights, that by ``c`` also what the cell state
    carries along by itself.

    Args:
        model: runs in its present mode; nothing in it is changed.
        layer: a causal recurrent layer inside ``model``, which is run step by step meanwhile.
        loss: calls the model and returns a scalar.

    Returns:
        ``h``, and ``c`` of a cell that has one; all layers of a stack together.

    Raises:
        ConfigError: the layer was not called, has no ``step``, or the loss does not depend on it.

    >>> from gatework.nn import LSTM
    >>> lstm = LSTM(3, 8, batch_first=True)
    >>> x = torch.randn(4, 20, 3)
    >>> flow = gradient_flow(lstm, lstm, lambda: lstm(x)[0][:, -1].square().sum())
    >>> flow["h"].shape, bool(flow["h"][0] > flow["h"][19] > 0)
    (torch.Size([20]), True)
    """
    if not hasattr(layer, "step") or getattr(layer, "bidirectional", False):
        raise ConfigError(
            f"gradient_flow: {type(layer).__name__} does not go step by step. Give a causal recurrent layer."
        )
    states: list[tuple[Tensor, ...]] = []
    stepping = False

    def step_by_step(_: Any, given: tuple[Any, ...], named: dict[str, Any], __: Any) -> Any:
        nonlocal stepping
        if stepping:
            return None
        bound = dict(zip(("input", "hx", "lengths", "resets"), given, strict=False)) | named
        if bound.get("lengths") is not None or bound.get("resets") is not None:
            raise ConfigError("gradient_flow: give sequences of one length, without resets.")
        x = bound["input"] if layer.batch_first else bound["input"].transpose(0, 1)
        stepping, state, outputs = True, bound.get("hx"), []
        states.clear()
        try:
            for t in range(x.shape[1]):
                _, state = layer.step(x[:, t], state)
                states.append(state if isinstance(state, tuple) else (state,))
                outputs.append(
                    states[-1][0][-1]
                )  # h of the top layer: the output, and no other node
        finally:
            stepping = False
        y = torch.stack(outputs, dim=1)
        return (y if layer.batch_first else y.transpose(0, 1)), state

    handle = layer.register_forward_hook(step_by_step, with_kwargs=True)
    try:
        with torch.enable_grad():
            value = loss()
    finally:
        handle.remove()
    if not states:
        raise ConfigError("gradient_flow: the loss did not call the layer.")
    wanted = [s for state in states for s in state]
    if not value.requires_grad or not any(s.requires_grad for s in wanted):
        raise ConfigError("gradient_flow: the loss does not depend on the layer's state.")
    gradients = torch.autograd.grad(value, wanted, allow_unused=True)
    each = len(states[0])
    found = {}
    for part, name in enumerate(cell_of(layer).states):
        norms = [_norm(g) for g in gradients[part::each]]
        found[name] = torch.stack(norms).flip(0)
    return found


def _norm(gradient: Tensor | None) -> Tensor:
    """Mean over the batch of the norm over layers and units; 0 of what has no part in the loss."""
    if gradient is None:
        return torch.zeros((), dtype=torch.float64)
    return gradient.double().square().sum(dim=(0, 2)).sqrt().mean()
