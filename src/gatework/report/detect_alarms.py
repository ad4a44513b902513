"""The sections that show what was found: a stretch with its alarms, and the strongest alarms one by one."""

from __future__ import annotations

from gatework.report.detect_examples import Alarm, Course, Involved, spans
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_figures import ALARM, LABEL, joined, stack
from gatework.report.detect_words import expected, points, rarity, when
from gatework.report.page import Html, Page, details, join, legend, paragraph, tag
from gatework.report.words import NONE, count, moment, number, percent

SHOWN = 6  # alarms; the others are folded
MAX_CAUSES = 5  # channels of one alarm
MAX_PLACES = 12  # alarms to zoom to
LOOK = "Choose a place to look closer; with a mouse, drag over the figure, and double-click to come back."


def course(page: Page, facts: DetectFacts) -> None:
    """A stretch of one series with its scores, alarms and channels."""
    shown = facts.course
    if shown is None:
        return
    drawn = stack(shown)
    headings = [
        tag("span", words, class_="lane", style=f"top:{top}px") for words, top in drawn.headings
    ]
    figure = page.figure(
        drawn.figure.spec, drawn.figure.label, drawn.figure.caption, height_px=drawn.height_px
    )
    entries = [
        ("score", "solid", "--model"), ("threshold", "dash", "--soft"), ("alarm", "band", ALARM)
    ]  # fmt: skip
    if shown.label is not None:
        entries.append(("labelled as an anomaly", "band", LABEL))
    if shown.channels:
        entries += [
            ("what came", "solid", "--truth"),
            ("what was expected", "band", "--swatch-3"),
        ]
    of = f"Series {shown.series}. " if shown.series else ""
    told = f"{of}{LOOK}"
    if shown.channels and len(facts.channels) > len(shown.channels):
        told += f" Of {count(len(facts.channels), 'channel')} those are shown that the alarms are most about."
    page.section(
        "series",
        "A stretch with its alarms",
        paragraph(told),
        legend(entries),
        tag("div", _zoom(shown), tag("div", *headings, figure, class_="lanes-over"), class_="stack"),
        link="Alarms in time",
    )  # fmt: skip


def _zoom(shown: Course) -> Html:
    """A choice of alarms and of missed anomalies to look at closely."""
    rows = len(shown.score)
    alarms = joined(spans(shown.alarm), rows)
    alarms.sort(key=lambda s: -_peak(shown, s))
    places = [(s, f"alarm, score {points(_peak(shown, s))}") for s in alarms[:MAX_PLACES]]
    missed = [s for s in spans(shown.label or []) if not any(shown.alarm[s[0] : s[1] + 1])]
    places += [(s, "missed anomaly") for s in missed[:MAX_PLACES]]
    if not places:
        return Html()
    places.sort()
    options = [tag("option", "all of it", value="")]
    for (first, last), words in places:
        wide = max(20, round(1.5 * (last - first + 1)))
        ends = (shown.places[max(0, first - wide)], shown.places[min(rows - 1, last + wide)])
        at = moment(shown.times[first]) if shown.times else f"row {shown.rows[first]:,}"
        options.append(tag("option", f"{at}: {words}", value=f"{ends[0]}|{ends[1]}"))
    select = tag("select", *options, data_zoom=True, autocomplete="off")
    return tag("label", "Look at ", select, class_="choose")


def _peak(shown: Course, span: tuple[int, int]) -> float:
    return max((v for v in shown.score[span[0] : span[1] + 1] if v is not None), default=0.0)


