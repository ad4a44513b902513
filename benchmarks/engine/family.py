"""The family beside a loop over time in torch, and beside Gatework's plain LSTM: training steps.

    python benchmarks/engine/family.py [--threads 1] [--out results-family.json] [--into README.md]
    python benchmarks/engine/family.py --render results-family.json --into README.md

Each cell runs as Gatework's layer, as the loop that a user of torch writes (``contestants/loops.py``), and as
that loop under ``torch.compile``; all in this process, in turns, with Gatework's plain LSTM of the same size.
Outputs and gradients are compared first, in evaluation mode, where nothing is drawn.  Compiling is not timed,
and given up after ``--compile-seconds``: a loop of 100 steps is unrolled into one graph.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from contestants.loops import CELLS as LOOPS
from contestants.loops import Loop
from run import facts, save
from torch import Tensor, nn

from gatework.bench.peak import measure_peak
from gatework.bench.timing import LEAST_ROUNDS, alternate, ratio
from gatework.cells import CELLS
from gatework.nn import make

OPEN, CLOSE = "<!-- family benchmark -->", "<!-- end of family benchmark -->"
SIZES = ((32, 100, 64, 128), (32, 100, 64, 256), (4, 100, 64, 64))  # B, T, I, H
# name, cell, options, the most of the plain LSTM's time that it may take
ROWS: tuple[tuple[str, str, dict[str, Any], float | None], ...] = (
    ("peephole", "peephole", {}, 1.25),
    ("CIFG", "cifg", {}, 1.25),
    ("layer norm", "layernorm", {}, 1.6),
    ("zoneout", "lstm", {"zoneout": (0.1, 0.1)}, 1.25),
    ("recurrent dropout", "lstm", {"recurrent_dropout": 0.25}, 1.25),
    ("sLSTM", "slstm", {}, None),
    ("minGRU", "mingru", {}, None),
)
EAGER, COMPILED, OURS, PLAIN = "loop", "compiled loop", "gatework.nn", "gatework.nn LSTM"
LEAST = {EAGER: 10.0, COMPILED: 3.0}


class CompileTimeoutError(Exception):
    """Compiling takes longer than anyone waits."""


def output(found: Any) -> Tensor:
    """y, of a layer that gives its state as well, or of one that does not."""
    y: Tensor = found[0] if isinstance(found, tuple) else found
    return y


def step(module: Any, x: Tensor, pull: Tensor) -> Callable[[], dict[str, Tensor]]:
    """A training step: forward and backward, of the input too."""

    def run() -> dict[str, Tensor]:
        x.grad = None
        for p in module.parameters():
            p.grad = None
        y = output(module(x))
        y.backward(pull)  # type: ignore[no-untyped-call]  # torch's has no types
        found = {"y": y.detach(), "dx": x.grad}
        return {name: value for name, value in found.items() if value is not None}

    return run


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference as a share of the largest number."""
    return max(
        float((a - theirs[name]).abs().max() / theirs[name].abs().max()) for name, a in ours.items()
    )


def compiled(loop: nn.Module, x: Tensor, pull: Tensor, seconds: float) -> tuple[Any, float | str]:
    """The loop under torch.compile and the seconds that it took, or None and why not."""

    def give_up(*_: object) -> None:
        raise CompileTimeoutError

    module: Any = torch.compile(loop)
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(max(1, int(seconds)))
    started = time.perf_counter()
    try:
        step(module, x, pull)()
        return module, time.perf_counter() - started
    except CompileTimeoutError:
        return None, f"not compiled within {seconds:.0f} s"
    except Exception as error:  # whatever torch's compilers raise
        if time.perf_counter() - started >= seconds:  # the compiler wraps what stopped it
            return None, f"not compiled within {seconds:.0f} s"
        return None, f"does not compile: {type(error).__name__}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        torch._dynamo.reset()


def measure(
    name: str, cell: str, options: dict[str, Any], size: tuple[int, int, int, int], args: Any
) -> dict[str, Any]:
    """One row of the table as plain data."""
    B, T, I, H = size  # noqa: E741
    torch.manual_seed(0)
    layer, plain = make(cell, I, H, **options), make("lstm", I, H)
    loop = Loop(layer)
    x, pull = torch.randn(B, T, I, requires_grad=True), torch.randn(B, T, H)
    head: dict[str, Any] = {
        "row": name,
        "cell": cell,
        "options": {k: str(v) for k, v in options.items()},
    }
    head |= {"B": B, "T": T, "I": I, "H": H, "threads": torch.get_num_threads()}
    # in float64: a normalisation divides by what is near 0 in the first steps
    exact = x.detach().double().requires_grad_()
    ours, theirs = (copy.deepcopy(m).double().eval() for m in (layer, loop))
    off = difference(step(ours, exact, pull.double())(), step(theirs, exact, pull.double())())
    allowed = 1e-9
    if not (off <= allowed):
        return head | {"failed": f"differs from the loop by {off:.2g}, allowed are {allowed:.2g}"}
    layer.train(), loop.train()
    runs = {OURS: step(layer, x, pull), PLAIN: step(plain, x, pull), EAGER: step(loop, x, pull)}
    note: float | str = "not asked for"
    if args.compile_seconds:
        fast, note = compiled(Loop(layer).train(), x, pull, args.compile_seconds)
        if fast is not None:
            runs[COMPILED] = step(fast, x, pull)
    times = alternate(runs, args.seconds, torch.get_num_threads(), args.least)
    return head | {
        "difference": off,
        "compiling": note,
        "contestants": {c: found.summary() for c, found in times.items()},
        "ratios": {
            f"{a} / {b}": ratio(times[a], times[b])
            for a, b in ((EAGER, OURS), (COMPILED, OURS), (OURS, PLAIN))
            if a in times
        },
    }


