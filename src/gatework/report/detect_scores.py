"""The sections about how good a detector is, beside its baselines."""

from __future__ import annotations

from collections.abc import Sequence

from gatework.report.detect_facts import PARTS, DetectFacts
from gatework.report.detect_verdict import DetectVerdict
from gatework.report.detect_words import (
    AT_THRESHOLD,
    RANKING,
    caught,
    delay,
    name,
    often,
    rarity,
    value,
)
from gatework.report.facts import MODEL, real
from gatework.report.page import Html, Page, best, details, join, paragraph, table, tag
from gatework.report.words import NONE, count, duration, epochs, percent

MEANS = {
    "vus_pr": "1 is perfect; a random score reaches the share of anomalies",
    "average_precision": "1 is perfect; a random score reaches the share of anomalies",
    "f1": "at its own threshold",
}


def headline(page: Page, facts: DetectFacts, verdict: DetectVerdict) -> None:
    """The verdict and the figures that matter."""
    said = [tag("p", verdict.said, class_="said")]
    if verdict.advice.strip():
        said.append(paragraph(verdict.advice.strip()))
    keys = [
        tag("div", tag("dt", k), tag("dd", v, class_="value"), tag("dd", note))
        for k, v, note in _keys(facts)
    ]
    page.section(
        "headline",
        "In short",
        tag("div", *said, class_=f"verdict {verdict.kind}"),
        tag("dl", *keys, class_="keys") if keys else "",
        link="Verdict",
    )


def _keys(facts: DetectFacts) -> list[tuple[str, str, str]]:
    found, model = [], facts.model
    if facts.judged:
        found.append((name(facts.main), value(facts.main, facts.score), MEANS.get(facts.main, "")))
        rival = facts.strongest()
        if rival is not None:
            found.append(("Best baseline", value(facts.main, rival[1]), rival[0]))
        if (hits := caught(model)) is not None:
            late = delay(model, facts.unit)
            note = f"first alarm typically {late} after the start" if late else ""
            found.append(("Anomalies found", hits, note))
        elif model.get("f1") is not None:
            found.append((name("f1"), value("f1", model["f1"]), MEANS["f1"]))
    if model.get("alarms_per_day") is not None:
        found.append(("Alarms", often(model["alarms_per_day"]), _alarms_note(facts)))
    elif model.get("alarm_share") is not None and not facts.judged:
        found.append(("In alarm", percent(model["alarm_share"], 2), f"of the {facts.unit}s"))
    if not facts.judged and facts.level is not None:
        found.append(("Threshold", f"{facts.level:.2f}", rarity(facts.level, facts.unit)))
    seconds = real(facts.cost.get("fit_seconds"))
    if seconds is not None and len(found) < 4:  # one row of them
        size = real(facts.cost.get("parameters"))
        notes = [epochs(len(facts.history))] if facts.history else []
        notes += [count(size, "weight")] if size is not None else []
        found.append(("Trained in", duration(seconds), ", ".join(notes)))
    return found


def _alarms_note(facts: DetectFacts) -> str:
    ranges = facts.model.get("alarm_ranges")
    f1, precision, recall = (facts.model.get(k) for k in ("f1", "precision", "recall"))
    if facts.judged and f1 is not None and precision is not None and recall is not None:
        return (
            f"F1 {percent(f1)}: of the {facts.unit}s in alarm {percent(precision, 0)} are labelled, of those "
            f"labelled {percent(recall, 0)} are in alarm"
        )
    return f"{count(ranges, 'alarm')} in {count(facts.rows, facts.unit)}" if ranges else ""


def scores(page: Page, facts: DetectFacts) -> None:
    """The scores of the detector beside those of the baselines."""
    if not facts.judged:
        if facts.model:
            page.section("scores", "Alarms beside the baselines", *_counts(facts), link="Alarms")
        return
    several = facts.series is not None and facts.series > 1 and not facts.by_session
    of = f" of {count(facts.series)} series" if several else ""
    part = PARTS.get(facts.on, facts.on)
    told = (
        f"{count(facts.rows, facts.unit)}{of}: {part}, which the detector has not seen in training"
    )
    if facts.on == "validation":
        told = (
            f"{count(facts.rows, facts.unit)}{of}: the validation part, by which the best epoch and the "
            "threshold were chosen as well"
        )
    page.section(
        "scores",
        "Scores beside the baselines",
        paragraph(f"{told}. The baselines judge the same {facts.unit}s."),
        _bars(facts),
        _score_table(facts, RANKING, "How well the score ranks, whatever the threshold. Best in bold."),
        _score_table(facts, AT_THRESHOLD, f"{_threshold(facts)} Best in bold."),
        _operator(facts),
        _adjusted(facts),
        link="Scores",
    )  # fmt: skip


def _threshold(facts: DetectFacts) -> str:
    if facts.on == "validation" and facts.threshold.get("kind") == "labels":
        return "At the threshold, which was chosen with these labels."
    return "At the threshold of each, set without these labels."


