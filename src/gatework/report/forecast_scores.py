"""The sections about the forecasts: how good, where, and how sure."""

from __future__ import annotations

from gatework.report import forecast_figures as figures
from gatework.report.facts import MODEL, SCORES, Facts, real, whole
from gatework.report.forecast_verdict import Verdict, coverage_words, overall_skill
from gatework.report.page import (
    Html,
    Page,
    best,
    bullets,
    choice,
    details,
    join,
    legend,
    paragraph,
    table,
    tag,
)
from gatework.report.words import (
    column,
    comparison,
    count,
    duration,
    epochs,
    level,
    listing,
    moment,
    number,
    percent,
    steps,
)

# More are told in tables but not drawn: a figure each would make the page heavy.
MAX_DRAWN_TARGETS = 24
# Up to this many targets have their table in the open.
MAX_OPEN_TABLES = 3
UNJUDGED = (
    "There was no test part, so there is nothing to score. Run gatework evaluate on later data."
)


def headline(page: Page, facts: Facts, verdict: Verdict) -> None:
    """The verdict and three or four figures."""
    said = [tag("p", verdict.said, class_="said")]
    if verdict.kind == "wary" and facts.verdict:
        said.append(paragraph(facts.verdict))
    if verdict.lost:
        lines = [f"{target}: {_defeats(found)}" for target, found in verdict.lost.items()]
        said.append(bullets(lines[:6]))
        if len(lines) > 6:
            said.append(details(f"{len(lines) - 6} more", bullets(lines[6:])))
    if verdict.advice:
        said.append(paragraph(verdict.advice))
    keys = [
        tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", note))
        for name, value, note in _keys(facts)
    ]
    page.section(
        "headline",
        "In short",
        tag("div", *said, class_=f"verdict {verdict.kind}"),
        tag("dl", *keys, class_="keys") if keys else "",
        link="Verdict",
    )


def _defeats(found: dict[str, list[str]]) -> str:
    return listing([f"not better than {name} ({', '.join(by)})" for name, by in found.items()])


def _keys(facts: Facts) -> list[tuple[str, str, str]]:
    found = []
    lead = overall_skill(facts) if facts.judged else None
    if lead is not None:
        name, skill = lead
        found.append(
            (
                "Error against naive",
                comparison(skill).replace("smaller", "less").replace("larger", "more"),
                f"MAE beside the best naive forecast ({name})"
                + (", mean over the targets" if len(facts.targets) > 1 else ""),
            )
        )
    mae, mase = facts.model.overall.get("MAE"), facts.model.overall.get("MASE")
    if facts.judged and mae is not None and len(facts.targets) == 1:
        found.append(
            ("Typical error", f"±{number(mae, 3)}", f"MAE, in the unit of {facts.targets[0]}")
        )
    elif facts.judged and mase is not None:
        found.append(
            ("Error, scaled (MASE)", number(mase, 3), "1 is the seasonal naive error in training")
        )
    wide = next(
        (p for p in facts.intervals if facts.model.overall.get(f"coverage_{p:g}") is not None), None
    )
    if facts.judged and wide is not None:
        reached = facts.model.overall[f"coverage_{wide:g}"]
        found.append(
            (
                f"Inside the {level(wide)} band",
                percent(reached),
                f"of {count(whole(facts.model.overall.get('n')), 'measured value')}",
            )
        )
    seconds = real(facts.cost.get("fit_seconds"))
    if seconds is not None:
        size = real(facts.cost.get("parameters"))
        notes = [epochs(len(facts.history))] if facts.history else []
        notes += [count(size, "weight")] if size is not None else []
        found.append(("Trained in", duration(seconds), ", ".join(notes)))
    return found


