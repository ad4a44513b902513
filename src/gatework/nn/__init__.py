"""Layers: drop-in LSTM, GRU and RNN, a feedforward network to compare with, and the readable reference."""

from gatework.nn import reference
from gatework.nn.acceleration import accelerate
from gatework.nn.feedforward import FeedForward
from gatework.nn.making import make
from gatework.nn.recurrent import GRU, LSTM, RNN
from gatework.nn.threads import share_torchs

__all__ = ["GRU", "LSTM", "RNN", "FeedForward", "accelerate", "make", "reference"]

share_torchs()
