"""benchmarks/long_memory: generators against plain checks, criteria that see wrong answers, tables."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

FOLDER = Path(__file__).parents[2] / "benchmarks" / "long_memory"
NAMES = ("task", "network", "train", "store", "render", "run", "tasks")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The benchmark's modules, imported as its scripts do and forgotten afterwards."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    made = {name: importlib.import_module(name) for name in NAMES}
    made["reber"] = importlib.import_module("tasks.reber")
    yield SimpleNamespace(**made)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in NAMES:
            del sys.modules[name]


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


class Oracle:
    """A network that knows the answers: what ``answer`` makes of its input."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(
        self, x: Tensor, lengths: Any = None, state: Any = None, at_end: bool = True
    ) -> Any:
        return self.answer(x, lengths), None


def test_adding_is_what_the_marks_say(bench: Any) -> None:
    adding, product = bench.tasks.TASKS["adding"], bench.tasks.TASKS["multiplication"]
    for task, lag in ((adding, 20), (adding, 100), (product, 100)):
        batch = task.batch(rng(), 300, lag)
        for x, length, target in zip(batch.x, batch.lengths, batch.target, strict=True):
            n = int(length)
            assert lag <= n <= lag * 1.1
            marked = [t for t in range(n) if x[t, 1] == 1]
            assert x[0, 1] == -1
            assert x[n - 1, 1] == -1
            assert len(marked) == 2 or (len(marked) == 1 and marked[0] < lag // 2)  # 0: the first
            assert all(t < max(10, lag // 2 - 1) for t in marked)
            numbers = [float(x[t, 0]) for t in marked] + [0.0] * (2 - len(marked))
            wanted = 0.5 + sum(numbers) / 4 if task is adding else numbers[0] * numbers[1]
            assert float(target) == pytest.approx(wanted, abs=1e-6)
    assert (adding.batch(rng(), 3, 50).x == adding.batch(rng(), 3, 50).x).all()


@pytest.mark.parametrize(("name", "marks"), [("order-2", 2), ("order-3", 3)])
def test_the_class_is_the_order_of_the_marks(bench: Any, name: str, marks: int) -> None:
    task = bench.tasks.TASKS[name]
    batch = task.batch(rng(), 200, 100)
    letters = "abcdEBXY"
    for x, length, target in zip(batch.x, batch.lengths, batch.target, strict=True):
        text = "".join(letters[int(s)] for s in x[: int(length)].argmax(-1))
        found = [c for c in text if c in "XY"]
        assert text[0] == "E"
        assert text[-1] == "B"
        assert text.count("E") == text.count("B") == 1
        assert len(found) == marks
        assert int("".join("01"[c == "Y"] for c in found), 2) == int(target)
    assert len(set(batch.target.tolist())) == 2**marks


def grammatical(text: str) -> bool:
    """Whether an automaton of its own, written down from the figure, accepts the string."""
    arrows = {
        "0T": "1", "0P": "2", "1S": "1", "1X": "3", "2T": "2", "2V": "4",
        "3X": "2", "3S": "5", "4P": "3", "4V": "5",
    }  # fmt: skip
    if len(text) < 9 or text[0] + text[2] != "BB" or text[1] not in "TP":
        return False
    if text[-1] != "E" or text[-2] != text[1] or text[-3] != "E":
        return False
    node = "0"
    for symbol in text[3:-3]:
        node = arrows.get(node + symbol, "")
        if not node:
            return False
    return node == "5"


def test_strings_follow_the_grammar_and_its_checker_refuses_others(bench: Any) -> None:
    symbols, legal, lengths = bench.reber.strings(rng(), 400)
    texts = [
        "".join(bench.reber.SYMBOLS[s] for s in row[:n])
        for row, n in zip(symbols, lengths, strict=True)
    ]
    assert all(map(grammatical, texts))
    assert len(set(texts)) > 50
    for wrong in ("BTBTXSEPE", "BTBTSXETE", "BTBPVVETB", "BPBPVVE", "TTBPVVETE"):
        assert not grammatical(wrong)
    # What may follow each symbol, collected from the strings themselves: prefixes that were seen to go on so.
    seen: dict[str, set[str]] = {}
    for text in texts:
        for n in range(1, len(text)):
            seen.setdefault(text[:n], set()).add(text[n])
    for text, row in zip(texts, legal, strict=True):
        for n in range(1, len(text)):
            may = {bench.reber.SYMBOLS[s] for s in np.flatnonzero(row[n - 1])}
            assert seen[text[:n]] <= may, text[:n]
            assert len(may) <= 2
        assert bench.reber.SYMBOLS[int(np.flatnonzero(row[len(text) - 1])[0])] == "B"


def test_a_stream_is_strings_one_after_the_other(bench: Any) -> None:
    symbols, legal = bench.reber.stream(rng(), 5000)
    assert symbols.shape == (5000,)
    text = "".join(bench.reber.SYMBOLS[s] for s in symbols)
    start = 0
    while end := next((e for e in range(start + 9, start + 200) if grammatical(text[start:e])), 0):
        start = end
    assert start > 4800  # all but the string that was cut off
    assert legal[np.arange(4999), symbols[1:]].all()


def test_one_wrong_prediction_of_a_string_is_seen(bench: Any) -> None:
    task = bench.tasks.TASKS["reber"]
    batch = task.batch(rng(), 20, 0)
    out = batch.legal.float()
    assert task.right(out, batch).all()
    out[3, 2] = 1 - out[3, 2]
    assert task.right(out, batch).tolist() == [n != 3 for n in range(20)]
    nan = torch.full_like(out, torch.nan)
    assert not task.right(nan, batch).any()


def test_the_first_mistake_of_a_stream_is_counted(bench: Any) -> None:
    task = bench.tasks.TASKS["reber-continual"]
    _, legal = bench.reber.stream(rng(), 3000)
    answers = iter(torch.from_numpy(legal).float().split(1000))
    perfect = Oracle(lambda x, lengths: next(answers)[None])
    assert task.first_mistakes(perfect, rng(), 1, 3000) == 3000
    wrong = torch.from_numpy(legal).float()
    wrong[1234] = 0
    answers = iter(wrong.split(1000))
    assert task.first_mistakes(perfect, rng(), 1, 3000) == 1234


def test_strings_of_equal_counts_and_the_reach_of_a_counter(bench: Any) -> None:
    task = bench.tasks.TASKS["anbncn"]
    batch = task.strings(np.array([1, 3]))
    inputs = [
        "".join("Sabc"[int(s)] for s in x[:n].argmax(-1))
        for x, n in zip(batch.x, batch.lengths, strict=True)
    ]
    assert inputs == ["Sabc", "Saaabbbccc"]
    follows = ["".join("abcT"[k] for k in np.flatnonzero(bits)) for bits in batch.target[1].numpy()]
    assert follows == ["a", "ab", "ab", "ab", "b", "b", "c", "c", "c", "T"]

    def counts_to(limit: int) -> Oracle:
        def answer(x: Tensor, lengths: Tensor) -> Tensor:
            n = ((lengths - 1) // 3).numpy()
            out = task.strings(n).target * 2 - 1
            out[n > limit] *= -1
            return out

        return Oracle(answer)

    assert task.reach(counts_to(23), 1000) == 23
    assert task.solved(counts_to(23), rng(), 20)
    assert not task.solved(counts_to(23), rng(), 50)


@pytest.mark.parametrize("wrong", [0, 12, 13])
def test_so_many_wrong_ones_are_allowed(bench: Any, wrong: int) -> None:
    task, left = bench.tasks.TASKS["multiplication"], [wrong]
    source = task.batch

    def answer(x: Tensor, lengths: Tensor) -> Tensor:
        return made[-1].target[:, None] + spoilt(len(x))

    def spoilt(B: int) -> Tensor:
        off = torch.zeros(B, 1)
        off[: left[0]] = torch.nan
        left[0] = 0
        return off

    made: list[Any] = []

    class Watched(type(task)):  # type: ignore[misc]  # the class is known only when the folder is on the path
        def batch(self, *args: Any) -> Any:
            made.append(source(*args))
            return made[-1]

    assert Watched().solved(Oracle(answer), rng(), 20) is (wrong <= 12)


def test_every_task_makes_what_its_network_takes(bench: Any) -> None:
    for task in bench.tasks.TASKS.values():
        lag = task.lags[0]
        I, K = task.sizes(lag)  # noqa: E741
        network = bench.network.Network("gru", I, 4, K, task.memory(lag))
        batch = next(task.batches(rng(), 3, lag))
        assert batch.x.dtype == torch.float32, task.name
        out, _ = network(batch.x, batch.lengths, at_end=task.at_end)
        assert torch.isfinite(task.loss(out, batch)), task.name
        right = task.right(out, batch)
        assert right.shape == (len(batch.x),), task.name
        assert right.dtype == torch.bool, task.name
        assert not task.solved(network, rng(), lag), task.name
        assert not task.right(torch.full_like(out, torch.nan), batch).any(), task.name


def test_biases_keep_for_the_lag(bench: Any) -> None:
    torch.manual_seed(0)
    network = bench.network.Network("lstm", 2, 6, 1, 100)
    assert network.biases == "chrono"
    i, f, _, _ = network.layer.bias_ih_l0.detach().chunk(4)
    assert torch.equal(i, -f)
    assert bool((f >= 0).all())
    assert float(f.max()) <= np.log(99) + 1e-6
    assert bench.network.Network("rnn", 2, 6, 1, 100).biases == "own"


def start(bench: Any, out: Path, *more: str) -> int:
    words = ["--tasks", "order-2", "--lags", "20", "--cells", "rnn", "lstm", "--seeds", "1"]
    return int(bench.run.main([*words, "--out", str(out), "--budget", "0.05", *more]))


def test_a_second_start_makes_what_is_missing(bench: Any, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "r.jsonl"
    assert start(bench, out) == 0
    first = out.read_text()
    assert len(first.splitlines()) == 2
    assert start(bench, out) == 0
    assert out.read_text() == first
    assert "2 runs, 2 of them done before" in capsys.readouterr().out
    out.write_text(first[:-20])  # stopped while it wrote
    assert start(bench, out) == 0
    again = [json.loads(line) for line in out.read_text().splitlines()]
    assert [run["cell"] for run in again] == ["rnn", "lstm"]
    assert start(bench, out, "--budget", "0.1") == 0  # more time than they had
    assert len(out.read_text().splitlines()) == 4
    out.write_text("nonsense\n" + first)
    assert start(bench, out) == 2
    assert "line 1: not a run" in capsys.readouterr().err


def test_a_cell_that_fails_does_not_end_the_others(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = bench.run.train

    def fails(task: str, lag: int, cell: str, *rest: Any) -> Any:
        if cell == "rnn":
            raise RuntimeError("no kernel")
        return train(task, lag, cell, *rest)

    out = tmp_path / "r.jsonl"
    monkeypatch.setattr(bench.run, "train", fails)
    assert start(bench, out) == 1
    runs = list(bench.store.read(out).values())
    assert [run.get("failed") for run in runs] == ["RuntimeError: no kernel", None]
    assert "| rnn | failed: RuntimeError: no kernel |" in bench.render.render(runs)
    monkeypatch.setattr(bench.run, "train", train)
    assert start(bench, out) == 0  # what failed is tried again
    assert not any("failed" in run for run in bench.store.read(out).values())


@pytest.mark.parametrize("words", [["--lags", "7"], ["--seeds", "0"], ["--cells", "feedforward"]])
def test_what_cannot_be_is_refused(bench: Any, tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.run.main(["--out", str(tmp_path / "r.jsonl"), *words])
    assert stopped.value.code == 2


def made_up(cell: str, lag: int, seed: int, sequences: int, solved: bool) -> dict[str, Any]:
    facts = {"task": "adding", "lag": lag, "cell": cell, "seed": seed, "solved": solved}
    facts |= {"sequences": sequences, "seconds": 12.0, "budget_s": 60.0, "value": 0.25}
    return facts | {"ended": "solved" if solved else "budget", "biases": "own", "machine": {}}


def test_the_table_counts_seeds_and_takes_the_median(bench: Any) -> None:
    runs = [made_up("lstm", 100, seed, n, True) for seed, n in enumerate((30_000, 41_000, 90_000))]
    runs += [made_up("lstm", 1000, seed, n, seed == 2) for seed, n in enumerate((9, 9, 1_250_000))]
    runs += [made_up("rnn", lag, seed, 5, False) for lag in (100, 1000) for seed in range(3)]
    text = bench.render.render(runs)
    assert "| lstm | 3/3 after 41k (12 s) | 1/3 after 1.2M (12 s) |" in text
    assert "| rnn | 0/3, 0.250 | 0/3, 0.250 |" in text
    assert "74,000 sequences (table 7)" in text
    assert "At lag 100 lstm solved it with every seed, rnn with none within the budget." in text
    page = f"a\n{bench.render.OPEN}\nold\n{bench.render.CLOSE}\nb\n"
    new = f"a\n{bench.render.OPEN}\n\nnew\n\n{bench.render.CLOSE}\nb\n"
    assert bench.render.replace_between(page, "new\n") == new
    with pytest.raises(SystemExit, match="once each"):
        bench.render.replace_between("no markers", "new")
    assert bench.render.replace_between((FOLDER / "README.md").read_text(), "new")