def forecasts(page: Page, facts: Facts) -> None:
    """Forecasts with their bands over what was measured."""
    if not facts.examples:
        page.section("forecasts", "Forecasts", paragraph("No example forecasts were kept."))
        return
    widths = list(facts.examples[0].bands())[: figures.MAX_BANDS]
    shades = [
        (f"{level(w)} band", "band", f"--swatch-{figures.MAX_BANDS - len(widths) + i + 1}")
        for i, w in enumerate(widths)
    ]
    part = "the test part, which the model has not seen in training"
    if not facts.judged:
        part = "the validation part, by which the best epoch was chosen"
    drawn = list(dict.fromkeys(e.target for e in facts.examples))
    blocks = []
    for target in drawn:
        cards = []
        for example in (e for e in facts.examples if e.target == target):
            where = f"{example.series}: " if example.series is not None else ""
            figure = figures.fan(example)
            cards.append(
                tag(
                    "div",
                    tag("h3", f"{where}from {moment(example.times[0])}"),
                    page.figure(figure.spec, figure.label, figure.caption, size="small"),
                )
            )
        blocks.append((target, tag("div", *cards, class_="windows")))
    told = [
        f"Windows spread over {part}. The dotted line is the moment of the forecast: the model saw what "
        "lies left of it, and nothing of what lies right. "
    ]
    if widths:
        told.append(
            f"Of the measured values, about {level(widths[0])} should lie inside the widest band."
        )
    if len(facts.targets) > len(drawn):
        told.append(f" Drawn for {len(drawn)} of {len(facts.targets)} targets.")
    page.section(
        "forecasts",
        "Forecasts",
        paragraph(*told),
        legend(
            [("measured", "solid", "--truth"), ("forecast (mean)", "solid", "--model"), *shades]
        ),
        choice("Target", blocks, group="forecasts"),
    )


def scores(page: Page, facts: Facts) -> None:
    """Tables of scores, the best of each column in bold."""
    heading = "Scores beside the naive forecasts"
    if not facts.judged:
        page.section("scores", heading, paragraph(UNJUDGED), link="Scores")
        return
    length = facts.season or 0
    season = steps(length, facts.frequency)
    seasonal = f"seasonal naive the last season of {season}, " if length > 1 else ""
    parts: list[object] = [
        paragraph(
            f"{count(facts.windows, 'forecast')} from the test part, each beside what came. The naive "
            f"forecasts cost nothing: naive repeats the last value, {seasonal}drift draws on the line from "
            "the first to the last value. A model is worth its trouble where it beats them."
        )
    ]
    single = [(t, _score_table(facts, t)) for t in facts.targets if t in facts.model.targets]
    if len(single) > 1:
        parts.append(_overview(facts))
    for target, shown in single:
        if len(single) <= MAX_OPEN_TABLES:
            parts += [tag("h3", target) if len(single) > 1 else "", shown]
        else:
            parts.append(details(f"All scores of {target}", shown))
    page.section("scores", heading, *parts, link="Scores")


def _score_table(facts: Facts, target: str) -> Html:
    columns = [s for s in SCORES if facts.model.targets[target].get(s) is not None]
    covered = [
        p for p in facts.intervals if facts.model.targets[target].get(f"coverage_{p:g}") is not None
    ]
    keys: list[tuple[str, float | None]] = [(s, None) for s in columns]
    keys += [(f"coverage_{p:g}", p / 100) for p in covered]
    names = list(facts.forecasts)
    cells: dict[str, list[object]] = {n: [n] for n in names}
    cells[MODEL] = [tag("span", MODEL, class_="own")]
    for key, wanted in keys:
        values = [facts.forecasts[n].targets.get(target, {}).get(key) for n in names]
        shown = column(values) if wanted is None else [percent(v) for v in values]
        # How far from ideal: the error itself, or the distance to the coverage wanted.
        off = [v if v is None or wanted is None else abs(v - wanted) for v in values]
        least = min((v for v in off if v is not None), default=None)
        for name, value, text in zip(names, off, shown, strict=True):
            cells[name].append(best(text) if value is not None and value == least else text)
    for name in names:
        cells[name].append("" if name == MODEL else comparison(facts.skill(target, name)))
    heads: list[object] = [
        *("sMAPE, %" if s == "sMAPE" else s for s in columns),
        *(f"in {level(p)} band" for p in covered),
    ]
    return table(
        f"Scores on {target}. Smaller is better; the share in a band is best near the band's name. "
        "Best in bold.",
        ["Forecast", *heads, "Model’s MAE is"],
        cells.values(),
    )


