"""The README of a model folder: what the model is, what it was judged on, how to use it."""

from __future__ import annotations

from typing import Any

SCORES = ("MAE", "RMSE", "MASE", "sMAPE", "WQL", "coverage_90")


def forecast_card(metrics: dict[str, Any], folder: str = "MODEL") -> str:
    """Markdown made from nothing but the content of ``metrics.json``."""
    evaluation, profile = metrics["evaluation"], metrics["profile"]
    settings, training, cost = metrics["settings"], metrics["training"], metrics["cost"]
    targets = ", ".join(_code(t) for t in metrics["targets"])
    lines = [
        f"# Forecast of {targets}",
        "",
        f"{evaluation['verdict']}",
        "",
        "## What it does",
        "",
        f"Forecasts {settings['horizon']} steps of {profile['frequency']} from the last "
        f"{metrics['context']}, with quantiles at {', '.join(f'{q:g}' for q in settings['levels'])}.",
        "",
        "## Data",
        "",
        f"{metrics.get('source') or 'A table'}: {profile['rows']:,} rows, {profile['series']} series, "
        f"{profile['span'][0]} to {profile['span'][1]}.",
        "",
        "| part | from | to | rows | windows |",
        "|---|---|---|---:|---:|",
    ]
    lines += [
        f"| {name} | {p['from'] or '–'} | {p['to'] or '–'} | {p['rows']:,} | {p['windows']:,} |"
        for name, p in metrics["split"].items()
    ]
    lines += [
        "",
        "Scales and vocabularies were fitted on the training part alone; the validation part chose the "
        + ("weights and calibrated the quantiles" if metrics.get("calibration") else "weights")
        + "; the scores below are of the test part.",
        "",
        "## Scores",
        "",
    ]
    if evaluation["windows"]:
        lines += [
            f"{evaluation['windows']:,} forecasts, each step of each counted; season {evaluation['season']}.",
            "",
            f"| target | forecast | {' | '.join(_title(s) for s in SCORES)} |",
            f"|---|---|{'---:|' * len(SCORES)}",
        ]
        for target in metrics["targets"]:
            for name, scores in {
                "this model": evaluation["model"],
                **evaluation["baselines"],
            }.items():
                values = (_number(s, scores["targets"][target].get(s)) for s in SCORES)
                lines.append(f"| {_code(target)} | {name} | {' | '.join(values)} |")
        lines.append("")
    threads = f"{cost['threads']} thread{'s' if cost['threads'] != 1 else ''}"
    lines += [
        f"Trained {len(training['history'])} epochs in {training['seconds']:.1f} s on {threads}; the weights "
        f"of epoch {training['best_epoch']} are kept; {cost['parameters']:,} parameters.",
        "",
        "## Use",
        "",
        "```",
        f"gatework predict {folder} latest.csv -o forecast.csv",
        f"gatework evaluate {folder} later.csv",
        "```",
        "```python",
        "from gatework import Forecaster",
        f'model = Forecaster.load("{folder}")',
        "forecast = model.predict(frame)",
        "```",
        "",
        f"Made with Gatework {metrics['gatework_version']}.",
        "",
    ]
    return "\n".join(lines)


def _title(score: str) -> str:
    return "90 % interval holds" if score == "coverage_90" else score


def _number(score: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if score.startswith("coverage") else f"{value:.4g}"


def _code(name: str) -> str:
    """A column's name that cannot break out of its table cell."""
    return "`" + name.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`"
