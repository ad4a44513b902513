"""Recurrent networks on NumPy arrays: the face of the compiled engine that needs no torch.

    weights (arrays or a file)  ─  Recurrent ─┬─ forward   whole sequences
                                              ├─ step      one step, state in and out
                                              └─ stream    one step, nothing allocated

Imports NumPy and the compiled engine alone, so that a device or a server can run what was trained with
torch elsewhere.  One alphabet: B batch, T time, I input, H hidden, P projection, Z layers; R is what a
layer hands on, P with a projection and else H.
"""

from gatework.runtime.horizon import Horizon, HorizonArrays, WindowArrays
from gatework.runtime.horizon_spec import HorizonSpec
from gatework.runtime.recurrent import Recurrent
from gatework.runtime.state import State
from gatework.runtime.stream import Stream

__all__ = [
    "Horizon",
    "HorizonArrays",
    "HorizonSpec",
    "Recurrent",
    "State",
    "Stream",
    "WindowArrays",
]
