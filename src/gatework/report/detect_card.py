"""The README of a detector's folder: what it is, how good, how to use it."""

from __future__ import annotations

from typing import Any

from gatework.report.detect import heading, task
from gatework.report.detect_facts import PARTS, DetectFacts
from gatework.report.detect_run import NEW, snippet, watch
from gatework.report.detect_verdict import DetectVerdict
from gatework.report.detect_words import (
    AT_THRESHOLD,
    RANKING,
    THRESHOLDS,
    caught,
    delay,
    name,
    rarity,
    value,
)
from gatework.report.facts import real, text, whole
from gatework.report.labelled_card import cell, plain
from gatework.report.words import NBSP, NONE, count, duration, epochs, listing, moment

MAX_NAMED = 60  # channels


def detect_card(metrics: dict[str, Any], folder: str = "MODEL") -> str:
    """Markdown made from nothing but the content of ``metrics.json``, any key of which may be missing."""
    facts = DetectFacts.read(metrics)
    verdict = DetectVerdict.of(facts)
    lines = [f"# {plain(facts.title or heading(facts))}", ""]
    lines += [plain(p) for p in (verdict.said, verdict.advice.strip()) if p]
    lines += ["", "## What it does", "", plain(task(facts)), ""]
    lines += _data(facts) + _threshold(facts) + _scores(facts) + _cost(facts) + _use(facts, folder)
    return "\n".join(lines).replace(NBSP, " ")


def _data(facts: DetectFacts) -> list[str]:
    lines = ["## Data", "", plain(facts.source or "History that is mostly normal") + ".", ""]
    lines += [f"- {plain(line)}" for line in (*facts.described, *facts.notes)]
    if facts.split:
        lines += ["", "| part | from | to | rows |", "|---|---|---|---:|"]
        lines += [
            f"| {cell(part)} | {cell(moment(text(n.get('from'))))} | {cell(moment(text(n.get('to'))))} | "
            f"{count(real(n.get('rows')))} |"
            for part, n in facts.split.items()
        ]
    lines += ["", f"Parted: {plain(facts.how)}."] if facts.how else []
    if facts.channels:
        lines += ["", f"Channels: {plain(listing(facts.channels, MAX_NAMED))}."]
    if facts.categories:
        lines += ["", f"Categories: {plain(listing(facts.categories, MAX_NAMED))}."]
    return [*lines, ""]


def _threshold(facts: DetectFacts) -> list[str]:
    said = text(facts.threshold.get("text")) or ""
    kind = text(facts.threshold.get("kind")) or ""
    if facts.level is not None:
        told = f"Alarm from a score of {facts.level:.2f}: {rarity(facts.level, facts.unit)}"
        how = THRESHOLDS.get(kind, kind)
        said = f"{told}; {how}. {said}" if how else f"{told}. {said}"
    return ["## Threshold", "", plain(said), ""] if said else []


def _scores(facts: DetectFacts) -> list[str]:
    if not facts.judged:
        return _counts(facts)
    shown = [s for s in (*RANKING, *AT_THRESHOLD) if facts.model.get(s) is not None]
    shown.sort(key=lambda s: s != facts.main)
    heads = [*map(name, shown)]
    events = facts.model.get("events") is not None
    heads += ["Anomalies found", "Typical delay"] if events else []
    heads += ["Alarms a day"] if facts.model.get("alarms_per_day") is not None else []
    lines = [
        "## Scores",
        "",
        f"{count(facts.rows, facts.unit)} of {plain(PARTS.get(facts.on, facts.on))}. The alarms are those at "
        "each one’s own threshold; none of these scores is point-adjusted.",
        "",
        f"| | {' | '.join(cell(h) for h in heads)} |",
        f"|---|{'---:|' * len(heads)}",
    ]
    for label, overall in {"this model": facts.model, **facts.baselines}.items():
        cells = [value(s, overall.get(s)) for s in shown]
        cells += [caught(overall) or NONE, delay(overall, facts.unit) or NONE] if events else []
        if "Alarms a day" in heads:
            cells.append(value("alarms_per_day", overall.get("alarms_per_day")))
        lines.append(f"| {cell(label)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _counts(facts: DetectFacts) -> list[str]:
    """Without labels: the alarms of each."""
    shown = [s for s in ("alarm_share", "alarm_ranges", "alarms_per_day") if s in facts.model]
    if not shown:
        return []
    lines = [
        "## Alarms",
        "",
        f"{count(facts.rows, facts.unit)}, in which no anomalies are labelled.",
        "",
        f"| | {' | '.join(map(name, shown))} |",
        f"|---|{'---:|' * len(shown)}",
    ]
    lines += [
        f"| {cell(label)} | {' | '.join(value(s, o.get(s)) for s in shown)} |"
        for label, o in {"this model": facts.model, **facts.baselines}.items()
    ]
    return [*lines, ""]


def _cost(facts: DetectFacts) -> list[str]:
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


def _use(facts: DetectFacts, folder: str) -> list[str]:
    new = NEW[facts.kind]
    made = f"Gatework {plain(facts.version)}" if facts.version else "Gatework"
    return [
        "## Use",
        "",
        "```",
        f"gatework predict {folder} {new} -o alarms.csv",
        *watch(facts, folder).splitlines(),
        f"gatework evaluate {folder} {new}",
        "```",
        "```python",
        snippet(facts, folder).rstrip(),
        "```",
        "",
        f"Made with {made}.",
        "",
    ]
