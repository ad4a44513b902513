"""``gatework.accelerate``: Gatework's layers in the place of torch's, in any model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.jit import ScriptModule
from torch.nn.utils import parametrize

from gatework.nn.recurrent import GRU, LSTM, RNN

_OURS: dict[type[nn.Module], type[nn.Module]] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}
_NAMES = {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}
_MARK = (
    "_gatework_in_place_of_torch"  # in the instance: copied and pickled with it, in no state_dict
)
_WRAPPED = "its forward was replaced on the instance"


@dataclass(frozen=True)
class Layer:
    """One recurrent layer of a model: where it is, what it is, and why it was left, if it was."""

    name: str
    kind: str
    reason: str = ""


@dataclass(frozen=True)
class Acceleration:
    """What :func:`accelerate` did; ``print`` shows it as a table, ``len`` is the number of replaced layers."""

    replaced: tuple[Layer, ...]
    left: tuple[Layer, ...]
    undo: bool = False

    def __len__(self) -> int:
        return len(self.replaced)

    def __str__(self) -> str:
        done = "torch's again" if self.undo else "replaced"
        lines = [f"Recurrent layers: {len(self.replaced)} {done}, {len(self.left)} left"]
        rows = [(done, x) for x in self.replaced] + [("left", x) for x in self.left]
        wide = max((len(x.name) for _, x in rows), default=0)
        for what, x in rows:
            why = f": {x.reason}" if x.reason else ""
            lines.append(f"  {what.ljust(len(done))}  {x.name.ljust(wide)}  {x.kind}{why}")
        return "\n".join(lines)


def accelerate(model: Any, undo: bool = False) -> Acceleration:
    """A report, after every ``torch.nn.LSTM``, ``GRU`` and ``RNN`` of the model became Gatework's, in place.

    The layers stay the same objects with the same parameters: optimizers, hooks, references and
    ``state_dict`` go on as before; results are the same up to rounding.  Call it on a model as often as
    you like.

    Args:
        model: any module; a recurrent layer itself is fine.
        undo: put torch's classes back where an earlier call replaced them.  Layers that were built as
            Gatework's stay.

    Raises:
        TypeError: ``model`` is not a module.

    >>> model = nn.Sequential(nn.LSTM(3, 8), nn.Identity())
    >>> print(accelerate(model))
    Recurrent layers: 1 replaced, 0 left
      replaced  0  LSTM(3, 8)
    >>> len(accelerate(model, undo=True))
    1
    """
    if not isinstance(model, nn.Module):
        came = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        hint = "Build it first" if isinstance(model, type) else "Pass the module inside it"
        raise TypeError(f"accelerate: `model` must be a torch.nn.Module; got {came}. {hint}.")
    if not isinstance(undo, bool):
        raise TypeError(f"accelerate: `undo` must be True or False; got {undo!r}.")
    replaced: list[Layer] = []
    left: list[Layer] = []
    for path, module in model.named_modules():  # each module once, however often it is shared
        name = path or "(the model)"
        reason = _undo(module) if undo else _replace(module)
        if reason is None:
            continue
        kind = f"{type(module).__name__}({module.extra_repr()})"
        (left if reason else replaced).append(Layer(name, kind, reason))
    return Acceleration(tuple(replaced), tuple(left), undo)


def _replace(module: nn.Module) -> str | None:
    """ "" once replaced, why not, or None for a module that is no recurrent layer."""
    kind: Any = type(module)
    if kind in _OURS and "forward" not in vars(module):
        module.__class__ = _OURS[kind]
        vars(module)[_MARK] = True
        return ""
    if kind in _OURS:
        return _WRAPPED
    if isinstance(module, tuple(_THEIRS)):
        return "already Gatework's"
    if isinstance(module, ScriptModule):
        script = getattr(module, "original_name", "")
        return "a torch.jit module; accelerate the model before it" if script in _NAMES else None
    if kind.__name__ in _NAMES and kind.__module__.startswith(("torch.ao.", "torch.nn.quantized")):
        return "quantized; accelerate a model of floats"
    if isinstance(module, nn.RNNCellBase):
        whole = kind.__name__.removesuffix("Cell")
        return f"a cell, stepped by the model's own loop; gatework.nn.{whole} has step()"
    if isinstance(module, tuple(_OURS)):
        if parametrize.is_parametrized(module):
            return "parametrized; accelerate before registering the parametrization"
        base = next(b.__name__ for b in kind.__mro__ if b in _OURS)
        return f"a subclass that may have its own forward; derive it from gatework.nn.{base}"
    return None


def _undo(module: nn.Module) -> str | None:
    kind: Any = type(module)
    own = vars(module)
    if kind not in _THEIRS:
        if _MARK not in own:
            return None
        if parametrize.is_parametrized(module):
            return "parametrized; remove the parametrization first"
        return f"its class was changed to {kind.__name__} after it was replaced"
    if _MARK not in own:
        return "built as Gatework's"
    if "forward" in own:
        return _WRAPPED
    del own[_MARK]
    module.__class__ = _THEIRS[kind]
    return ""
