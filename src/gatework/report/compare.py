"""The page of a comparison of cells: from its facts to one HTML text."""

from __future__ import annotations

from typing import Any

from gatework.cells import CELLS
from gatework.report import compare_figures as figures
from gatework.report.page import Html, Page, best, bullets, details, pairs, paragraph, table, tag
from gatework.report.words import NONE, column, count, duration, listing, moment, number, percent

HOLDS = {"yes": "So here", "no": "Not here", "open": "Not settled"}
TONES = {"yes": "won", "no": "lost", "open": "unjudged"}


def ranked(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the cells, best first; those without a score last."""
    sign = 1 if facts["score"]["lower_is_better"] else -1
    return sorted(
        facts["rows"], key=lambda r: (r["score"] is None, sign * (r["score"] or 0), r["cell"])
    )


def render(facts: dict[str, Any]) -> str:
    """The page as one HTML text that works offline, from the facts of a comparison.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    page = Page("Cells compared")
    rows = ranked(facts)
    done = [r for r in rows if r["score"] is not None]
    _headline(page, facts)
    _scores(page, facts, rows, done)
    _told(page, facts)
    _cost(page, facts, rows, done)
    _contexts(page, facts)
    _differences(page, facts)
    _how(page, facts)
    _cells(page, rows)
    title = listing([r["cell"] for r in facts["rows"]], 12)
    title += ", compared" if len(rows) > 1 else ", beside a naive answer" if facts["naive"] else ""
    return page.render(
        tag("h1", title),
        paragraph(
            f"Which recurrent cell suits these data, for the task {facts['task']}: every cell trained on the "
            "same rows and judged on the same later ones."
        ),
        paragraph(_of_data(facts["data"])) if facts["data"] else "",
        paragraph(f"Page by Gatework {facts['gatework_version']}", class_="meta"),
    )


def _of_data(data: dict[str, Any]) -> str:
    """Table, targets, rows and the test part's dates, in a sentence."""
    targets, test = listing(data["targets"]), data["parts"]["test"]
    series = f" in {data['series']:,} series" if data["series"] > 1 else ""
    return (
        f"Data: {data['source']}, target{'s' if len(data['targets']) > 1 else ''} {targets}, "
        f"{count(data['rows'], 'row')}{series}, a row each {data['frequency'].removeprefix('1 ')}; "
        f"judged from {moment(test['from'])} to {moment(test['to'])}."
    )


def _parts(data: dict[str, Any] | None) -> list[tuple[str, str | None]]:
    """Of which data, for the list of how it was done."""
    if data is None:
        return []
    entries: list[tuple[str, str | None]] = [
        ("Table", data["source"]),
        ("Target", listing(data["targets"], 12)),
        (
            "Rows",
            f"{data['rows']:,}" + (f", {data['series']:,} series" if data["series"] > 1 else ""),
        ),
        ("Step", data["frequency"]),
    ]
    names = {"train": "Training part", "validation": "Validation part", "test": "Test part"}
    for key, name in names.items():
        part = data["parts"][key]
        dates = f", {moment(part['from'])} to {moment(part['to'])}" if part["rows"] else ""
        words = f"{count(part['rows'], 'row')}{dates}; {count(part['windows'], 'window')}"
        entries.append((name, words))
    return entries


def _headline(page: Page, facts: dict[str, Any]) -> None:
    first, *rest = facts["verdict"]
    page.section(
        "headline",
        "In short",
        tag(
            "div",
            tag("p", first, class_="said"),
            bullets(rest),
            class_=f"verdict {'wary' if facts['interrupted'] else 'unjudged'}",
        ),
        link="Verdict",
    )


def _scores(page: Page, facts: dict[str, Any], rows: list[Any], done: list[Any]) -> None:
    score, naive = facts["score"], facts["naive"]
    figure = figures.scores(facts, done)
    better = "lower" if score["lower_is_better"] else "higher"
    shown = column([r["score"] for r in rows] + [facts["baselines"].get(naive)])
    spreads = column([r["spread"] for r in rows], 2)
    body: list[list[object]] = []
    for i, row in enumerate(rows):
        if row["score"] is None:
            body.append([row["cell"], "failed" if row["failed"] else "not yet", *[NONE] * 4])
            continue
        seeds = f"{row['seeds']}" + (f" ({row['failed']} failed)" if row["failed"] else "")
        body.append(
            [
                row["cell"],
                best(shown[i]) if i == 0 else shown[i],
                f"±{spreads[i]}" if row["spread"] is not None else NONE,
                percent(row["skill"]),
                f"{row['parameters']:,}",
                seeds,
            ]
        )
    if naive is not None:
        body.append([f"naive answer: {naive}", shown[-1], NONE, NONE, NONE, NONE])
    page.section(
        "scores",
        f"{score['name']} of each cell",
        paragraph(f"{score['name']}: {score['text']}; {better} is better."),
        page.figure(figure.spec, figure.label, figure.caption, size=_height(len(done))),
        table(
            f"{score['name']}, mean over the trainings of a cell; ±: standard deviation over them; skill: how "
            "much better than the best naive answer.",
            ["cell", score["name"], "±", "skill", "parameters", "trainings"],
            body,
            whole=True,
        ),
        link="Scores",
    )


def _height(bars: int) -> str:
    return "tall" if bars > 5 else "small"


def _told(page: Page, facts: dict[str, Any]) -> None:
    if not facts["told"]:
        return
    entries = [
        tag(
            "div",
            tag("dt", c["told"]),
            tag("dd", tag("strong", f"{HOLDS[c['holds']]}. "), c["here"]),
            class_=f"verdict {TONES[c['holds']]} told",
        )
        for c in facts["told"]
    ]
    page.section(
        "told",
        "What people are told, and what these data say",
        tag("dl", *entries, class_="claims"),
        *[paragraph(r) for r in facts["remarks"]],
        link="What people are told",
    )


def _cost(page: Page, facts: dict[str, Any], rows: list[Any], done: list[Any]) -> None:
    figure = figures.cost(facts, done)
    body = [
        [
            r["cell"],
            duration(r["seconds"]),
            NONE if r["epochs"] is None else f"{r['epochs']:g}",
            duration(r["epoch_seconds"]),
            number(r["push_us"], 3) if r["push_us"] is not None else NONE,
            number(r["peak_mib"], 3) if r["peak_mib"] is not None else NONE,
            f"{r['hidden_size']:,}" if r["hidden_size"] is not None else NONE,
        ]
        for r in rows
        if r["score"] is not None
    ]
    page.section(
        "cost",
        "What each cell costs",
        page.figure(figure.spec, figure.label, figure.caption) if figure else "",
        table(
            "Medians over the trainings of a cell, which took turns.",
            ["cell", "training", "epochs", "an epoch", "a step, µs", "memory, MiB", "hidden size"],
            body,
            whole=True,
        ),
        bullets(
            [
                "Training: wall-clock time with validation; an epoch: without.",
                f"Trained with {facts['threads']} thread{'s' if facts['threads'] != 1 else ''}. A step: one "
                "observation pushed into the model's stream until its answer is there, on one thread.",
                "Memory: the most that the process held while it trained beyond what it held before (peak "
                "resident memory, as the system counts it), the network included.",
            ]
        ),
        link="Cost",
    )


def _contexts(page: Page, facts: dict[str, Any]) -> None:
    groups = facts["by_context"]
    if len(groups) < 2:
        return
    figure = figures.contexts(facts)
    cells = [r["cell"] for r in facts["rows"]]
    lengths = [g["context"] for g in groups]
    scores = [
        [next((r["score"] for r in g["rows"] if r["cell"] == c), None) for g in groups]
        for c in cells
    ]
    body = [[c, *column(s)] for c, s in zip(cells, scores, strict=True)]
    page.section(
        "contexts",
        "How far back it pays to look",
        page.figure(figure.spec, figure.label, figure.caption),
        table(
            f"Mean {facts['score']['name']} by the steps that a cell looks back.",
            ["cell", *(f"{c:,} steps" for c in lengths)],
            body,
            whole=True,
        ),
        link="Contexts",
    )


def _differences(page: Page, facts: dict[str, Any]) -> None:
    if not facts["pairs"]:
        return
    tested = [p for p in facts["pairs"] if p["p"] is not None]
    gaps = column([p["difference"] for p in facts["pairs"]], 3)
    body = [
        [
            f"{p['a']} and {p['b']}",
            gap,
            f"±{number(p['error'], 2)}" if p["error"] is not None else NONE,
            _chance(p["p"]),
            _chance(p["p_corrected"]),
            f"{p['better']} is better"
            if p["better"]
            else "not to be told apart"
            if p["p"] is not None
            else "not tested",
        ]
        for p, gap in zip(facts["pairs"], gaps, strict=True)
    ]
    shown = table(
        f"First less second; ±: standard error; p: chance of such a difference between equals; corrected: "
        f"for {count(len(tested), 'comparison')}."
        if tested
        else "First less second; none is tested.",
        ["cells", facts["score"]["name"], "±", "p", "corrected", "so"],
        body,
        left=(5,),
    )
    page.section(
        "differences",
        "What is more than chance",
        paragraph(facts["method"]),
        shown if len(body) <= 12 else details(f"{len(body)} comparisons", shown),
        link="Differences",
    )


def _chance(p: float | None) -> str:
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _how(page: Page, facts: dict[str, Any]) -> None:
    kinds = {
        "parameters": f"as many parameters as {facts['reference']} has",
        "epochs": "the same hidden size and epochs",
        "time": f"the same hidden size, and {facts['budget']} to train",
    }
    failures = [f"{r['cell']}: {f}" for r in facts["rows"] for f in r["failures"]]
    context = facts["context"]
    page.section(
        "how",
        "How it was done",
        pairs(
            [
                *_parts(facts["data"]),
                ("Budget of each", kinds[facts["budget_kind"]]),
                ("Seeds", listing([str(s) for s in facts["seeds"]], 12)),
                ("Trainings", f"{len(facts['runs'])} of {facts['planned']}"),
                ("Order", "seed by seed, cell by cell, each seed beginning with another cell"),
                ("Context of the tables", None if context is None else f"{context:,} steps"),
                *[(k, _setting(v)) for k, v in sorted(facts["settings"].items())],
            ]
        ),
        *([paragraph("What failed:"), bullets(failures)] if failures else []),
        link="How",
    )


def _setting(value: object) -> str:
    return listing([f"{v}" for v in value], 12) if isinstance(value, list | tuple) else str(value)


def _cells(page: Page, rows: list[Any]) -> None:
    entries: list[Html] = []
    for row in rows:
        cell = CELLS.get(row["cell"])
        if cell is not None:
            text = f"{cell.title}: {cell.summary}. {cell.source}."
            entries.append(tag("div", tag("dt", cell.name), tag("dd", text)))
    page.section("cells", "The cells", tag("dl", *entries, class_="terms"), link="The cells")
