"""Layers: drop-in LSTM, GRU and RNN, a feedforward network to compare with, and the readable reference."""

from gatework.nn import reference
from gatework.nn.acceleration import accelerate
from gatework.nn.feedforward import FeedForward
from gatework.nn.making import make
from gatework.nn.recurrent import GRU, LSTM, RNN
from gatework.nn.threads import share_torchs
from gatework.nn.variants import (
    LSTM1997,
    SLSTM,
    CoupledLSTM,
    LSTMWithoutInputActivation,
    LSTMWithoutInputGate,
    LSTMWithoutOutputActivation,
    LSTMWithoutOutputGate,
    MinGRU,
    MinLSTM,
    PeepholeLSTM,
)

__all__ = [
    "GRU",
    "LSTM",
    "LSTM1997",
    "RNN",
    "SLSTM",
    "CoupledLSTM",
    "FeedForward",
    "LSTMWithoutInputActivation",
    "LSTMWithoutInputGate",
    "LSTMWithoutOutputActivation",
    "LSTMWithoutOutputGate",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "accelerate",
    "make",
    "reference",
]

share_torchs()
