"""Contents of ``metrics.json`` for tests: each task, each kind of sequence."""

from __future__ import annotations

import base64
import io
import math
import random
import struct
import wave
import zlib
from typing import Any

TASKS = ("classify", "regress", "tag")
KINDS = ("series", "text", "words", "strokes", "audio", "images", "video")
EPOCHS = 8


def metrics(
    task: str = "classify",
    kind: str = "series",
    *,
    classes: int = 4,
    score: float | None = None,
    sequences: int = 400,
) -> dict[str, Any]:
    """The content of a `metrics.json`; ``score`` is the model's main score."""
    names = [f"sort {i}" for i in range(classes)] if task != "regress" else None
    if task == "tag":
        names = ["O", "B-NP", "I-NP", "B-VP"][:classes] + [f"B-X{i}" for i in range(classes - 4)]
    evaluations = {"classify": classified, "regress": regressed, "tag": tagged}
    part = {"sequences": 1600, "steps": 64000}
    return {
        "task": task,
        "gatework_version": "0.1.0",
        "settings": {"cell": "lstm", "hidden": 64, "pool": "attention", "dropout": 0.3, "rate": None,
                     "bidirectional": True, "features": ["x", "y"]},
        "training": {
            "history": [
                {"epoch": i, "train_loss": 1 / i, "validation": 0.4 + abs(i - 6) / 10, "seconds": 2.0,
                 "learning_rate": 1e-3, "steps": 30, "best": i <= 6}
                for i in range(1, EPOCHS + 1)
            ],
            "best_epoch": 6, "best_score": 0.4, "seconds": 16.0, "stopped": "early", "undone_steps": 0,
            "steps_per_second": 15.0,
        },
        "source": "recordings",
        "kind": kind,
        "described": ["2,400 sequences in 4 folders", "2 channels: x, y; 1.2 % missing"],
        "notes": ["kind: found by the endings of the files", "3 files were passed over: broken.wav, ..."],
        "split": {"how": "at random, each class alike, no group in two parts",
                  "train": part, "validation": {"sequences": 400, "steps": 16000},
                  "test": {"sequences": sequences, "steps": 40 * sequences}},
        "classes": names,
        "lengths": {"min": 12, "median": 41, "max": 197},
        "calibration": {"temperature": 1.31, "ece_before": 0.061, "ece_after": 0.018},
        "evaluation": evaluations[task](names or [], score, sequences),
        "examples": [example(task, kind, names or [], i) for i in range(6)],
        "cost": {"fit_seconds": 74.0, "judge_seconds": 0.4, "sequences_per_second": 1250.4,
                 "parameters": 52114, "predict_ms": 0.84, "stream_us": 38.5, "threads": 2},
    }  # fmt: skip


def _evaluation(
    main: str, model: dict[str, Any], baselines: dict[str, Any], sequences: int, verdict: str
) -> dict[str, Any]:
    return {"sequences": sequences, "steps": 40 * sequences, "on": "test", "model": model,
            "baselines": baselines, "verdict": verdict, "main": main}  # fmt: skip


def _scored(main: str, score: float, half: float, **others: float) -> dict[str, Any]:
    return {"overall": {main: score, **others}, "intervals": {main: [score - half, score + half]}}


def classified(names: list[str], score: float | None, sequences: int) -> dict[str, Any]:
    """Scores of a classifier; two classes with their curves."""
    own = 0.912 if score is None else score
    draw = random.Random(7)
    two = {"roc_auc": 0.954, "average_precision": 0.91} if len(names) == 2 else {}
    confusion = [[0] * len(names) for _ in names]
    for i in range(len(names)):
        confusion[i][i] = 90
        confusion[i][(i + 1) % len(names)] += 7
        confusion[i][draw.randrange(len(names))] += draw.randrange(4)
    model = _scored("accuracy", own, 0.024, balanced_accuracy=own - 0.01, macro_f1=own - 0.02,
                    log_loss=0.31, ece=0.021, **two)  # fmt: skip
    model |= {
        "classes": {n: {"precision": 0.9, "recall": 0.95 - i / 400, "f1": 0.92 - i / 400, "support": 97}
                    for i, n in enumerate(names)},
        "confusion": confusion,
        "reliability": [{"confidence": 0.05 + i / 10, "accuracy": 0.04 + i / 10, "count": 10 * (i + 1)}
                        for i in range(10)],
    }  # fmt: skip
    if two:
        steps = [i / 40 for i in range(41)]
        model |= {"roc": [[x, x**0.2] for x in steps], "pr": [[x, 1 - 0.4 * x**3] for x in steps]}
    baselines = {
        "majority class": _scored("accuracy", 0.25, 0.02, balanced_accuracy=0.25, macro_f1=0.1),
        "linear model on summary statistics": _scored("accuracy", 0.81, 0.03, macro_f1=0.80),
        "1-nearest neighbour": _scored("accuracy", 0.84, 0.03, macro_f1=0.83),
    }
    said = "The model beats every baseline: accuracy 91.2 % against 84.0 % of 1-nearest neighbour."
    return _evaluation("accuracy", model, baselines, sequences, said)


