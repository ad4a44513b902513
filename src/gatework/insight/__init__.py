"""Looking inside: gates, how far a memory reaches, gradients, attributions, attention.

watch.py        gates and states of every recurrent layer while a model computes
memory.py       half-life of each unit, saturation of its gates, orders to sort units by
flow.py         how much gradient is left k steps back
attribution.py  which past inputs an output comes from
attention.py    what a model attended to
describe.py     a model without data: layers, sizes, forget biases, norms of weights
forecast.py     all of it for a forecaster and a table, as plain values for the page
"""

from gatework.insight.attention import attention_maps
from gatework.insight.attribution import Attribution, integrated_gradients
from gatework.insight.describe import describe
from gatework.insight.flow import gradient_flow
from gatework.insight.memory import half_life, kept_share, orders, saturation
from gatework.insight.watch import Seen, watch

__all__ = [
    "Attribution",
    "Seen",
    "attention_maps",
    "describe",
    "gradient_flow",
    "half_life",
    "integrated_gradients",
    "kept_share",
    "orders",
    "saturation",
    "watch",
]
