"""The report of a forecaster: from ``metrics.json`` to one HTML text."""

from __future__ import annotations

from typing import Any

from gatework.report import forecast_run as run
from gatework.report import forecast_scores as scored
from gatework.report.facts import Facts
from gatework.report.forecast_verdict import Verdict
from gatework.report.page import Page, paragraph, tag
from gatework.report.words import listing, steps


def render(metrics: dict[str, Any]) -> str:
    """The report as one HTML text that works offline, from nothing but a model's ``metrics.json``.

    Args:
        metrics: the content of ``metrics.json``; any key may be missing, None or odd: what cannot be
            told is left out.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    facts = Facts.read(metrics)
    title = facts.title or f"Forecast of {listing(facts.targets, 3) or 'a table'}"
    page = Page(title)
    scored.headline(page, facts, Verdict.of(facts))
    scored.forecasts(page, facts)
    scored.scores(page, facts)
    scored.by_step(page, facts)
    scored.calibration(page, facts)
    run.training(page, facts)
    run.data(page, facts)
    run.cost(page, facts)
    run.use(page, facts)
    run.definitions(page)
    made = f"Gatework {facts.version}" if facts.version else "Gatework"
    about = [facts.source, f"report by {made}"]
    return page.render(
        tag("h1", title),
        paragraph(_task(facts)),
        paragraph(" · ".join(a for a in about if a), class_="meta"),
    )


def _task(facts: Facts) -> str:
    """What was forecast, in a sentence."""
    what = f"Forecasts of {listing(facts.targets, 4) or 'the targets'}"
    ahead = f"{steps(facts.horizon, facts.frequency)} ahead" if facts.horizon else ""
    # Without a title of its own the heading names the targets already.
    said = ", ".join([what, ahead] if facts.title and ahead else [ahead or what])
    series = facts.profile.get("series")
    many = f", for {series:,} series" if isinstance(series, int) and series > 1 else ""
    cell = facts.settings.get("cell")
    kinds = {
        "lstm": ", with an LSTM network",
        "gru": ", with a GRU network",
        "rnn": ", with an RNN",
    }
    back = f", from the last {steps(facts.context, facts.frequency)}" if facts.context else ""
    return f"{said}{back}{many}{kinds.get(cell, '') if isinstance(cell, str) else ''}."
