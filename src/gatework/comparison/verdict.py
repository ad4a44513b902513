"""The sentences that the numbers of a comparison support, and no more."""

from __future__ import annotations

from typing import Any

from gatework.comparison.statistics import MIN_BLOCKS
from gatework.report.words import column, count, listing, number, percent

NAIVE = "naive answer"
# A cell whose sizes jump may miss the wanted number of parameters by this share before it is said.
OFF_SIZE = 0.05
# A training computes all the time on one thread at least; below this share something took its core away.
BUSY = 0.8


def sentences(facts: dict[str, Any]) -> list[str]:
    """The verdict: who is best, who cannot be told apart, and what else a reader has to know."""
    rows = [r for r in facts["rows"] if r["score"] is not None]
    sign = 1 if facts["score"]["lower_is_better"] else -1
    rows.sort(key=lambda r: (sign * r["score"], r["cell"]))
    parts = [
        _best(facts, rows),
        _doubt(facts, rows),
        _naive(facts, rows),
        _seeds(facts, rows),
        *_failures(facts),
        _unfinished(facts, rows),
        _sizes(facts, rows),
        _busy(rows),
        _interrupted(facts),
    ]
    return [p for p in parts if p]


def method(facts: dict[str, Any]) -> str:
    """How differences were tested, in a sentence or two."""
    score = facts["score"]
    tested = [p for p in facts["pairs"] if p["p"] is not None]
    if not tested and too_short(facts):
        return (
            f"No difference was tested: {_short(facts)}, and a test takes {MIN_BLOCKS} blocks of neighbours "
            "that may depend on each other."
        )
    if not tested:
        return "No difference was tested: that takes two trainings of a cell, with different seeds."
    over = []
    if any(p["over_seeds"] for p in tested):
        over.append("the seeds")
    if any(p["over_items"] for p in tested):
        over.append(
            f"the same {score['items']:,} test {score['item']}s for both, in {score['blocks']:,} blocks of "
            f"neighbours that may depend on each other"
        )
    comparisons = "1 comparison" if len(tested) == 1 else f"{len(tested)} comparisons"
    return (
        f"Differences of mean {score['name']} were tested over {' and '.join(over)} (t test, degrees of "
        f"freedom after Welch and Satterthwaite); {comparisons}, corrected together after Holm at "
        f"{percent(facts['level'], 0)}."
    )


def pair_of(facts: dict[str, Any], a: str, b: str) -> dict[str, Any]:
    """The comparison of two cells, or of a cell and the naive answer."""
    found: dict[str, Any] = next(p for p in facts["pairs"] if {p["a"], p["b"]} == {a, b})
    return found


def too_short(facts: dict[str, Any]) -> bool:
    """Whether the test part has too few blocks of items to tell anything by."""
    blocks = facts["score"]["blocks"]
    return blocks is not None and blocks < MIN_BLOCKS


def why_untested(facts: dict[str, Any]) -> str:
    """Why no difference was tested, in a few words."""
    return "the test part is too short" if too_short(facts) else "one seed cannot tell"


def _short(facts: dict[str, Any]) -> str:
    score = facts["score"]
    return (
        f"the test part has {count(score['items'], score['item'])} in {count(score['blocks'], 'block')} "
        "of its own"
    )


