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
    parameters: tuple[str, ...] = ()  # vectors of H beside the matrices, rows of weight_p
    planes: tuple[str, ...] = ()  # what the engine keeps of each step for backward
    unseen: int = 0  # what it keeps behind those, such as sums: no gates to look at
    projects: bool = False  # whether it can have a projection
    zones: bool = False  # whether zoneout of c goes with it
    keeps: str = (
        ""  # share of its memory that a unit keeps over a step, by its planes; "1": all of it
    )
    heads: bool = (
        False  # whether weight_hh can be (G*H, H/heads): groups of units that do not see each other
    )

    @property
    def has_c(self) -> bool:
        """Whether a cell state is kept beside the output."""
        return len(self.states) > 1

    @property
    def forecasts(self) -> bool:
        """Whether a forecaster can have it: what the engine runs step by step, and what needs no steps."""
        return self.code is not None or self.name == "feedforward"


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
            keeps="z",
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
            keeps="f",
            projects=True,
            zones=True,
        ),
        Cell(
            "lstm1997",
            "LSTM of 1997",
            "Hochreiter & Schmidhuber 1997",
            "no forget gate: what was written stays",
            "LSTM1997",
            code=6,
            x_gates="igo",
            h_gates="igo",
            states=("h", "c"),
            parameters=("i", "o"),
            planes=("i", "g", "o"),
            keeps="1",
            zones=True,
        ),
        Cell(
            "peephole",
            "Peephole LSTM",
            "Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002",
            "the gates see the cell state, which tells them of time",
            "PeepholeLSTM",
            code=4,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c"),
            parameters=("i", "f", "o"),
            planes=("i", "f", "g", "o"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "cifg",
            "LSTM with coupled input and forget gate",
            "Greff et al. 2015, section 3 (CIFG)",
            "writes just as much as it forgets: a gate less to learn",
            "CoupledLSTM",
            code=5,
            x_gates="fgo",
            h_gates="fgo",
            states=("h", "c"),
            parameters=("f", "o"),
            planes=("f", "g", "o"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "no_input_gate",
            "LSTM without input gate",
            "Greff et al. 2015, section 3 (NIG)",
            "every candidate is written in full",
            "LSTMWithoutInputGate",
            code=7,
            x_gates="fgo",
            h_gates="fgo",
            states=("h", "c"),
            parameters=("f", "o"),
            planes=("f", "g", "o"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "no_output_gate",
            "LSTM without output gate",
            "Greff et al. 2015, section 3 (NOG)",
            "the whole cell state is always read",
            "LSTMWithoutOutputGate",
            code=8,
            x_gates="ifg",
            h_gates="ifg",
            states=("h", "c"),
            parameters=("i", "f"),
            planes=("i", "f", "g"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "no_input_activation",
            "LSTM without input activation",
            "Greff et al. 2015, section 3 (NIAF)",
            "the candidate is not squashed",
            "LSTMWithoutInputActivation",
            code=9,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c"),
            parameters=("i", "f", "o"),
            planes=("i", "f", "g", "o"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "no_output_activation",
            "LSTM without output activation",
            "Greff et al. 2015, section 3 (NOAF)",
            "the cell state is read without being squashed",
            "LSTMWithoutOutputActivation",
            code=10,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c"),
            parameters=("i", "f", "o"),
            planes=("i", "f", "g", "o"),
            keeps="f",
            zones=True,
        ),
        Cell(
            "full_gate_recurrence",
            "LSTM with full gate recurrence",
            "Greff et al. 2015, section 3 (FGR); Hochreiter & Schmidhuber 1997",
            "the gates see the gates of the step before; the one cell that runs as a loop of torch operations",
            "FullGateLSTM",
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c", "i", "f", "o"),
            parameters=("i", "f", "o"),
        ),
        Cell(
            "slstm",
            "sLSTM",
            "Beck et al. 2024, xLSTM, equations 8 to 17",
            "exponential gates, kept finite by a normaliser and a stabiliser",
            "SLSTM",
            code=11,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c", "n", "m"),
            planes=("i", "f", "g", "o", "s"),
            keeps="1-i/n",
            heads=True,
        ),
        Cell(
            "minlstm",
            "minLSTM",
            "Feng et al. 2024, Were RNNs All We Needed?, section 3.2",
            "gates that see the input alone: all products at once, then a scan",
            "MinLSTM",
            code=12,
            x_gates="ifg",
            states=("h",),
            planes=("i", "f", "g"),
            keeps="f/(i+f)",
        ),
        Cell(
            "mingru",
            "minGRU",
            "Feng et al. 2024, Were RNNs All We Needed?, section 3.1",
            "one gate that sees the input alone: all products at once, then a scan",
            "MinGRU",
            code=13,
            x_gates="zn",
            states=("h",),
            planes=("z", "n"),
            keeps="1-z",
        ),
        Cell(
            "layernorm",
            "LSTM with layer normalisation",
            "Ba, Kiros & Hinton 2016, equations 20 to 22",
            "sums and cell state normalised over the units: no unit runs away, whatever the inputs' scale",
            "LayerNormLSTM",
            code=14,
            x_gates="ifgo",
            h_gates="ifgo",
            states=("h", "c"),
            parameters=(
                *("gain_x_i", "gain_x_f", "gain_x_g", "gain_x_o"),
                *("gain_h_i", "gain_h_f", "gain_h_g", "gain_h_o"),
                *("bias_i", "bias_f", "bias_g", "bias_o"),
                *("gain_c", "bias_c"),
            ),
            planes=("i", "f", "g", "o"),
            unseen=9,
            keeps="f",
            zones=True,
        ),
        Cell(
            "layernorm_gru",
            "Gated recurrent unit with layer normalisation",
            "Ba, Kiros & Hinton 2016, supplementary material",
            "sums normalised over the units, the candidate's apart from the gates'",
            "LayerNormGRU",
            code=15,
            x_gates="rzn",
            h_gates="rzn",
            parameters=(
                *("gain_x_r", "gain_x_z", "gain_x_n"),
                *("gain_h_r", "gain_h_z", "gain_h_n"),
                *("bias_r", "bias_z", "bias_n", "bias_h_n"),
            ),
            planes=("r", "z", "n"),
            unseen=7,
            keeps="z",
        ),
        Cell(
            "mlstm",
            "Matrix LSTM",
            "Beck et al. 2024 (xLSTM)",
            "a matrix for a cell state, written by key and value, read by query; no output goes back in",
            "MLSTM",
            states=("h", "C", "n", "m"),
        ),
        Cell(
            "gru_d",
            "GRU with decay",
            "Che et al. 2018 (GRU-D)",
            "for missing values and irregular times: state and last values fade with the time that passed",
            "GRUD",
            x_gates="rzn",
            h_gates="rzn",
            states=("h", "last", "since"),
        ),
    )
}
