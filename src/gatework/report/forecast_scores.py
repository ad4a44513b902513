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
    comparison,
    count,
    duration,
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
    "There was no test part, so there is nothing to score. Run `gatework evaluate` on later data."
)


def headline(page: Page, facts: Facts, verdict: Verdict) -> None:
    """The verdict and three or four figures."""
    said = [tag("p", verdict.said, class_="said")]
    if verdict.kind in ("won", "wary") and facts.verdict:
        said.append(paragraph(facts.verdict))
    if verdict.lost:
        lines = [
            f"{target}: {listing([f'{name} is better ({chr(44).join(s)})'.replace(',', ', ') for name, s in found.items()])}"
            for target, found in verdict.lost.items()
        ]
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
    )


def _keys(facts: Facts) -> list[tuple[str, str, str]]:
    found = []
    lead = overall_skill(facts) if facts.judged else None
    if lead is not None:
        name, skill = lead
        found.append(
            (
                "Error against the best naive forecast",
                comparison(skill),
                f"mean absolute error (MAE) beside {name}"
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
        note = count(size, "weight") if size is not None else ""
        found.append(("Trained in", duration(seconds), note))
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
    part = "test" if facts.judged else "validation"
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
        f"Windows spread over the {part} part, which the weights were not fitted to. The dotted line is "
        "the moment of the forecast: what lies left of it the model saw, what lies right of it it did not. "
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
    if not facts.judged:
        page.section("scores", "Scores beside the naive forecasts", paragraph(UNJUDGED))
        return
    season = f" ({steps(facts.season, facts.frequency)} back)" if (facts.season or 0) > 1 else ""
    seasonal = f", repeating the last season{season}" if "seasonal naive" in facts.baselines else ""
    parts: list[object] = [
        paragraph(
            f"{count(facts.windows, 'forecast')} from the test part, each beside what came. The naive "
            f"forecasts cost nothing: repeating the last value (naive){seasonal}, and drawing the line "
            "from the first to the last value on (drift). A model is worth its trouble where it beats them."
        )
    ]
    single = [(t, _score_table(facts, t)) for t in facts.targets if t in facts.model.targets]
    if len(single) > 1:
        parts.append(_overview(facts))
    for target, shown in single:
        heading = tag("h3", target) if len(single) > 1 else ""
        if len(single) <= MAX_OPEN_TABLES:
            parts += [heading, shown]
        else:
            parts.append(details(f"All scores of {target}", shown))
    page.section("scores", "Scores beside the naive forecasts", *parts)


def _score_table(facts: Facts, target: str) -> Html:
    columns = [s for s in SCORES if facts.model.targets[target].get(s) is not None]
    covered = [
        p for p in facts.intervals if facts.model.targets[target].get(f"coverage_{p:g}") is not None
    ]
    keys = [(s, None) for s in columns] + [(f"coverage_{p:g}", p / 100) for p in covered]
    values = {
        name: [s.targets.get(target, {}).get(key) for key, _ in keys]
        for name, s in facts.forecasts.items()
    }
    rows = []
    for name in values:
        cells: list[object] = [tag("span", name, class_="own") if name == MODEL else name]
        for i, (key, wanted) in enumerate(keys):
            value = values[name][i]
            others = [v[i] for v in values.values() if v[i] is not None]
            shown = percent(value) if wanted is not None else number(value)
            if key == "sMAPE" and value is not None:
                shown = f"{number(value)} %"
            off = [abs(v - wanted) if wanted is not None else v for v in others if v is not None]
            own = None if value is None else abs(value - wanted) if wanted is not None else value
            cells.append(best(shown) if own is not None and own <= min(off) else shown)
        cells.append("" if name == MODEL else comparison(facts.skill(target, name)))
        rows.append(cells)
    heads: list[object] = [*columns, *(f"in {level(p)} band" for p in covered)]
    return table(
        f"Scores on {target}. Smaller is better; the share in a band is best near the band's name. Best in bold.",
        ["Forecast", *heads, "Model’s MAE is"],
        rows,
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
        page.section("steps", heading, paragraph(UNJUDGED))
        return
    blocks = []
    for target in facts.targets[:MAX_DRAWN_TARGETS]:
        figure = figures.horizon(facts, target)
        if figure is not None:
            drawn = page.figure(figure.spec, figure.label, figure.caption)
            blocks.append((target, join([drawn, _step_table(facts, target)])))
    if not blocks:
        page.section(
            "steps", heading, paragraph("One step is forecast: there is no course to draw.")
        )
        return
    one = steps(1, facts.frequency)
    page.section(
        "steps",
        heading,
        paragraph(f"The further ahead, the harder. A step is {one}." if one != "1 step" else "The further ahead, the harder."),
        legend([(n, *s) for n, s in figures.styles(facts).items()]),
        choice("Target", blocks, group="steps"),
        _undrawn(facts),
    )  # fmt: skip


def _step_table(facts: Facts, target: str) -> Html:
    errors = {n: s.horizon.get(target, {}).get("MAE", []) for n, s in facts.forecasts.items()}
    rows = [
        [i + 1, *(number(v[i]) if i < len(v) else number(None) for v in errors.values())]
        for i in range(len(errors[MODEL]))
    ]
    return details(
        "Show the numbers",
        table(f"Mean absolute error on {target} by step ahead", ["Step", *errors], rows),
    )


def calibration(page: Page, facts: Facts) -> None:
    """Coverage wanted against reached."""
    heading = "How sure the forecasts are"
    if not facts.judged or not facts.intervals:
        page.section("calibration", heading, paragraph("No coverage was measured."))
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
    page.section("calibration", heading, *parts, _undrawn(facts))


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
