"""Every recurrent cell there is, a row each: the table that layers, command line, docs and tests read.

Pure data.  A row says what a cell is called, where it comes from, and what must be known of it to make its
weights and to hold its state; what it computes stands in ``gatework.nn.reference``, and the engine has a
struct for it.

Letters of gates, in the order of their rows in the weights: ``i`` input, ``f`` forget, ``g`` candidate,
``o`` output; ``r`` reset, ``z`` update, ``n`` candidate of a GRU.
"""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """One row of the table."""

    name: str  # what cell= and --cell take
    title: str
    source: str
    summary: str  # in one sentence, what sets it apart
    layer: str  # its class in gatework.nn
    code: int | None = None  # the engine's number; None: composed of torch's operations
    x_gates: str = ""  # blocks of H rows in weight_ih
    h_gates: str = ""  # blocks of H rows in weight_hh
    states: tuple[str, ...] = ("h",)  # what a state holds, the output first
    parameters: tuple[str, ...] = ()  # vectors of H beside the matrices
    planes: tuple[str, ...] = ()  # what the engine keeps of each step for backward

    @property
    def has_c(self) -> bool:
        """Whether a cell state is kept beside the output."""
        return len(self.states) > 1


CELLS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        Cell(
            "feedforward",
            "Feedforward network",
            "Rosenblatt 1958; Rumelhart, Hinton & Williams 1986",
            "a weight for each step and no memory: to compare with",
            "FeedForward",
        ),
        Cell(
            "rnn",
            "Plain recurrent network",
            "Elman 1990",
            "one tanh of input and last output, no gates",
            "RNN",
            code=2,
            x_gates="g",
            h_gates="g",
        ),
        Cell(
            "rnn_relu",
            "Plain recurrent network, rectified",
            "Elman 1990; Le, Jaitly & Hinton 2015",
            "the same with max(0, .) in the place of tanh",
            "RNN",
            code=3,
            x_gates="g",
            h_gates="g",
        ),
        Cell(
            "gru",
            "Gated recurrent unit",
            "Cho et al. 2014",
            "reset and update gate, no cell state of its own",
            "GRU",
            code=1,
            x_gates="rzn",
            h_gates="rzn",
            planes=("n", "r", "z", "h_n"),
        ),
        Cell(
            "lstm",
            "Long short-term memory",
            "Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000",
            "a cell state that an input gate writes, a forget gate clears and an output gate reads",
            "LSTM",
            code=0,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c"),
            planes=("i", "f", "g", "o"),
        ),
    )
}
