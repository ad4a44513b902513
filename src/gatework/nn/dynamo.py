"""Lets ``torch.compile`` look into Gatework's recurrent layers.

torch._dynamo refuses every instance of ``torch.nn.LSTM``, ``GRU`` and ``RNN``, subclasses among them, because
it cannot trace torch's own kernels well; its setting ``allow_rnn`` lifts that for all of them.  Ours are one
operator a layer and trace well, so the setting is lifted only while dynamo looks at one of ours that runs on
the engine: torch's layers in the same model, and ours on a device where torch's kernels run, are treated as
ever.

Importing dynamo takes a second, which a program that never compiles should not pay.  So the change waits for
dynamo to be imported.  Where a later torch has no such place, nothing is changed, and dynamo's own message
names the setting.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_BUILDER = "torch._dynamo.variables.builder"


def allow(traceable: Callable[[object], bool]) -> None:
    """From now on dynamo traces the recurrent layers of which ``traceable`` is true."""
    if _BUILDER in sys.modules:
        _lift(sys.modules[_BUILDER], traceable)
    else:
        sys.meta_path.insert(0, _WhenImported(traceable))


class _WhenImported(MetaPathFinder):
    """Changes the module when it is imported, then leaves."""

    def __init__(self, traceable: Callable[[object], bool]) -> None:
        self.traceable = traceable

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _BUILDER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenLift(spec.loader, self.traceable)
        return spec


class _ThenLift(Loader):
    def __init__(self, loader: Loader, traceable: Callable[[object], bool]) -> None:
        self.loader, self.traceable = loader, traceable

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        _lift(module, self.traceable)


def _lift(builder: ModuleType, traceable: Callable[[object], bool]) -> None:
    cls: Any = getattr(builder, "VariableBuilder", None)
    config: Any = getattr(builder, "config", None)
    wrap = getattr(cls, "wrap_module", None)
    if wrap is None or not hasattr(config, "allow_rnn"):
        return

    @functools.wraps(wrap)
    def wrap_module(self: Any, value: Any) -> Any:
        if not traceable(value):
            return wrap(self, value)
        with config.patch(allow_rnn=True):
            return wrap(self, value)

    cls.wrap_module = wrap_module