def _bars(facts: DetectFacts) -> Html:
    """The main score of each as a bar from 0 to 1."""
    rows = []
    for label, overall in facts.rivals.items():
        score = overall.get(facts.main)
        if score is None:
            continue
        long = 100 * min(1.0, max(0.0, score))
        rows.append(
            tag(
                "li",
                tag("span", label, class_="own" if label == MODEL else None),
                tag("span", tag("i", style=f"left:0;right:{100 - long:.1f}%"),
                    tag("b", style=f"left:{long:.1f}%"), class_="track", aria_hidden="true"),
                tag("span", value(facts.main, score), class_="number"),
                class_="mine" if label == MODEL else None,
            )
        )  # fmt: skip
    said = tag("p", f"{name(facts.main)}, from 0 to 1:", class_="soft")
    return join([said, tag("ul", *rows, class_="whiskers")])


def _score_table(facts: DetectFacts, wanted: Sequence[str], caption: str) -> Html:
    """Scores of which more is better; those that the detector has."""
    columns = [s for s in wanted if facts.model.get(s) is not None]
    columns.sort(key=lambda s: s != facts.main)
    if not columns:
        return Html()
    most = {
        s: max(v for o in facts.rivals.values() if (v := o.get(s)) is not None) for s in columns
    }
    rows: list[list[object]] = []
    for label, overall in facts.rivals.items():
        row: list[object] = [tag("span", label, class_="own") if label == MODEL else label]
        for score in columns:
            shown, own = value(score, overall.get(score)), overall.get(score)
            row.append(best(shown) if own is not None and own == most[score] else shown)
        rows.append(row)
    return table(caption, ["", *map(name, columns)], rows)


def _operator(facts: DetectFacts) -> Html:
    """What somebody who gets the alarms sees."""
    model = facts.model
    columns: list[tuple[str, dict[str, str]]] = []
    if model.get("events") is not None:
        hits = {n: caught(o) or NONE for n, o in facts.rivals.items()}
        columns.append(("Anomalies found", hits))
        late = {n: delay(o, facts.unit) or NONE for n, o in facts.rivals.items()}
        columns.append(("Typical delay", late))
    for score in ("alarm_ranges", "alarms_per_day"):
        if model.get(score) is not None:
            own = {n: value(score, o.get(score)) for n, o in facts.rivals.items()}
            columns.append((name(score), own))
    if not columns:
        return Html()
    return _labelled_table("What somebody who answers the alarms sees", columns, facts)


def _labelled_table(
    caption: str, columns: list[tuple[str, dict[str, str]]], facts: DetectFacts
) -> Html:
    rows = [
        [tag("span", n, class_="own") if n == MODEL else n, *(cells[n] for _, cells in columns)]
        for n in facts.rivals
        if n == MODEL or any(cells[n] != NONE for _, cells in columns)
    ]
    return table(caption, ["", *(head for head, _ in columns)], rows)


def _counts(facts: DetectFacts) -> list[Html]:
    """Without labels: how many alarms each would raise."""
    columns = [
        (head, {n: value(score, o.get(score)) for n, o in facts.rivals.items()})
        for score, head in (
            ("alarm_share", f"{facts.unit.capitalize()}s in alarm"),
            ("alarm_ranges", "Alarms"),
            ("alarms_per_day", "Alarms a day"),
        )
        if facts.model.get(score) is not None
    ]
    if not columns:
        return [paragraph("No alarms were counted.")]
    told = (
        f"{count(facts.rows, facts.unit)} were scored. No anomalies are labelled in them, so nothing says "
        "which of the alarms are right, and none of these is better than another by its number of alarms."
    )
    return [paragraph(told), _labelled_table("Alarms", columns, facts)]


def _adjusted(facts: DetectFacts) -> Html:
    """The point-adjusted F1, never without the warning and what a random score reaches."""
    own = facts.model.get("adjusted_f1")
    if own is None:
        return Html()
    random = facts.model.get("random_adjusted_f1")
    said = (
        f"Many papers count a labelled stretch as found whole when one {facts.unit} of it is in alarm. "
        "Counted so, at the threshold that suits the labels best, the detector’s F1 is "
    )
    ends = "That rewards chance, so do not judge by it."
    if random is not None:
        rank = "no better than" if own <= random + 0.02 else "beside"
        ends = (
            f"{rank} the {value('f1', random)} that a score drawn at random reaches here. "
            "It rewards chance, so do not judge by it."
        )
    plain = facts.model.get("best_f1")
    before = f" instead of {value('f1', plain)}" if plain is not None else ""
    words = f"{said}{value('f1', own)}{before}{', ' if random is not None else '. '}{ends}"
    shown = [
        [tag("span", n, class_="own") if n == MODEL else n, value("f1", o.get("adjusted_f1"))]
        for n, o in facts.rivals.items()
        if o.get("adjusted_f1") is not None
    ]
    if random is not None:
        shown.append(["a random score", value("f1", random)])
    return join(
        [
            tag(
                "div",
                tag("p", "Point-adjusted F1: not a result", class_="said"),
                paragraph(words),
                class_="verdict wary adjusted",
            ),
            details(
                "Show it beside the baselines",
                table("Point-adjusted F1, which rewards chance", ["", "Point-adjusted F1"], shown),
            ),
        ]
    )
