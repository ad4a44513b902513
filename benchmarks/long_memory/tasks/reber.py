"""The embedded Reber grammar, a string at a time and as one stream without marks of its strings' ends.

inner   B, then from node 1 to node 6 along the arrows of NEXT, E
string  B, T or P, an inner string, the same T or P, E
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from network import Network
from task import Batch, Paper, Rng, Settings, Task, one_hot, within
from torch import Tensor

SYMBOLS = "BTPSXVE"
B_, T_, P_, S_, X_, V_, E_ = range(7)
# node -> the two arrows out of it, each a symbol and the node it leads to; node 5 has but E, to the end
NEXT = np.array(
    [
        [(T_, 1), (P_, 2)],
        [(S_, 1), (X_, 3)],
        [(T_, 2), (V_, 4)],
        [(X_, 2), (S_, 5)],
        [(P_, 3), (V_, 5)],
        [(E_, 6), (E_, 6)],
        [(E_, 6), (E_, 6)],
    ]
)


def strings(rng: Rng, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symbols (count, T), what may follow each (count, T, 7) bool, and lengths (count,).

    After a string's last E comes the B of the next.
    """
    rows = np.arange(count)
    outer = rng.choice([T_, P_], count)
    columns = [np.full(count, B_), outer, np.full(count, B_)]
    node, ended = np.zeros(count, int), np.zeros(count, int)
    legal_of_node = np.zeros((7, 7), bool)
    for n, arrows in enumerate(NEXT):
        legal_of_node[n, arrows[:, 0]] = True
    follow = np.zeros((count, 3, 7), bool)
    follow[:, 0, [T_, P_]] = follow[:, 1, B_] = True
    follow[:, 2] = legal_of_node[0]
    follows = [follow[:, n] for n in range(3)]
    while not ended.all():
        symbol, node_next = NEXT[node, rng.integers(0, 2, count)].T
        columns.append(symbol)
        follows.append(legal_of_node[node_next])
        node = node_next
        ended = np.where((ended == 0) & (node == 6), len(columns), ended)  # steps up to the inner E
    columns += [columns[-1]] * 2
    follows += [follows[-1]] * 2
    symbols, legal = np.stack(columns, 1), np.stack(follows, 1)
    symbols[rows, ended], symbols[rows, ended + 1] = outer, E_
    legal[rows, ended - 1] = np.eye(7, dtype=bool)[outer]
    legal[rows, ended] = np.eye(7, dtype=bool)[E_]
    legal[rows, ended + 1] = np.eye(7, dtype=bool)[B_]
    return symbols, legal, ended + 2


def stream(rng: Rng, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Strings one after the other: symbols (steps,), and what may follow each (steps, 7)."""
    symbols, legal, lengths = strings(rng, steps // 9 + 1)  # no string is shorter than nine
    inside = within(lengths, symbols.shape[1])
    return symbols[inside][:steps], legal[inside][:steps]


def judged(out: Tensor, legal: Tensor) -> Tensor:
    """(..., ) bool: every symbol that may follow has a larger output than every other one."""
    least = out.masked_fill(~legal, torch.inf).amin(-1)
    return least > out.masked_fill(legal, -torch.inf).amax(-1)


class EmbeddedReber(Task):
    """Predict what may come next, one string at a time."""

    name = "reber"
    title = "Embedded Reber grammar"
    source = "Hochreiter & Schmidhuber 1997, section 5.1 (experiment 1)"
    criterion = (
        "512 fresh strings in which, at every step, each symbol that may follow has a larger output "
        "than each that may not"
    )
    settings = Settings(check_every=256)
    papers = (Paper(0, "8,440 to 39,740 sequences, 97 to 100 % of runs", "table 1"),)
    at_end = False
    tested = 512

    def sizes(self, lag: int) -> tuple[int, int]:
        return 7, 7

    def memory(self, lag: int) -> int:
        return 20

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        symbols, legal, lengths = strings(rng, B)
        where = torch.from_numpy(within(lengths - 1, symbols.shape[1] - 1))
        x = one_hot(symbols[:, :-1], 7)
        batch = Batch(x, torch.from_numpy(symbols[:, 1:]), torch.from_numpy(lengths - 1), where)
        batch.legal = torch.from_numpy(legal[:, :-1])
        return batch

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out[batch.where], batch.target[batch.where])

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return (judged(out, batch.legal) | ~batch.where).all(-1)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return self._wrong(network, rng, lag, self.tested, 0) == 0


class ContinualReber(EmbeddedReber):
    """The same as one stream: nothing says where a string ends, and no state is ever cleared."""

    name = "reber-continual"
    title = "Continual embedded Reber grammar"
    source = "Gers, Schmidhuber & Cummins 2000"
    criterion = (
        "ten fresh streams of 100,000 symbols each without one wrong prediction, as for a string"
    )
    settings = Settings(batch=16, learning_rate=1e-3, check_every=500)
    papers = (Paper(0, "solved with forget gates, not without", "abstract"),)
    carried = True
    value_is = "symbols before the first mistake, mean of ten streams"
    steps = 50  # of a piece of a stream, and so of back-propagation
    streams, length = 10, 100_000

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        return next(self.batches(rng, B, lag))

    def batches(self, rng: Rng, B: int, lag: int) -> Iterator[Batch]:
        pieces = 40
        while True:
            made = [stream(rng, self.steps * pieces + 1) for _ in range(B)]
            # Then new streams begin, from no state, as those that judge do: within one nothing is cleared.
            symbols, legal = (np.stack(part) for part in zip(*made, strict=True))
            for start in range(0, self.steps * pieces, self.steps):
                at = slice(start, start + self.steps)
                x = one_hot(symbols[:, at], 7)
                batch = Batch(x, torch.from_numpy(symbols[:, start + 1 : start + self.steps + 1]))
                batch.where = torch.ones(x.shape[:2], dtype=torch.bool)
                batch.legal = torch.from_numpy(legal[:, at])
                batch.sequences = max(int((symbols[:, at] == E_).sum()) // 2, 1)  # two E a string
                batch.fresh = start == 0
                yield batch

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return self.first_mistakes(network, rng, 1, 2_000) == 2_000 and (
            self.first_mistakes(network, rng, self.streams, self.length) == self.length
        )

    def measure(self, network: Network, rng: Rng, lag: int) -> float:
        return self.first_mistakes(network, rng, self.streams, self.length)

    def first_mistakes(self, network: Network, rng: Rng, streams: int, length: int) -> float:
        """Mean number of symbols before the first wrong prediction; ``length`` where none is wrong."""
        made = [stream(rng, length) for _ in range(streams)]
        symbols, legal = (np.stack(part) for part in zip(*made, strict=True))
        before, state, piece = np.full(streams, length), None, 1000
        for start in range(0, length, piece):
            with torch.inference_mode():
                x = one_hot(symbols[:, start : start + piece], 7)
                out, state = network(x, state=state, at_end=False)
                good = judged(out, torch.from_numpy(legal[:, start : start + piece])).numpy()
            first = np.where(good.all(1), length, start + (~good).argmax(1))
            before = np.minimum(before, first)
            if (before < length).all():
                break
        return float(before.mean())
