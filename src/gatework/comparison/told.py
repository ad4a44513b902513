"""What people are told of these networks and never shown, beside what these data show.

Each claim is judged by a rule: ``yes`` and ``no`` where the numbers are beyond doubt, ``open`` where they
are not or where the comparison did not look.
"""

from __future__ import annotations

from typing import Any

from gatework.cells import CELLS
from gatework.comparison.verdict import BUSY, pair_of, why_untested
from gatework.report.words import duration, listing, number

# Ratios of times within this are called equal: two medians of few runs tell no less.
SAME_TIME = 1.1


def claims(facts: dict[str, Any]) -> list[dict[str, str]]:
    """``told``, ``here`` and ``holds`` of each claim that the compared cells allow to look at."""
    rows = {r["cell"]: r for r in facts["rows"] if r["score"] is not None}
    plain = _first(rows, "rnn", [c for c in rows if _recurrent(c) and not CELLS[c].planes])
    gated = _first(rows, "lstm", [c for c in rows if _recurrent(c) and CELLS[c].planes])
    fed = next((c for c in rows if c in CELLS and CELLS[c].layer == "FeedForward"), None)
    said = []
    if fed and (beside := gated or plain):
        said.append(_quick(rows, fed, beside))
        said.append(_order(facts, rows, fed))
    if plain and gated:
        said.append(_long(facts, rows, plain, gated))
        said.append(_keep(facts, rows, plain, gated))
        said.append(_longer(rows, plain, gated))
    return [c for c in said if c is not None]


def _first(rows: dict[str, Any], wanted: str, others: list[str]) -> str | None:
    return wanted if wanted in rows else next(iter(others), None)


def _recurrent(cell: str) -> bool:
    return cell in CELLS and CELLS[cell].layer != "FeedForward"


def _claim(told: str, here: str, holds: bool | None) -> dict[str, str]:
    return {
        "told": told,
        "here": here,
        "holds": "open" if holds is None else "yes" if holds else "no",
    }


def _times(rows: dict[str, Any], a: str, b: str) -> tuple[str, int] | None:
    """Time of an epoch of a beside that of b in words, and 1 (longer), -1 or 0 (not settled)."""
    x, y = rows[a]["epoch_seconds"], rows[b]["epoch_seconds"]
    if not x or not y:
        return None
    (x_least, x_most), (y_least, y_most) = rows[a]["epoch_range"], rows[b]["epoch_range"]
    ratio = x / y
    longer = 1 if ratio > SAME_TIME else -1 if ratio < 1 / SAME_TIME else 0
    how = "as long as" if not longer else f"{number(ratio, 2)} times as long as"
    words = f"An epoch of {a} takes {duration(x)}, {how} one of {b} ({duration(y)})"
    if longer and x_least <= y_most and y_least <= x_most:
        words += ", but from training to training the times overlap"
        longer = 0
    if longer and min(rows[a]["seeds"], rows[b]["seeds"]) < 2:
        words += ", but of one training each"
        longer = 0
    shares = [rows[c]["cpu_share"] for c in (a, b) if rows[c]["cpu_share"] is not None]
    if longer and shares and min(shares) < BUSY:
        words += ", but the machine was busy with other work"
        longer = 0
    whole, other = rows[a]["seconds"], rows[b]["seconds"]
    if whole and other:
        words += f"; the whole training {duration(whole)} and {duration(other)}"
    return words + ".", longer


def _quick(rows: dict[str, Any], fed: str, beside: str) -> dict[str, str] | None:
    times = _times(rows, fed, beside)
    if times is None:
        return None
    words, longer = times
    holds = {-1: True, 0: None, 1: False}[longer]
    return _claim("Feedforward networks are quick to train …", words, holds)


