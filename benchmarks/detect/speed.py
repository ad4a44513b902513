"""Time of a push, throughput of ``gatework watch``, memory over many pushes; on made-up data.

    python -m benchmarks.detect.speed [--parts push,watch,memory] [--pushes 1000000] [--threads 1]

Scores of pushes are compared with those of the batch before anything is timed.  ``--pushes 10000000`` is the
long run.  Each part that was run replaces its own in speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.detect.run import HERE, commit, machine, now, with_threads

PARTS = ("push", "watch", "memory")
KINDS = 30  # of events
PIPE = 1 << 16  # bytes that it holds
RING = 1000  # rows that are pushed again and again
DIFFERENCE = 0.02  # of two scores, the batch's and the stream's; float32 through two layers


def channels(count: int, rows: int, seed: int = 0) -> Any:
    """``(rows, count)`` of waves with noise."""
    import numpy as np

    rng = np.random.default_rng(seed)
    t = np.arange(rows)[:, None]
    waves = np.sin(t / (5 + np.arange(count)) + np.arange(count))
    return np.round(waves + rng.normal(0, 0.1, (rows, count)), 4)


def sessions(count: int, seed: int = 0) -> list[list[str]]:
    """Sequences of 5 to 25 events, each followed by one of three."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = []
    for length in rng.integers(5, 26, count).tolist():
        steps, event = rng.choice(3, length, p=[0.7, 0.2, 0.1]).tolist(), 0
        session = []
        for step in steps:
            event = (3 * event + 7 * step + 1) % KINDS
            session.append(str(event))
        found.append(session)
    return found


def wide(folder: Path) -> Path:
    """A saved detector of 38 channels, two layers of 64."""
    from gatework import AnomalyDetector

    detector = AnomalyDetector(num_layers=2, hidden_size=64, max_epochs=1)
    detector.fit(channels(38, 3000)).save(folder / "wide")
    return folder / "wide"


def push(folder: Path, pushes: int) -> dict[str, Any]:
    """Microseconds of a push of a list of 38 numbers."""
    import numpy as np

    from gatework import AnomalyDetector

    detector = AnomalyDetector.load(wide(folder))
    data = channels(38, 5 * RING, seed=1)
    rows, stream = data.tolist(), detector.stream()
    own = np.array([stream.push(row).score for row in rows])
    batch = detector.score(data)
    difference = float(np.abs(own - batch).max())
    if not difference <= DIFFERENCE:
        raise SystemExit(f"a stream's scores differ from the batch's by up to {difference}")
    times = np.empty(min(pushes, 50_000))
    used = time.process_time()
    for i in range(len(times)):
        row = rows[i % len(rows)]
        started = time.perf_counter_ns()
        stream.push(row)
        times[i] = time.perf_counter_ns() - started
    used = time.process_time() - used
    median, p99 = (float(np.quantile(times, q)) / 1e3 for q in (0.5, 0.99))
    return {
        "channels": 38,
        "layers": 2,
        "hidden_size": 64,
        "pushes": len(times),
        "median_us": median,
        "p99_us": p99,
        "processor_us": 1e6 * used / len(times),
        "difference": difference,
    }


def held_mib() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def marks_of(model: Path, pushes: int) -> list[tuple[int, float]]:
    """Memory at each tenth of the pushes; for a process of its own."""
    from gatework import AnomalyDetector

    stream = AnomalyDetector.load(model).stream()
    rows = channels(38, RING, seed=1).tolist()
    marks = []
    for tenth in range(1, 11):
        for i in range((tenth - 1) * pushes // 10, tenth * pushes // 10):
            stream.push(rows[i % RING])
        marks.append((tenth * pushes // 10, held_mib()))
    return marks


def memory(folder: Path, pushes: int) -> dict[str, Any]:
    """Growth from the first tenth of the pushes to the last."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        marks = pool.submit(marks_of, wide(folder), pushes).result()
    return {"pushes": pushes, "marks": marks, "growth_mib": marks[-1][1] - marks[0][1]}


def used_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watched(model: Path, data: bytes, threads: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor that `gatework watch` takes for a pipe that is always full.

    They count from when it begins to read: when more than the pipe holds has been taken.

    Raises:
        RuntimeError: with its last words.
    """
    command = [sys.executable, "-m", "gatework.cli.main", "watch", str(model)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=environment,
            bufsize=0,
        )
        assert process.stdin is not None
        try:
            os.write(process.stdin.fileno(), data[: PIPE + 1])
            started, used = time.perf_counter(), used_s(process.pid)
            with process.stdin as pipe:
                rest = memoryview(data)[PIPE + 1 :]
                while rest:
                    rest = rest[pipe.write(rest) :]
        except BrokenPipeError:
            started = used = 0.0
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        said = words.read().decode(errors="replace").strip().splitlines() or ["no words"]
    if process.returncode or not started:
        raise RuntimeError(said[-1])
    return seconds, usage.ru_utime + usage.ru_stime - used


def throughput(model: Path, lines: list[str], head: list[str], rows: int, threads: int) -> Any:
    """Rows a second: median of three turns."""
    data = ("\n".join([*head, *lines]) + "\n").encode()
    if len(data) < 4 * PIPE:
        raise SystemExit(
            "too few lines to time: the pipe holds a good part of them; a larger --scale"
        )
    try:
        turns = [watched(model, data, threads) for _ in range(3)]
    except RuntimeError as error:
        return {"failed": f"failed: {error}", "rows": rows}
    clock, processor = (statistics.median(turn[k] for turn in turns) for k in (0, 1))
    return {
        "lines": len(lines),
        "rows": rows,
        "turns_s": [turn[0] for turn in turns],
        "processor_s": [turn[1] for turn in turns],
        "per_second": rows / clock,
        "per_processor_second": rows / processor,
    }


def watch(folder: Path, threads: int, scale: float) -> dict[str, Any]:
    """Rows a second of event ids, and of 8 channels."""
    from gatework import AnomalyDetector

    AnomalyDetector(max_epochs=3).fit(sessions(2000), kind="events").save(folder / "events")
    many = sessions(int(50_000 * scale), seed=1)
    lines = [" ".join(session) for session in many]
    events = throughput(folder / "events", lines, [], sum(map(len, many)), threads)
    AnomalyDetector(max_epochs=3).fit(channels(8, 5000)).save(folder / "metrics")
    rows = channels(8, int(100_000 * scale), seed=1)
    lines = [",".join(map(str, row)) for row in rows.tolist()]
    head = [",".join(f"value_{c}" for c in range(8))]
    metrics = throughput(folder / "metrics", lines, head, len(lines), threads)
    return {"events": events, "metrics": metrics}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas between them")
    parser.add_argument("--pushes", type=int, default=1_000_000)
    parser.add_argument("--scale", type=float, default=1.0, help="of the lines to watch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "speed.json")
    args = parser.parse_args()
    wanted = args.parts.split(",")
    if unknown := [part for part in wanted if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    with_threads(args.threads)
    for part in wanted:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if part == "watch":
                found = watch(folder, args.threads, args.scale)
            else:
                found = {"push": push, "memory": memory}[part](folder, args.pushes)
        found |= {"machine": machine(args.threads), **commit(), "date": now()}
        content = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
        args.out.write_text(json.dumps({**content, part: found}, indent=1) + "\n", encoding="utf-8")
        told = {k: v for k, v in found.items() if k not in ("machine", "marks")}
        print(f"{part}: {json.dumps(told)}", flush=True)


if __name__ == "__main__":
    main()
