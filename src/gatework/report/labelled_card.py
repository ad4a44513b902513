"""The README of a classifier's, regressor's or tagger's folder: what it is, how good, how to use it."""

from __future__ import annotations

from typing import Any

from gatework.report.facts import real, whole
from gatework.report.labelled import heading, task
from gatework.report.labelled_facts import PARTS, LabelledFacts
from gatework.report.labelled_run import LABELLED, NEW, snippet
from gatework.report.labelled_verdict import LabelledVerdict
from gatework.report.labelled_words import interval, name, unit, value
from gatework.report.words import NBSP, count, duration, epochs, listing, percent

# The classes are named up to this many, and listed with their scores.
MAX_CLASSES = 60


def labelled_card(metrics: dict[str, Any], folder: str = "MODEL") -> str:
    """Markdown made from nothing but the content of ``metrics.json``, any key of which may be missing."""
    facts = LabelledFacts.read(metrics)
    verdict = LabelledVerdict.of(facts)
    lines = [f"# {plain(facts.title or heading(facts))}", ""]
    lines += [plain(p) for p in (verdict.said, verdict.advice.strip()) if p]
    lines += ["", "## What it does", "", plain(task(facts)), ""]
    lines += _data(facts) + _scores(facts) + _cost(facts) + _use(facts, folder)
    return "\n".join(lines).replace(NBSP, " ")


def _data(facts: LabelledFacts) -> list[str]:
    lines = ["## Data", "", plain(facts.source or "Sequences") + ".", ""]
    lines += [f"- {plain(line)}" for line in (*facts.described, *facts.notes)]
    if facts.split:
        lines += ["", f"| part | sequences | {unit(facts.kind)}s |", "|---|---:|---:|"]
        lines += [
            f"| {cell(part)} | {count(real(n.get('sequences')))} | {count(real(n.get('steps')))} |"
            for part, n in facts.split.items()
        ]
    lines += ["", f"Parted: {plain(facts.how)}."] if facts.how else []
    if facts.task != "regress" and 1 < len(facts.classes) <= MAX_CLASSES:
        noun = "Labels" if facts.task == "tag" else "Classes"
        lines += ["", f"{noun}: {plain(listing(facts.classes, MAX_CLASSES))}."]
    return [*lines, ""]


def _scores(facts: LabelledFacts) -> list[str]:
    if not facts.judged:
        return []
    shown = [s for s, v in facts.model.overall.items() if v is not None]
    shown.sort(key=lambda s: s != facts.main)
    lines = [
        "## Scores",
        "",
        f"{count(facts.sequences, 'sequence')} of {plain(PARTS.get(facts.on, facts.on))}; in brackets the "
        "95 % bootstrap interval.",
        "",
        f"| | {' | '.join(cell(name(s)) for s in shown)} |",
        f"|---|{'---:|' * len(shown)}",
    ]
    for label, rival in {"this model": facts.model, **facts.baselines}.items():
        cells = []
        for score in shown:
            ends = interval(score, rival.intervals.get(score))
            found = value(score, rival.overall.get(score))
            cells.append(f"{found} ({ends})" if ends else found)
        lines.append(f"| {cell(label)} | {' | '.join(cells)} |")
    if 1 < len(facts.by_class) <= MAX_CLASSES:
        noun = "label" if facts.task == "tag" else "class"
        lines += [
            "",
            f"| {noun} | F1 | precision | recall | how many |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {cell(label)} | {percent(s.get('f1'))} | {percent(s.get('precision'))} | "
            f"{percent(s.get('recall'))} | {count(s.get('support'))} |"
            for label, s in facts.by_class.items()
        ]
    return [*lines, ""]  # fmt: skip


def _cost(facts: LabelledFacts) -> list[str]:
    parts = []
    if facts.history:
        parts.append(f"trained {epochs(len(facts.history))}")
    if (seconds := real(facts.cost.get("fit_seconds"))) is not None:
        parts.append(f"{duration(seconds)} in all")
    if (threads := real(facts.cost.get("threads"))) is not None:
        parts.append(f"on {count(threads, 'thread')}")
    if (best := whole(facts.training.get("best_epoch"))) is not None:
        parts.append(f"the weights of epoch {best} are kept")
    if (size := real(facts.cost.get("parameters"))) is not None:
        parts.append(count(size, "parameter"))
    said = ", ".join(parts)
    return ["## Training", "", said[0].upper() + said[1:] + ".", ""] if said else []


def _use(facts: LabelledFacts, folder: str) -> list[str]:
    new = NEW.get(facts.kind or "", "new/")
    made = f"Gatework {plain(facts.version)}" if facts.version else "Gatework"
    return [
        "## Use",
        "",
        "```",
        f"gatework predict {folder} {new} -o labels.csv",
        f"gatework evaluate {folder} {LABELLED.get(new, 'test/')}",
        "```",
        "```python",
        snippet(facts, folder).rstrip(),
        "```",
        "",
        f"Made with {made}.",
        "",
    ]


def plain(text: str) -> str:
    """Text that stays one line and cannot be taken for HTML."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")


def cell(text: str) -> str:
    """Text that cannot break out of its table cell.

    >>> cell("a|b")
    'a\\\\|b'
    """
    return plain(text).replace("|", "\\|")
