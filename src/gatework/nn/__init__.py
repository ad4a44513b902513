"""Layers: drop-in LSTM, GRU and RNN, attention, mLSTM, a feedforward network, and the readable reference."""

from gatework.nn import reference
from gatework.nn.acceleration import accelerate
from gatework.nn.attention import Attention, SelfAttentionPooling
from gatework.nn.attention_lstm import AttentionLSTM
from gatework.nn.convolutional import ConvLSTM1d, ConvLSTM2d, ConvLSTM3d
from gatework.nn.decay import GRUD
from gatework.nn.feedforward import FeedForward
from gatework.nn.full_gate import FullGateLSTM
from gatework.nn.initialise import initialise
from gatework.nn.layer_norm import LayerNormGRU, LayerNormLSTM
from gatework.nn.making import make
from gatework.nn.mlstm import MLSTM
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
    "GRUD",
    "LSTM",
    "LSTM1997",
    "MLSTM",
    "RNN",
    "SLSTM",
    "Attention",
    "AttentionLSTM",
    "ConvLSTM1d",
    "ConvLSTM2d",
    "ConvLSTM3d",
    "CoupledLSTM",
    "FeedForward",
    "FullGateLSTM",
    "LSTMWithoutInputActivation",
    "LSTMWithoutInputGate",
    "LSTMWithoutOutputActivation",
    "LSTMWithoutOutputGate",
    "LayerNormGRU",
    "LayerNormLSTM",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "SelfAttentionPooling",
    "accelerate",
    "initialise",
    "make",
    "reference",
]

share_torchs()
