"""LSTM networks made practical: from raw sequences to a trained, judged and streaming model.

>>> from gatework import Forecaster
>>> Forecaster(horizon=24).config.horizon
24
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gatework._version import __version__

if TYPE_CHECKING:
    from gatework.errors import GateworkError as GateworkError
    from gatework.tasks.forecast import Forecaster as Forecaster
    from gatework.tasks.registry import load as load

# The public names, listed once: name -> module.  Nothing is imported before it is asked for, so that
# `gatework --help` and `import gatework` do not pay for torch.
_PUBLIC = {
    "Forecaster": "gatework.tasks.forecast",
    "GateworkError": "gatework.errors",
    "load": "gatework.tasks.registry",
}

__all__ = ["Forecaster", "GateworkError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'gatework' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