def alarms(page: Page, facts: DetectFacts) -> None:
    """The strongest alarms, each with the channels that it is about."""
    if not facts.alarms:
        return
    found = sorted(facts.alarms, key=lambda a: -a.peak_score)
    cards = [_card(facts, alarm) for alarm in found]
    told = (
        f"The {count(len(found))} with the highest scores." if len(found) > 1 else "The only one."
    )
    if any(a.channels for a in found):
        told += (
            " Below each, what it is about: the share of the surprise, and at the peak the value that came "
            "(the dot) beside what was expected (the bar, with the median)."
        )
    more = cards[SHOWN:]
    page.section(
        "alarms",
        "The strongest alarms",
        paragraph(told),
        tag("div", *cards[:SHOWN], class_="windows"),
        details(f"Show {count(len(more))} more", tag("div", *more, class_="windows")) if more else "",
        link="Strongest alarms",
    )  # fmt: skip


def _card(facts: DetectFacts, alarm: Alarm) -> Html:
    causes = [cause(c) for c in alarm.channels[:MAX_CAUSES]]
    left = alarm.channels[MAX_CAUSES:]
    rest = sum(c.share or 0.0 for c in left)
    if left:
        causes.append(tag("li", f"{count(len(left))} more: {percent(rest, 0)}", class_="soft"))
    return tag(
        "div",
        tag("h3", title(facts, alarm)),
        tag(
            "p",
            tag("strong", f"Score {points(alarm.peak_score)}"),
            f": {rarity(alarm.peak_score, facts.unit)}",
            f"; {count(alarm.rows, facts.unit)}" if alarm.rows else "",
            judged(True, alarm.labelled),
            class_="answer",
        ),
        tag("ul", *causes, class_="causes") if causes else "",
        class_="alarm",
    )  # fmt: skip


def title(facts: DetectFacts, alarm: Alarm) -> str:
    """When an alarm was: times, or rows."""
    time = when(alarm.start_time, alarm.end_time)
    if time is None:
        first, last = alarm.start, alarm.end
        noun = facts.unit.capitalize()
        if first is None:
            time = "Alarm"
        elif last is None or last == first:
            time = f"{noun} {first:,}"
        else:
            time = f"{noun}s {first:,} to {last:,}"
    return f"{alarm.series}: {time}" if alarm.series else time


def judged(alarm: bool, label: bool | None) -> Html:
    """What the labels say of an alarm; nothing where they say nothing."""
    if label is None or not (alarm or label):
        return Html()
    if alarm:
        words, kind = ("labelled", "truth") if label else ("not labelled", "missed")
    else:
        words, kind = "missed", "missed"
    return join([" ", tag("span", words, class_=f"chip {kind}")])


def cause(channel: Involved) -> Html:
    """One channel of an alarm: its share, its value and what was expected."""
    came = channel.value if isinstance(channel.value, str) else number(channel.value)
    parts: list[object] = []
    if channel.value is not None:
        parts.append(tag("span", came, class_="missed"))
        wanted = expected(channel.low, channel.high)
        if wanted:
            parts.append(f"; expected {wanted}")
        elif channel.median is not None:
            parts.append(f"; expected {number(channel.median)}")
        elif channel.instead not in (None, came):
            parts.append(f"; expected {channel.instead}")
    share = percent(channel.share, 0) if channel.share is not None else NONE
    return tag(
        "li",
        tag("span", channel.name, class_="cause"),
        tag("span", share, class_="number"),
        _track(channel),
        tag("span", *parts, class_="soft told-value") if parts else "",
    )


def _track(channel: Involved) -> Html:
    """The value as a dot, what was expected as a bar with its median."""
    came, low, high = channel.value, channel.low, channel.high
    if not isinstance(came, float) or low is None or high is None or low > high:
        return Html()
    middle = channel.median
    ends = [came, low, high, *([middle] if middle is not None else [])]
    least, wide = min(ends), max(ends) - min(ends)
    if not 0 < wide < float("inf"):
        return Html()

    def at(value: float) -> float:
        return 4 + 92 * (value - least) / wide

    return tag(
        "span",
        tag("i", style=f"left:{at(low):.1f}%;right:{100 - at(high):.1f}%"),
        tag("b", style=f"left:{at(middle):.1f}%") if middle is not None else "",
        tag("em", style=f"left:{at(came):.1f}%"),
        class_="track",
        aria_hidden="true",
    )
