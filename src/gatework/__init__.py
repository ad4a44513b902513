"""LSTM networks made practical: from raw sequences to a trained, judged and streaming model.

>>> from gatework import Forecaster
>>> Forecaster(horizon=24).config.horizon
24
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from gatework._version import __version__

if TYPE_CHECKING:
    from gatework.comparison.loop import compare as compare
    from gatework.errors import GateworkError as GateworkError
    from gatework.nn.acceleration import accelerate as accelerate
    from gatework.tasks.classify import SequenceClassifier as SequenceClassifier
    from gatework.tasks.detect import AnomalyDetector as AnomalyDetector
    from gatework.tasks.forecast import Forecaster as Forecaster
    from gatework.tasks.registry import load as load
    from gatework.tasks.regress import SequenceRegressor as SequenceRegressor
    from gatework.tasks.tag import SequenceTagger as SequenceTagger

# Torch's OpenMP threads spin while they wait for each other.  On two cores of which one is busy with
# something else, that made training 80 times slower (0.35 s against 30 s a pass); waiting asleep costs
# nothing measurable on an idle machine.  Read when torch is first imported; the user's own choice stands.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The public names, listed once: name -> module.  Nothing is imported before it is asked for, so that
# `gatework --help` and `import gatework` do not pay for torch.
_PUBLIC = {
    "AnomalyDetector": "gatework.tasks.detect",
    "Forecaster": "gatework.tasks.forecast",
    "GateworkError": "gatework.errors",
    "SequenceClassifier": "gatework.tasks.classify",
    "SequenceRegressor": "gatework.tasks.regress",
    "SequenceTagger": "gatework.tasks.tag",
    "accelerate": "gatework.nn.acceleration",
    "compare": "gatework.comparison.loop",
    "load": "gatework.tasks.registry",
}

__all__ = [
    "AnomalyDetector",
    "Forecaster",
    "GateworkError",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "__version__",
    "accelerate",
    "compare",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'gatework' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