def _overview(facts: Facts) -> Html:
    rows = []
    for target in facts.targets:
        own, name = facts.model.targets.get(target, {}), facts.hardest(target)
        other = facts.baselines[name].targets[target].get("MAE") if name else None
        skill = facts.skill(target, name) if name else None
        mae = number(own.get("MAE"))
        better = skill is not None and skill > 0
        cells: list[object] = [target, best(mae) if better else mae]
        cells.append(best(number(other)) if name and not better else number(other))
        cells += [name or "", comparison(skill)]
        cells += [percent(own.get(f"coverage_{p:g}")) for p in facts.intervals[:1]]
        rows.append(cells)
    wide = [f"in {level(p)} band" for p in facts.intervals[:1]]
    return table(
        "All targets: mean absolute error beside that of the best naive forecast. Best in bold.",
        ["Target", "Model", "Best naive", "Which", "Model’s MAE is", *wide],
        rows,
        left=[3],
    )


def by_step(page: Page, facts: Facts) -> None:
    """The error from the first to the last step of the horizon."""
    heading = "Error by horizon step"
    if not facts.judged:
        page.section("steps", heading, paragraph(UNJUDGED), link="By step")
        return
    blocks = []
    for target in facts.targets[:MAX_DRAWN_TARGETS]:
        figure = figures.horizon(facts, target)
        if figure is not None:
            drawn = page.figure(figure.spec, figure.label, figure.caption)
            blocks.append((target, join([drawn, _step_table(facts, target)])))
    if not blocks:
        page.section(
            "steps",
            heading,
            paragraph("One step is forecast: there is no course to draw."),
            link="By step",
        )
        return
    one = steps(1, facts.frequency)
    page.section(
        "steps",
        heading,
        paragraph("The further ahead, the harder." + (f" A step is {one}." if one != "1 step" else "")),
        legend([(n, *s) for n, s in figures.styles(facts).items()]),
        choice("Target", blocks, group="steps"),
        _undrawn(facts),
        link="By step",
    )  # fmt: skip


def _step_table(facts: Facts, target: str) -> Html:
    errors = facts.by_step(target)
    length = max(map(len, errors.values()))
    flat = column([e for v in errors.values() for e in v + [None] * (length - len(v))])
    rows = [[i + 1, *flat[i::length]] for i in range(length)]
    return details(
        "Show the numbers",
        table(f"Mean absolute error on {target} by step ahead", ["Step", *errors], rows),
    )


def calibration(page: Page, facts: Facts) -> None:
    """Coverage wanted against reached."""
    heading = "How sure the forecasts are"
    if not facts.judged or not facts.intervals:
        page.section(
            "calibration", heading, paragraph("No coverage was measured."), link="Certainty"
        )
        return
    said, why = coverage_words(facts)
    parts: list[object] = [
        paragraph(
            "A band of 90 % should hold nine of ten values that come: fewer, and it promises too much; "
            "more, and it is wider than needed. ",
            tag("strong", said),
        )
    ]
    if why:
        parts.append(paragraph(why))
    blocks = []
    for target in [t for t in facts.targets if t in facts.model.targets][:MAX_DRAWN_TARGETS]:
        own = facts.model.targets[target]
        rows = []
        for p in facts.intervals:
            reached = own.get(f"coverage_{p:g}")
            off = None if reached is None else 100 * reached - p
            sign = "+" if off is not None and off > 0 else ""
            shift = (
                number(None) if off is None else f"{sign}{off:.1f} points".replace("-", "\u2212")
            )
            rows.append([level(p), percent(reached), shift, number(own.get(f"width_{p:g}"))])
        shown: list[object] = [
            table(
                f"Bands on {target}: wanted and reached; the mean width is in the target's unit",
                ["Wanted", "Reached", "Difference", "Mean width"],
                rows,
            )
        ]
        figure = figures.calibration(facts, target)
        if figure is not None:
            shown.append(_band_legend(facts))
            shown.append(page.figure(figure.spec, figure.label, figure.caption))
        blocks.append((target, join(shown)))
    if blocks:
        parts.append(choice("Target", blocks, group="calibration"))
    page.section("calibration", heading, *parts, _undrawn(facts), link="Certainty")


def _band_legend(facts: Facts) -> Html:
    colours = ("--model", "--baseline-2", "--baseline-3")
    bands = zip(facts.intervals, colours, strict=False)
    return legend(
        [
            *((f"{level(p)} band, reached", "solid", c) for p, c in bands),
            ("wanted", "dash", "--soft"),
        ]
    )


def _undrawn(facts: Facts) -> Html:
    if len(facts.targets) <= MAX_DRAWN_TARGETS:
        return Html()
    return paragraph(
        f"Shown for the first {MAX_DRAWN_TARGETS} of {len(facts.targets)} targets.", class_="soft"
    )
