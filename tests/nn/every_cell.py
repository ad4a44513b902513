"""Every cell of the table that ``make`` knows, with every option that makes sense for it: its suite.

Nothing here lists cells.  What a cell takes is read from its row and from its constructor, so that a new row
is tested without a line of test.  ``ENGINE`` are the cases that the engine computes; ``CASES`` has also those
that are composed of torch's operations, which must keep the same promises.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from gatework.cells import CELLS, Cell
from gatework.nn import by_loop, make, regularisers
from gatework.nn.engine import NOTHING
from gatework.nn.layer import RecurrentLayer
from gatework.nn.layer_norm import LayerNormLayer
from gatework.nn.making import _LAYERS

sys.path.insert(0, str(Path(__file__).parent))
from layers import additions, close, states

ROWS = [row for row in CELLS.values() if row.layer in _LAYERS]
# Each alone, and all at once; a cell takes of them what it can.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no-bias": {"bias": False},
    "deep": {"num_layers": 2, "bidirectional": True},
    "residual": {"num_layers": 3, "residual": True},
    "learned-state": {"num_layers": 2, "learned_state": True},
    "zoneout": {"zoneout": (0.3, 0.2)},
    "recurrent-dropout": {"recurrent_dropout": 0.4},
    "weight-drop": {"weight_drop": 0.4},
    "peepholes": {"peepholes": True},
    "heads": {"num_heads": 2},
    "projection": {"proj_size": 2},
    "projection-dropped": {"proj_size": 2, "recurrent_dropout": 0.4, "weight_drop": 0.2},
    "all": {
        "num_layers": 2,
        "bidirectional": True,
        "dropout": 0.3,
        "zoneout": (0.3, 0.2),
        "recurrent_dropout": 0.4,
        "weight_drop": 0.2,
        "peepholes": True,
        "num_heads": 2,
        "residual": True,
        "learned_state": True,
    },
}
RANDOM = {"zoneout", "recurrent_dropout"}  # what is drawn for rows


@dataclass(frozen=True)
class Case:
    """A cell and options of its layer."""

    row: Cell
    name: str
    options: dict[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return f"{self.row.name}-{self.name}"

    def make(
        self,
        I: int,  # noqa: E741
        H: int,
        dtype: torch.dtype = torch.float64,
        seed: int = 0,
        **options: Any,
    ) -> Any:
        """A layer with every parameter moved from where it begins, so that none is a special value."""
        torch.manual_seed(seed)
        layer = make(self.row.name, I, H, **self.options, **options).to(dtype)
        with torch.no_grad():
            for name, p in layer.named_parameters():
                if name == "initial_n":  # a normaliser is above 0, or 0 where nothing was seen
                    p.copy_(torch.rand_like(p) + 0.5)
                elif "weight_ih" not in name and "weight_hh" not in name:
                    p.add_(torch.randn_like(p), alpha=0.3)  # larger matrices would be chaotic
            if isinstance(layer, LayerNormLayer) and not layer.bias:  # its biases are 0 and stay so
                for name in layer._names:
                    layer.get_parameter(name).mul_(layer._is_gain(layer.get_parameter(name)))
        return layer


def _takes(row: Cell, option: str) -> bool:
    """Whether a cell's layer has an option; of the engine's cells the row says so."""
    Layer: Any = _LAYERS[row.layer]
    if option in ("peepholes", "num_heads"):
        return any(option in inspect.signature(k.__init__).parameters for k in Layer.__mro__)
    if row.code is None:
        try:
            make(row.name, 2, 4, **{option: OPTIONS["all"].get(option, 2)})
        except (TypeError, ValueError):
            return False
        return True
    if option == "proj_size":
        return row.projects
    if option == "learned_state":
        return len(row.states) <= 2
    return bool(row.h_gates) or option not in ("recurrent_dropout", "weight_drop")


def _cases() -> Iterator[Case]:
    for row in ROWS:
        for name, wanted in OPTIONS.items():
            options = dict(wanted)
            if "zoneout" in options and not row.zones:
                options["zoneout"] = (0.3, 0.0)
            options = {o: v for o, v in options.items() if _takes(row, o)}
            if name == "all" or len(options) == len(wanted):
                yield Case(row, name, options)


CASES = list(_cases())
ENGINE = [case for case in CASES if case.row.code is not None]
PLAIN = [case for case in CASES if case.name == "plain"]


def natural(layer: Any, B: int, seed: int = 1) -> tuple[Tensor, ...]:
    """A state that the layer itself comes to, after two steps."""
    g = torch.Generator().manual_seed(seed)
    dtype = next(layer.parameters()).dtype
    training = layer.training
    with torch.no_grad():
        x = torch.randn(B, 2, layer.input_size, generator=g).to(dtype)
        state = layer.eval()(x if layer.batch_first else x.transpose(0, 1))[1]
    layer.train(training)
    return tuple(s.clone() for s in states(state))


def given(row: Cell, parts: Sequence[Tensor]) -> Any:
    """A state as the layer takes it."""
    return tuple(parts) if row.has_c else parts[0]


class Draws:
    """What one pass draws, kept to be used again by another, in the other's dtype.

    While ``recording`` each draw of the layers is kept; afterwards it is handed out in the same order.
    """

    def __init__(self) -> None:
        self.modifiers: list[regularisers.Modifiers] = []
        self.masks: list[Tensor] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        draw, inside = regularisers.modifiers, [False]
        dropout = torch.nn.functional.dropout

        def modifiers(layer: Any, x: Tensor, B: int) -> Any:
            inside[0] = True
            self.modifiers.append(draw(layer, x, B))
            inside[0] = False
            return self.modifiers[-1]

        def masked(x: Tensor, p: float = 0.5, training: bool = True, *rest: Any) -> Tensor:
            if not (p and training):
                return x
            mask = dropout(torch.ones_like(x), p, training)
            if not inside[0]:
                self.masks.append(mask.detach())
            return x * mask

        yield from self._patched(modifiers, masked)

    @contextmanager
    def replaying(self) -> Iterator[None]:
        kept, masks = iter(self.modifiers), iter(self.masks)

        def modifiers(layer: Any, x: Tensor, B: int) -> Any:
            found = next(kept, NOTHING)  # without options the engine's way does not ask
            return type(found)(*(m.to(x.dtype) if isinstance(m, Tensor) else m for m in found))

        def masked(x: Tensor, p: float = 0.5, training: bool = True, *rest: Any) -> Tensor:
            return x * next(masks).to(x.dtype) if p and training else x

        yield from self._patched(modifiers, masked)
        assert next(masks, None) is None, "a draw was not used"
        assert next(kept, None) is None, "a draw was not used"

    def _patched(self, modifiers: Any, masked: Any) -> Iterator[None]:
        with (
            mock.patch.object(regularisers, "modifiers", modifiers),
            mock.patch.object(torch.nn.functional, "dropout", masked),
        ):
            yield


def compare(
    layer: Any,
    x: Tensor,
    hx: tuple[Tensor, ...] | None = None,
    lengths: Sequence[int] | None = None,
    resets: Tensor | None = None,
) -> None:
    """Outputs, states and every gradient of the engine beside the readable loop's in float64."""
    row, draws = layer._cell, Draws()
    assert isinstance(layer, RecurrentLayer)
    twin: Any = copy.deepcopy(layer).double()
    counts = None if lengths is None else torch.tensor(lengths)
    found = []
    for each in (layer, twin):
        dtype = next(each.parameters()).dtype
        own = x.detach().to(dtype).requires_grad_()
        state = None if hx is None else [s.detach().to(dtype).requires_grad_() for s in hx]
        if each is layer:
            with draws.recording():
                first = None if state is None else given(row, state)
                y, last = each(own, first, lengths=counts, resets=resets)
        else:
            with draws.replaying():
                first = tuple(state) if state is not None else each._initial(len(x))
                weights = each._weights("")
                y, last = by_loop.forward_by_loop(each, own, first, counts, resets, weights)
        outputs = (y, *states(last))
        g = torch.Generator().manual_seed(7)
        pulls = [torch.randn(t.shape, generator=g).to(dtype) for t in outputs]
        leaves = [own, *(state or ()), *each.parameters()]
        loss = sum(((o * p).sum() for o, p in zip(outputs, pulls, strict=True)), own.sum() * 0)
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        found.append((outputs, gradients))
    (outputs, gradients), (wanted, wanted_gradients) = found
    terms = additions(layer, max(1, x.shape[1]))
    if isinstance(layer, LayerNormLayer) and layer.hidden_size == 1:
        terms *= 316  # a row without variance is divided by sqrt(1e-5), and so is its rounding
    for a, b in zip(outputs, wanted, strict=True):
        close(a, b, terms)
    for a, b in zip(gradients, wanted_gradients, strict=True):
        # unused (initial states beside given ones) is unused in both, or 0
        if a is None or b is None:
            assert all(g is None or not g.any() for g in (a, b))
            continue
        close(a, b, terms * max(1, x.shape[0]))