def regressed(names: list[str], score: float | None, sequences: int) -> dict[str, Any]:
    """Scores of a regressor with bands."""
    own = 14.2 if score is None else score
    draw = random.Random(7)
    scatter: list[list[float | None]] = []
    for i in range(120):
        off = draw.gauss(0, 14)
        scatter.append([float(i), i + off, i + off - 20, i + off + 24])
    model = _scored(
        "rmse", own, 1.1, mae=10.4, r2=0.87, phm_score=312.5, coverage_90=0.93, coverage_50=0.44
    )
    model["scatter"] = scatter
    baselines = {"mean": _scored("rmse", 41.9, 2.0, mae=36.0, r2=0.0),
                 "linear model": _scored("rmse", 19.2, 1.4, mae=15.0, r2=0.77)}  # fmt: skip
    return _evaluation("rmse", model, baselines, sequences, "The model beats every baseline.")


def tagged(names: list[str], score: float | None, sequences: int) -> dict[str, Any]:
    """Scores of a tagger of spans."""
    own = 0.951 if score is None else score
    model = _scored("token_accuracy", own, 0.004, sequence_accuracy=0.41, macro_f1=0.9,
                    span_f1=0.923, span_precision=0.92, span_recall=0.926)  # fmt: skip
    table = {"precision": 0.93, "recall": 0.91, "f1": 0.92, "support": 1200}
    size = range(len(names))
    model |= {"classes": dict.fromkeys(names, table),
              "spans": {"NP": table, "VP": {**table, "f1": None, "support": 0}},
              "confusion": [[900 if i == j else 8 + i for j in size] for i in size]}  # fmt: skip
    baseline = _scored("token_accuracy", 0.862, 0.006, macro_f1=0.71)
    baselines = {"most frequent label of each word": baseline}
    said = "The model beats every baseline."
    return _evaluation("token_accuracy", model, baselines, sequences, said)


def example(task: str, kind: str, names: list[str], i: int) -> dict[str, Any]:
    """A mistake of a kind of sequence."""
    found: dict[str, Any] = {
        "name": f"recordings/{i}.wav",
        "kind": kind,
        "confidence": 0.99 - i / 20,
    }
    if task == "regress":
        found |= {
            "truth": 20.0 + i,
            "predicted": 71.5 - i,
            "low": 40.0,
            "high": 95.0,
            "confidence": None,
        }
    else:
        found |= {
            "truth": names[i % len(names)],
            "predicted": names[(i + 1 + i % max(1, len(names) - 1)) % len(names)],
        }
    if task == "tag":
        found |= {"truth": None, "predicted": None}
    return found | CONTENTS[kind](task, names, i)


def _series(task: str, names: list[str], i: int) -> dict[str, Any]:
    x: list[float | None] = [math.sin((i + 1) * t / 30) + t / 200 for t in range(200)]
    x[50:60] = [None] * 10
    bell = [
        math.exp(-(((t - 120) / 25) ** 2)) - 0.6 * math.exp(-(((t - 40) / 12) ** 2))
        for t in range(200)
    ]
    return {"channels": ["wrist, x", "wrist, y"], "values": [x, [5 * math.cos(t / 9) for t in range(200)]],
            "attribution": bell} | _steps(task, names, i)  # fmt: skip


def _steps(task: str, names: list[str], i: int) -> dict[str, Any]:
    """Labels of 200 steps, where every step has one."""
    if task != "tag":
        return {}
    truths = [None if t < 10 else names[t // 45 % len(names)] for t in range(200)]
    told = [names[(t + 8 + i) // 45 % len(names)] for t in range(200)]
    return {"attribution": None, "truths": truths, "predictions": told}


def _words(task: str, names: list[str], i: int) -> dict[str, Any]:
    text = "the film is so dull that even its best joke , told twice , is a welcome relief from the plot"
    words = text.split()
    heat = [
        0.9 if w in ("welcome", "relief", "best") else -0.7 if w == "dull" else 0.05 for w in words
    ]
    found: dict[str, Any] = {
        "words": words,
        "attribution": heat,
        "truths": None,
        "predictions": None,
    }
    if task == "tag":
        truths = [names[len(w) % len(names)] for w in words]
        told = [names[0] if k % 7 == i else t for k, t in enumerate(truths)]
        found |= {"truths": truths, "predictions": told, "attribution": None}
    return found


def _strokes(task: str, names: list[str], i: int) -> dict[str, Any]:
    ring = [[100 + 40 * math.cos(t / 4), 200 + (40 + 9 * i) * math.sin(t / 4)] for t in range(24)]
    return {"strokes": [ring, [[140, 180], [140, 290]], [[160, 300]]]}


def _audio(task: str, names: list[str], i: int) -> dict[str, Any]:
    mel = [[math.sin(b / 4 + t / 9) - abs(t - 40) / 30 for t in range(80)] for b in range(40)]
    return {"wav": wav(), "values": mel}


def _images(task: str, names: list[str], i: int) -> dict[str, Any]:
    return {"png": png(28, i)}


def _video(task: str, names: list[str], i: int) -> dict[str, Any]:
    return {"png": [png(48, k) for k in range(10)]}


CONTENTS = {"series": _series, "text": _words, "words": _words, "strokes": _strokes, "audio": _audio,
            "images": _images, "video": _video}  # fmt: skip


def wav() -> str:
    """A short tone as base64 of a WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        tone = [int(9000 * math.sin(t / 3)) for t in range(4000)]
        file.writeframes(struct.pack(f"<{len(tone)}h", *tone))
    return base64.b64encode(made.getvalue()).decode()


def png(size: int, turn: int) -> str:
    """A grey square with a bright ring as base64 of a PNG file."""
    rows = b""
    for y in range(size):
        far = (math.hypot(y - size / 2, x - size / 2 + turn) for x in range(size))
        rows += bytes([0, *(230 if abs(r - size / 3) < 2 else 40 for r in far)])

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    made = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(made).decode()