def _order(facts: dict[str, Any], rows: dict[str, Any], fed: str) -> dict[str, str] | None:
    """Whether a recurrent cell does better than the network without memory."""
    recurrent = [c for c in rows if _recurrent(c)]
    pairs = {c: pair_of(facts, c, fed) for c in recurrent}
    better = [c for c in recurrent if pairs[c]["better"] == c]
    worse = [c for c in recurrent if pairs[c]["better"] == fed]
    name, own = facts["score"]["name"], number(rows[fed]["score"])
    tied = [c for c in recurrent if c not in better and c not in worse]
    parts = [f"{name} of {fed}: {own}"]
    parts += [f"better: {_scores(rows, better)}"] if better else []
    parts += [f"worse: {_scores(rows, worse)}"] if worse else []
    untested = [c for c in tied if pairs[c]["p"] is None]
    tied = [c for c in tied if c not in untested]
    parts += [f"not to be told apart from it: {_scores(rows, tied)}"] if tied else []
    parts += [f"not tested: {_scores(rows, untested)}, {why_untested(facts)}"] if untested else []
    words = "; ".join(parts) + "."
    if not better and worse and not tied and not untested:
        words += " What order tells beyond the place of each step, these data do not need."
    holds = True if better and not worse else False if worse and not better else None
    return _claim("… but do not see the order of what came.", words, holds)


def _scores(rows: dict[str, Any], cells: list[str]) -> str:
    return listing([f"{c} ({number(rows[c]['score'])})" for c in cells], 12)


def _long(
    facts: dict[str, Any], rows: dict[str, Any], plain: str, gated: str
) -> dict[str, str] | None:
    """What a longer context does for the plain network."""
    told = "Plain recurrent networks see the order but lose long sequences …"
    found = _contexts(facts, plain)
    if found is None:
        return _claim(
            told,
            "Not looked at: every training saw one context. Give several (--contexts 24,96,336) to see the "
            "score against how far back a cell looks.",
            None,
        )
    words, pair = found
    holds = True if pair["better"] == pair["b"] else False if pair["better"] == pair["a"] else None
    return _claim(told, words, holds)


def _keep(
    facts: dict[str, Any], rows: dict[str, Any], plain: str, gated: str
) -> dict[str, str] | None:
    """What a longer context does for the gated cell, and whether it beats the plain one."""
    told = f"… which {'LSTMs' if gated == 'lstm' else 'gated cells'} keep …"
    pair = pair_of(facts, gated, plain)
    name = facts["score"]["name"]
    both = f"{name} {number(rows[gated]['score'])} of {gated}, {number(rows[plain]['score'])} of {plain}"
    end = {
        gated: f"{gated} is better",
        plain: f"{plain} is better",
        None: _undecided(facts, pair, "not to be told apart"),
    }
    words = f"{both}: {end[pair['better']]}."
    if facts["context"] is not None:
        words = f"At a context of {facts['context']:,}, {words}"
    holds = True if pair["better"] == gated else False if pair["better"] == plain else None
    found = _contexts(facts, gated)
    if found is not None:
        said, change = found
        words = f"{said} {words}"
        if change["better"] == change["b"]:
            holds = False
    return _claim(told, words, holds)


def _undecided(
    facts: dict[str, Any], pair: dict[str, Any], words: str, untested: str = "not tested"
) -> str:
    """What is said where neither is better: tested, or not and why."""
    return words if pair["p"] is not None else f"{untested}, {why_untested(facts)}"


def _contexts(facts: dict[str, Any], cell: str) -> tuple[str, dict[str, Any]] | None:
    """Scores of a cell by context, in words, and the comparison of the longest with the shortest."""
    pair = next((p for p in facts["context_pairs"] if p["cell"] == cell), None)
    if pair is None:
        return None
    scores = []
    for group in facts["by_context"]:
        row = next((r for r in group["rows"] if r["cell"] == cell), None)
        if row is not None and row["score"] is not None:
            scores.append(f"{number(row['score'])} from {group['context']:,} steps")
    end = {pair["a"]: "the longest is better than the shortest",
           pair["b"]: "the longest is worse than the shortest",
           None: "the longest and the shortest "
           + _undecided(facts, pair, "cannot be told apart", "were not tested")}  # fmt: skip
    words = f"{facts['score']['name']} of {cell}: {listing(scores, 8)}; {end[pair['better']]}."
    return words, pair


def _longer(rows: dict[str, Any], plain: str, gated: str) -> dict[str, str] | None:
    times = _times(rows, gated, plain)
    if times is None:
        return None
    words, longer = times
    holds = {1: True, 0: None, -1: False}[longer]
    return _claim("… and take longer to train.", words, holds)
