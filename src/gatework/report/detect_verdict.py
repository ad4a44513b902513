"""What the scores of a detector support, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatework.report.detect_facts import PARTS, DetectFacts
from gatework.report.detect_words import counted, name, often, value
from gatework.report.words import count, percent

# Below this many labelled stretches a score says little, whatever its value.
FEW = 10
# A lead smaller than this is within what another seed would change.
HARDLY = 0.01
# Scores by which a baseline may be ahead although it is behind by the main one.
OTHERS = ("vus_pr", "average_precision", "f1", "range_f1")


@dataclass(frozen=True)
class DetectVerdict:
    """Whether the detector beats the baselines, and what to make of it."""

    kind: Literal["won", "wary", "lost", "unjudged"]
    said: str
    advice: str = ""

    @classmethod
    def of(cls, facts: DetectFacts) -> DetectVerdict:
        """From the main score; the recorded sentence decides where it knows of a defeat."""
        score, rival = facts.score, facts.strongest()
        if not facts.labelled and facts.rows and facts.model:
            return cls("unjudged", _unlabelled(facts), LOOK.format(unit=facts.unit))
        if not facts.judged or score is None:
            said = "Not judged: there was nothing to judge it on."
            if facts.labelled and facts.rows:
                said = "Not judged: no anomaly is labelled in what was judged."
            return cls("unjudged", said, NOTHING)
        if rival is None:
            return cls(
                "unjudged",
                "Not compared: the scores of the baselines are missing.",
                f"{name(facts.main)}: {value(facts.main, score)}. Without a baseline it cannot be called "
                "good or bad.",
            )
        lead = score - rival[1]
        against = (
            f"{name(facts.main)} {value(facts.main, score)} against {value(facts.main, rival[1])}"
        )
        if not lead > 0 or "not beat" in (facts.verdict or "").casefold():
            return cls("lost", _defeat(facts, rival[0], against, lead), f"{LOST} {_part(facts)}")
        advice = " ".join(s for s in (_elsewhere(facts), _part(facts)) if s)
        if lead < HARDLY:
            said = f"Beats every baseline, but hardly: {against} of {rival[0]}."
            return cls("wary", said, advice)
        events = facts.model.get("events")
        if events is not None and events < FEW:
            few = counted(events, "anomaly", "anomalies")
            said = f"Beats every baseline, but on {few} only: {against} of {rival[0]}."
            return cls("wary", said, advice)
        said = facts.verdict or f"Beats every baseline: {against} of {rival[0]}, the best of them."
        return cls("won", said, advice)


NOTHING = (
    "Nothing here says how good this detector is. Run gatework evaluate on data in which anomalies are "
    "labelled, before relying on it."
)
LOST = (
    "As it stands, the baseline is the better choice: it is simpler and faster. A longer history, another "
    "method or more units may change that."
)
LOOK = (
    "Without labels nobody can say how many of these alarms are right. Look through the strongest of them "
    "below: were they worth a look? If not, ask for fewer (alarms_per_day, or a smaller risk)."
)


def _unlabelled(facts: DetectFacts) -> str:
    alarms = facts.model.get("alarm_ranges", facts.model.get("alarms"))
    many = f"{count(alarms, 'alarm')} in {count(facts.rows, facts.unit)}"
    said = f"Not judged against labels: there are none. {many}"
    per_day = facts.model.get("alarms_per_day")
    share = facts.model.get("alarm_share")
    if per_day:
        return f"{said}, about {often(per_day)}."
    return f"{said}, {percent(share, 2)} of them." if share and facts.by_session else f"{said}."


def _defeat(facts: DetectFacts, rival: str, against: str, lead: float) -> str:
    if lead > 0:
        return facts.verdict or "Does not beat every baseline."
    word = "Only as good as" if lead == 0 else "Does not beat"
    return f"{word} {rival}: {against}."


def _elsewhere(facts: DetectFacts) -> str:
    """Where a baseline is ahead all the same."""
    ahead = []
    for score in OTHERS:
        own, rival = facts.model.get(score), facts.strongest(score)
        if score != facts.main and own is not None and rival is not None and rival[1] > own:
            ahead.append(
                f"{name(score)} ({rival[0]} {value(score, rival[1])}, the detector {value(score, own)})"
            )
    return f"Not by every measure: it is behind in {'; '.join(ahead)}." if ahead else ""


def _part(facts: DetectFacts) -> str:
    if facts.on == "validation":
        return (
            "Judged on the validation part, which chose the best epoch and set the threshold as well: on "
            "new data expect a little less."
        )
    return "" if facts.on in PARTS else f"Judged on {facts.on}."
