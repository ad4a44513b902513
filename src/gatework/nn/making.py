"""A recurrent layer by the name of its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from gatework.cells import CELLS
from gatework.errors import ConfigError, nearest
from gatework.nn.decay import GRUD
from gatework.nn.full_gate import FullGateLSTM
from gatework.nn.layer_norm import LayerNormGRU, LayerNormLSTM
from gatework.nn.mlstm import MLSTM
from gatework.nn.recurrent import GRU, LSTM, RNN
from gatework.nn.variants import VARIANTS

_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "FullGateLSTM": FullGateLSTM,
    "GRU": GRU,
    "GRUD": GRUD,
    "LSTM": LSTM,
    "LayerNormGRU": LayerNormGRU,
    "LayerNormLSTM": LayerNormLSTM,
    "MLSTM": MLSTM,
    "RNN": RNN,
    **VARIANTS,
}


def make(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    *,
    bias: bool = True,
    dropout: float = 0.0,
    bidirectional: bool = False,
    **options: Any,
) -> Any:
    """The layer of ``gatework.nn`` whose cell is called ``cell``, with ``batch_first``.

    Forget gates begin open, ``forget_bias=1``, the LSTM's too: its class draws that bias around 0, as torch
    does.

    Args:
        cell: a name of the table in ``gatework.cells``.
        options: what that layer takes beyond the others.

    Raises:
        ConfigError: no recurrent cell has that name, or the layer cannot be one of ``batch_first``.

    >>> make("gru", 3, 8)
    GRU(3, 8, batch_first=True)
    """
    given: Any = cell
    if not isinstance(given, str):
        came = given.__name__ if isinstance(given, type) else repr(given)
        raise ConfigError(
            f"make: `cell` must be the name of a cell, such as 'lstm'; got {came}. "
            "gatework.cells has the names."
        )
    if cell == "feedforward":
        raise ConfigError(
            "make: 'feedforward' is not recurrent: it has a weight for each step and needs to know T. Build "
            f"it with gatework.nn.FeedForward({input_size}, {hidden_size}, {num_layers}, steps=T)."
        )
    if not options.pop("batch_first", True):
        raise ConfigError(
            "make: its layers are batch_first, (B, T, I); got batch_first=False. Transpose the input, or "
            f"take the class, gatework.nn.{CELLS[cell].layer if cell in CELLS else 'LSTM'}, which takes both."
        )
    row = CELLS.get(cell)
    if row is None or row.layer not in _LAYERS:
        known = [name for name, other in CELLS.items() if other.layer in _LAYERS]
        raise ConfigError(f"make: there is no recurrent cell {cell!r}. {nearest(cell, known)}")
    if row.name == "rnn_relu":
        options["nonlinearity"] = "relu"
    if row.name == "lstm" and bias:  # as the other cells with a forget gate have it
        options.setdefault("forget_bias", 1.0)
    return _LAYERS[row.layer](
        input_size,
        hidden_size,
        num_layers,
        bias=bias,
        batch_first=True,
        dropout=dropout,
        bidirectional=bidirectional,
        **options,
    )