def _best(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    score, name = facts["score"], facts["score"]["name"]
    shown = dict(zip((r["cell"] for r in rows), column([r["score"] for r in rows], 4), strict=True))
    least = "lowest" if score["lower_is_better"] else "highest"
    best, others = rows[0], rows[1:]
    if not others:
        if len(facts["rows"]) == 1:
            return (
                f"{best['cell']} was trained alone ({name} {shown[best['cell']]}): there is no other cell "
                "to compare it with."
            )
        return (
            f"Only {best['cell']} was trained to the end ({name} {shown[best['cell']]}): there is nothing "
            "to compare it with."
        )
    pairs = {r["cell"]: pair_of(facts, best["cell"], r["cell"]) for r in others}
    if all(p["p"] is None for p in pairs.values()):
        head = f"{best['cell']} has the {least} {name}, {shown[best['cell']]}, "
        if too_short(facts):
            return (
                f"{head}but the test part is too short to tell whether that is more than chance: "
                f"{_short(facts)}, and a test takes {MIN_BLOCKS}. More rows, or a larger test part, would tell."
            )
        return f"{head}but one seed cannot tell whether that is more than chance."
    tied = [r for r in others if pairs[r["cell"]]["better"] is None]
    worse = [r for r in others if pairs[r["cell"]]["better"] == best["cell"]]
    if not tied:
        return (
            f"{best['cell']} is best on these data: its {name} of {shown[best['cell']]} is "
            f"{_gap(best, worse[0])} {'lower' if score['lower_is_better'] else 'higher'} than that of "
            f"{worse[0]['cell']}, the next, and its lead over every other cell is more than chance."
        )
    if not worse:
        apart = [p for p in facts["pairs"] if p["better"] and NAIVE not in (p["a"], p["b"])]
        if not apart:
            cells = "The two cells" if len(rows) == 2 else f"The {len(rows)} cells"
            return (
                f"{cells} cannot be told apart on these data: {name} from {shown[best['cell']]} "
                f"({best['cell']}) to {shown[rows[-1]['cell']]} ({rows[-1]['cell']}), differences that "
                "chance alone can make."
            )
        said = [f"{p['better']} is better than {_other(p)}" for p in apart]
        return (
            f"{best['cell']} has the {least} {name}, {shown[best['cell']]}, and cannot be told apart from "
            f"any other cell on these data; yet {listing(said, 4)}."
        )
    leaders = listing([best["cell"], *(r["cell"] for r in tied)], 12)
    range_ = f"{shown[best['cell']]} to {shown[tied[-1]['cell']]}"
    behind = listing([f"{r['cell']} by {_gap(best, r)}" for r in worse], 12)
    return (
        f"{leaders} cannot be told apart on these data ({name} {range_}). Worse than {best['cell']}, by more "
        f"than chance: {behind}."
    )


def _gap(best: dict[str, Any], other: dict[str, Any]) -> str:
    size = abs(other["score"] - best["score"]) / abs(other["score"]) if other["score"] else 0.0
    return percent(size, 0 if size >= 0.0995 else 1)


def _other(pair: dict[str, Any]) -> str:
    return str(pair["b"] if pair["better"] == pair["a"] else pair["a"])


def _naive(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Every cell beside the naive answer that is hardest to beat."""
    naive, name = facts["naive"], facts["score"]["name"]
    if naive is None:
        return ""
    base = f"the best naive answer ({naive}, {name} {number(facts['baselines'][naive])})"
    if all(pair_of(facts, r["cell"], NAIVE)["p"] is None for r in rows):
        return f"Beside {base} nothing is tested either: {_beside(rows)}."
    better: list[dict[str, Any]] = []
    worse: list[dict[str, Any]] = []
    tied: list[dict[str, Any]] = []
    for row in rows:
        pair = pair_of(facts, row["cell"], NAIVE)
        group = tied if pair["better"] is None else worse if pair["better"] == NAIVE else better
        group.append(row)
    if len(better) == len(rows):
        least, most = (percent(f(r["skill"] for r in better), 0) for f in (min, max))
        by = least if least == most else f"{least} to {most}"
        who = "Every cell beats" if len(rows) > 1 else f"{rows[0]['cell']} beats"
        return f"{who} {base}, by {by}."
    if not better and not worse:
        who = "No cell can" if len(rows) > 1 else f"{rows[0]['cell']} cannot"
        return f"{who} be told apart from {base}."
    if not better and not tied:
        if len(rows) == 1:
            return f"{rows[0]['cell']} is worse than {base}, by more than chance."
        return f"No cell beats {base}; all are worse, by more than chance."
    groups = (("better", better), ("not to be told apart from it", tied), ("worse", worse))
    said = [f"{words}: {listing([r['cell'] for r in g], 12)}" for words, g in groups if g]
    return f"Beside {base}: {'; '.join(said)}."


def _beside(rows: list[dict[str, Any]]) -> str:
    """Each cell's score beside the naive one's, untested."""
    said = []
    for row in rows:
        skill = row["skill"]
        if skill is None:
            return "its score leaves no share to tell"
        size = percent(abs(skill), 0 if abs(skill) >= 0.0995 else 1)
        said.append(f"{row['cell']} is {size} {'better' if skill > 0 else 'worse'}")
    return listing(said, 12)


def _doubt(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Where the uncertainty of an undecided comparison of a cell with the best cell comes from."""
    undecided = [
        p["share_of_seeds"]
        for r in rows[1:]
        if (p := pair_of(facts, rows[0]["cell"], r["cell"]))["better"] is None
        and p["over_seeds"]
        and p["over_items"]
        and p["share_of_seeds"] is not None
    ]
    if not undecided:
        return ""
    share = sorted(undecided)[len(undecided) // 2]
    if share > 0.5:
        return (
            "Most of the doubt between the cells comes from the seeds: with more of them smaller "
            "differences could be told."
        )
    return (
        "Most of the doubt between the cells comes from the test part: a longer one would tell smaller "
        "differences, more seeds would not."
    )


def _seeds(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    few = [r["cell"] for r in rows if r["seeds"] < 2]
    if not few or len(rows) < 2:
        return ""
    who = "each cell" if len(few) == len(rows) else listing(few, 12)
    return f"One training of {who} only: another seed may turn the order. Three seeds or more would tell."


def _failures(facts: dict[str, Any]) -> list[str]:
    said = []
    for row in facts["rows"]:
        if not row["failed"]:
            continue
        all_ = row["failed"] + row["seeds"]
        times = "its training" if all_ == 1 else f"{row['failed']} of {all_} trainings"
        said.append(f"{row['cell']} failed in {times}: {row['failures'][0].rstrip('.')}.")
    return said


def _unfinished(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Trainings that were still getting better when their budget ended."""
    cells = {r["cell"] for r in rows}
    mine = [
        r for r in facts["runs"]
        if r["failure"] is None and r["cell"] in cells and r["context"] == facts["context"]
    ]  # fmt: skip
    parts = []
    for stopped, what in (("finished", "epochs"), ("time", "time")):
        still = [r for r in mine if r["stopped"] == stopped and r["best_epoch"] == r["epochs"]]
        if still:
            who = listing(list(dict.fromkeys(r["cell"] for r in still)), 12)
            were = "was" if len(still) == 1 else "were"
            parts.append(
                f"{len(still)} of {count(len(mine), 'training')} ({who}) {were} still getting better when "
                f"{'its' if len(still) == 1 else 'their'} {what} ended"
            )
    if not parts:
        return ""
    longer = "change the order" if len(rows) > 1 else "do better"
    return f"{', '.join(parts)}: a longer training may {longer}."


def _sizes(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    if facts["budget_kind"] != "parameters":
        return ""
    wanted = next((r["parameters"] for r in rows if r["cell"] == facts["reference"]), None)
    off = [
        f"{r['cell']} ({r['parameters']:,})"
        for r in rows
        if wanted and r["parameters"] and abs(r["parameters"] / wanted - 1) > OFF_SIZE
    ]
    if not off:
        return ""
    return (
        f"The same number of parameters, {wanted:,}, could not be reached for {listing(off, 12)}: no "
        "hidden size comes nearer."
    )


def _busy(rows: list[dict[str, Any]]) -> str:
    shares = [r["cpu_share"] for r in rows if r["cpu_share"] is not None]
    if not shares or min(shares) >= BUSY:
        return ""
    return (
        f"The machine was busy with other work: a training got as little as {percent(min(shares), 0)} of a "
        "core, so the times here say little."
    )


def _interrupted(facts: dict[str, Any]) -> str:
    if not facts["interrupted"]:
        return ""
    return (
        f"Interrupted: {len(facts['runs'])} of {facts['planned']} trainings are done, and only they "
        "count here."
    )
