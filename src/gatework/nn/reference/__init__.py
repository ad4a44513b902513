"""The readable executable specification: every cell as the plain torch code that defines it.

Slow on purpose.  The engine is tested against these functions, and they serve what it does not: other
devices, and ``torch.func``'s transforms.  ``cells.py`` has what each cell does with its sums, ``loop.py`` the
sums and the time.

One alphabet: B batch, T time, I input, H hidden, P projection, D directions, Z layers; G and X the number
of gates that h and x enter, K vectors of H beside the matrices, and R for the size of ``h``, which is P
with a projection and H without.  Weights have torch's names and order: ``W_ih (X*H, I)``, ``W_hh (G*H, R)``,
biases or None, ``W_hr (P, H)`` or None, ``p (K, H)`` or None; gates i f g o for the LSTM and what is left of
them, r z n for the GRU.
"""

from gatework.nn.reference.cells import POINTWISE, State
from gatework.nn.reference.decay import gru_d
from gatework.nn.reference.loop import (
    Weights,
    gru,
    gru_cell,
    layer,
    lstm,
    lstm_cell,
    network,
    rnn,
    rnn_cell,
    step,
)

__all__ = [
    "POINTWISE",
    "State",
    "Weights",
    "gru",
    "gru_cell",
    "gru_d",
    "layer",
    "lstm",
    "lstm_cell",
    "network",
    "rnn",
    "rnn_cell",
    "step",
]
