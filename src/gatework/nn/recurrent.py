"""Recurrent layers: ``torch.nn``'s LSTM, GRU and RNN on the compiled engine.

``forward``, ``step`` and ``fan_out`` are those of :class:`~gatework.nn.layer.RecurrentLayer`; here stands what
distinguishes the cells.  One alphabet: x ``(B, I)``, h and c ``(B, H)``; gates in one order, i f g o (input,
forget, candidate, output), which is also the order of torch's ``weight_ih_l0``.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from gatework.nn.layer import RecurrentLayer
from gatework.nn.options import take_options


class LSTM(RecurrentLayer, nn.LSTM):  # forward takes `lengths` too
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    .. code-block:: text

        i = σ(W_ii x + b_ii + W_hi h + b_hi)      f = σ(W_if x + b_if + W_hf h + b_hf)
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)   o = σ(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g                        h' = o * tanh(c')

    With ``proj_size=P``, ``h' = W_hr (o * tanh(c'))`` (Sak et al. 2014, arXiv 1402.1128).  Arguments,
    ``state_dict`` and results are those of ``torch.nn.LSTM``; ``forward`` also takes ``lengths`` and
    ``resets``, and ``step`` advances one observation.  Options beyond torch's: ``recurrent_dropout``,
    ``zoneout``, ``weight_drop`` (see :mod:`gatework.nn.regularisers`), ``residual`` (from the second layer on,
    a layer's input is added to its output), ``learned_state`` (initial states are parameters) and
    ``forget_bias`` (torch draws it around 0; 1 helps to learn long lags, Jozefowicz et al. 2015).

    >>> import torch
    >>> lstm = LSTM(3, 8, batch_first=True)
    >>> y, (h, c) = lstm(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 2]))
    >>> y.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        own = take_options(options)
        super().__init__(*args, **options)
        self._set_options(**own)


class GRU(RecurrentLayer, nn.GRU):  # forward takes `lengths` too
    """Gated recurrent unit (Cho et al. 2014), torch's form: the reset gate acts after the product.

    .. code-block:: text

        r = σ(W_ir x + b_ir + W_hr h + b_hr)      z = σ(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Arguments, ``state_dict`` and results are those of ``torch.nn.GRU``.

    >>> import torch
    >>> y, h = GRU(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        own = take_options(options)
        super().__init__(*args, **options)
        self._set_options(**own)


class RNN(RecurrentLayer, nn.RNN):  # forward takes `lengths` too
    """Plain recurrent network (Elman 1990): ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Arguments, ``state_dict`` and results are those of ``torch.nn.RNN``.

    >>> import torch
    >>> y, h = RNN(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        own = take_options(options)
        super().__init__(*args, **options)
        self._set_options(**own)