def times_of(found: dict[str, float] | None) -> str:
    """A ratio as it is printed; nothing where there is none."""
    return f"{found['ratio']:.1f} ×" if found else ""


def verdict(row: dict[str, Any], most: dict[str, float | None]) -> str:
    """What is missed of what was to be reached."""
    ratios = {pair: found["ratio"] for pair, found in row["ratios"].items()}
    missed = [
        f"{other} {ratios[pair]:.1f}"
        for other, least in LEAST.items()
        if (pair := f"{other} / {OURS}") in ratios and round(ratios[pair], 1) < least
    ]
    limit, own = most.get(row["row"]), ratios[f"{OURS} / {PLAIN}"]
    if limit is not None and round(own, 2) > limit:
        missed.append(f"LSTM {own:.2f} > {limit}")
    return "**missed**: " + ", ".join(missed) if missed else "met"


def render(results: dict[str, Any]) -> str:
    """The README's table."""
    facts_of = results["machine"] | results["versions"] | results["settings"]
    lines = [
        f"{facts_of.get('processor', '')}; {facts_of['engine']}; torch {facts_of['torch']}; "
        f"commit {facts_of['commit']}, {facts_of['date']}.  Training steps, float32.",
        "",
        "| cell | B, T, I, H | threads | ms | loop | compiled loop | of the plain LSTM's time | |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    most = {name: limit for name, _, _, limit in ROWS}
    for row in results["rows"]:
        size = ", ".join(str(row[k]) for k in "BTIH")
        if "failed" in row:
            lines.append(f"| {row['row']} | {size} | {row['threads']} | {row['failed']} | | | | |")
            continue
        found = row["ratios"]
        fast = found.get(f"{COMPILED} / {OURS}")
        lines.append(
            f"| {row['row']} | {size} | {row['threads']} | {row['contestants'][OURS]['ms']:.2f} "
            f"| {found[f'{EAGER} / {OURS}']['ratio']:.1f} × "
            f"| {times_of(fast) or row['compiling']} "
            f"| {found[f'{OURS} / {PLAIN}']['ratio']:.2f} | {verdict(row, most)} |"
        )
    return "\n".join(lines) + "\n"


def put(text: str, path: Path) -> None:
    """The text between the markers of a file."""
    before = path.read_text(encoding="utf-8")
    if OPEN not in before or CLOSE not in before:
        sys.exit(f"{path} has no lines {OPEN} and {CLOSE}.")
    head, _, rest = before.partition(OPEN)
    _, _, tail = rest.partition(CLOSE)
    path.write_text(f"{head}{OPEN}\n\n{text}\n{CLOSE}{tail}", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="names of rows (default: all)")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each row (default 6)")
    parser.add_argument("--compile-seconds", type=float, default=240.0, help="0: do not compile")
    parser.add_argument("--quick", action="store_true", help="a look: 3 turns, not compiled")
    parser.add_argument("--out", type=Path, help="write the results to this file")
    parser.add_argument("--into", type=Path, help="put the table between this file's markers")
    parser.add_argument("--render", type=Path, help="no run: the table of these results")
    args = parser.parse_args()
    args.least = LEAST_ROUNDS
    if args.quick:
        args.seconds, args.least, args.compile_seconds = min(args.seconds, 0.5), 3, 0.0
    unknown = set(args.rows or ()) - {name for name, *_ in ROWS}
    if unknown:
        parser.error(f"no row {sorted(unknown)[0]!r}; there are {', '.join(r[0] for r in ROWS)}")
    return args


def main() -> int:
    args = arguments()
    if args.render:
        results = json.loads(args.render.read_text(encoding="utf-8"))
    else:
        torch.set_num_threads(1)
        results = facts(args, measure_peak())
        for threads in args.threads:
            torch.set_num_threads(threads)
            for size in SIZES:
                for name, cell, options, _ in ROWS:
                    if args.rows and name not in args.rows:
                        continue
                    if cell not in CELLS or cell not in LOOPS:
                        print(f"{name}: no such cell here, left out", flush=True)
                        continue
                    row = measure(name, cell, options, size, args)
                    results["rows"].append(row)
                    print(json.dumps(row.get("ratios", row)), flush=True)
                    if args.out:
                        save(results, args.out)
    text = render(results)
    print(text)
    if args.into:
        put(text, args.into)
    return 1 if any("failed" in row for row in results["rows"]) else 0


if __name__ == "__main__":
    if os.name != "posix":
        sys.exit("family.py stops a compiler that takes too long by a signal: POSIX only.")
    sys.exit(main())
