"""What the scores of a classifier, regressor or tagger support, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatework.report.labelled_facts import PARTS, LabelledFacts
from gatework.report.labelled_words import interval, name, value
from gatework.report.words import percent

# Below this many sequences a score says little, whatever its value.
FEW = 30


@dataclass(frozen=True)
class LabelledVerdict:
    """Whether the model beats the baselines, and what to make of it."""

    kind: Literal["won", "wary", "lost", "unjudged"]
    said: str
    advice: str = ""

    @classmethod
    def of(cls, facts: LabelledFacts) -> LabelledVerdict:
        """From the main score; the recorded sentence decides where it knows of a defeat."""
        score, rival = facts.score, facts.strongest()
        if not facts.judged or score is None:
            return cls(
                "unjudged",
                "Not judged: no sequence was left to judge it on.",
                "Nothing here says how good this model is. Fit with a split that has a test part, or run "
                "gatework evaluate on sequences with labels, before relying on it.",
            )
        if rival is None:
            return cls(
                "unjudged",
                "Not compared: the scores of the baselines are missing.",
                f"{name(facts.main)}: {value(facts.main, score)}. Without a baseline it cannot be called "
                "good or bad.",
            )
        lead = rival[1] - score if facts.less_is_better else score - rival[1]
        against = f"{value(facts.main, score)} against {value(facts.main, rival[1])}"
        if not lead > 0 or "NOT beat" in (facts.verdict or ""):
            return cls("lost", _defeat(facts, rival[0], against, lead), _after_defeat(facts))
        if (doubt := _doubt(facts, rival)) is not None:
            return cls("wary", doubt, _part(facts))
        said = facts.verdict or f"Beats every baseline; {rival[0]} is the best of them ({against})."
        return cls("won", said, _part(facts))


def _defeat(facts: LabelledFacts, rival: str, against: str, lead: float) -> str:
    if lead > 0:
        return facts.verdict or "Does not beat every baseline."
    word = "Only as good as" if lead == 0 else "Does not beat"
    return f"{word} {rival}: {name(facts.main)} {against}."


def _after_defeat(facts: LabelledFacts) -> str:
    return (
        "As it stands, the baseline is the better choice: it is simpler and faster. More sequences, more "
        "epochs, another cell or augmentation may change that. " + _part(facts)
    )


def _doubt(facts: LabelledFacts, rival: tuple[str, float]) -> str | None:
    """Why a lead is not to be trusted yet; None where it is."""
    ends = facts.model.intervals.get(facts.main)
    if ends is not None and ends[0] <= rival[1] <= ends[1]:
        return (
            f"Beats every baseline, but not surely: the score of {rival[0]}, "
            f"{value(facts.main, rival[1])}, lies inside the model’s own interval "
            f"({interval(facts.main, ends)})."
        )
    if facts.sequences < FEW:
        return (
            f"Beats every baseline, but was judged on few sequences: {facts.sequences:,}. One more or less "
            f"right is {percent(1 / facts.sequences, 0)}."
            if facts.task == "classify"
            else f"Beats every baseline, but was judged on few sequences: {facts.sequences:,}."
        )
    return None


def _part(facts: LabelledFacts) -> str:
    if facts.on == "validation":
        return (
            "Judged on the validation part, by which the best epoch was chosen as well: on new sequences "
            "expect a little less."
        )
    if facts.on in PARTS:
        return ""
    return f"Judged on {facts.on}."
