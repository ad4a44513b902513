"""The sections that show events: the surprising lines of a log in their context, and sessions."""

from __future__ import annotations

from gatework.report.detect_alarms import cause, judged
from gatework.report.detect_examples import Line, Session
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_words import clipped, points, rarity
from gatework.report.page import Html, Page, details, join, legend, paragraph, tag
from gatework.report.words import count, number, percent

SHOWN = 6
MAX_EXPECTED = 4  # templates that were expected instead
MAX_EVENTS = 60  # of a session, those around the most surprising


def lines(page: Page, facts: DetectFacts) -> None:
    """The most surprising lines, each between its neighbours."""
    if not facts.lines:
        return
    noun = "line" if facts.kind == "log" else "event"
    cards = [_line(line, noun) for line in facts.lines]
    told = (
        f"The {noun}s that the detector expected least, each between those before and after it, and what it "
        "expected in its place."
    )
    new = sum(line.unseen for line in facts.lines)
    if new:
        told += f" {count(new)} of them {'is' if new == 1 else 'are'} of a kind that the history does not hold."
    page.section(
        "lines",
        f"Surprising {noun}s",
        paragraph(told),
        tag("div", *cards[:SHOWN], class_="windows wide"),
        _more(cards[SHOWN:]),
        link=f"Surprising {noun}s",
    )


def _more(cards: list[Html]) -> object:
    if not cards:
        return ""
    return details(f"Show {count(len(cards))} more", tag("div", *cards, class_="windows wide"))


def _line(line: Line, noun: str) -> Html:
    heading = noun.capitalize() + (f" {line.number:,}" if line.number is not None else "")
    said: list[object] = []
    if line.score is not None:
        said.append(tag("strong", f"Score {points(line.score)}"))
        said.append(f": {rarity(line.score, noun)}")
    if line.alarm:
        said += [" ", tag("span", "alarm", class_="chip missed")]
    if line.unseen:
        said += [" ", tag("span", f"new kind of {noun}", class_="chip missed")]
    rows = [tag("span", clipped(text)) for text in line.before]
    rows.append(tag("mark", clipped(line.text), class_="hit"))
    rows += [tag("span", clipped(text)) for text in line.after]
    return tag(
        "div",
        tag("h3", heading),
        tag("p", *said, class_="answer") if said else "",
        tag("pre", tag("code", *rows), class_="log", tabindex="0", role="region", aria_label=heading),
        _template(line),
        tag("ul", *map(cause, line.channels), class_="causes") if line.channels else "",
        _expected(line),
        class_="line",
    )  # fmt: skip


def _template(line: Line) -> object:
    if not line.template or line.template == line.text:
        return ""
    return tag("p", "Read as: ", tag("code", clipped(line.template, 200)), class_="answer soft")


def _expected(line: Line) -> object:
    if not line.expected:
        return ""
    rows = []
    for template, share in line.expected[:MAX_EXPECTED]:
        long = 100 * min(1.0, max(0.0, share))
        rows.append(
            tag(
                "li",
                tag("span", percent(share, 0 if share >= 0.1 else 1), class_="number"),
                tag("span", class_="bar", style=f"--share:{long:.0f}%"),
                tag("code", clipped(template, 200)),
            )
        )
    told = tag("p", "Expected in its place:", class_="answer")
    return join([told, tag("ul", *rows, class_="instead")])


def sessions(page: Page, facts: DetectFacts) -> None:
    """Sessions, each event shaded by how surprising it was."""
    if not facts.sessions:
        return
    most = max((s or 0.0 for own in facts.sessions for _, s in own.events), default=0.0)
    cards = [_session(own, most) for own in facts.sessions]
    told = "Sessions with the highest scores"
    if any(s.label and not s.alarm for s in facts.sessions):
        told += ", and labelled ones that were missed"
    told += ". The stronger the colour, the less an event was expected; the most surprising one is framed."
    page.section(
        "sessions",
        "Sessions",
        paragraph(told),
        legend([("not expected", "band", "--bad")]),
        tag("div", *cards[:SHOWN], class_="windows wide"),
        _more(cards[SHOWN:]),
    )


def _session(own: Session, most: float) -> Html:
    said: list[object] = []
    if own.score is not None:
        said += [
            tag("strong", f"Score {points(own.score)}"),
            f": {rarity(own.score, 'session')}",
        ]
    said.append(join([" ", tag("span", "alarm", class_="chip missed")]) if own.alarm else "")
    said.append(judged(own.alarm, own.label))
    first = 0
    if len(own.events) > MAX_EVENTS:
        middle = own.at if own.at is not None else 0
        first = min(max(0, middle - MAX_EVENTS // 2), len(own.events) - MAX_EVENTS)
    shown = own.events[first : first + MAX_EVENTS]
    chips: list[object] = [f"… {count(first)} before … "] if first else []
    for place, (event, surprise) in enumerate(shown, start=first):
        heat = 70 * min(1.0, max(0.0, (surprise or 0.0) / most)) if most > 0 else 0.0
        why = f"event {place + 1}" + (
            f", surprise {number(surprise, 3)}" if surprise is not None else ""
        )
        kind = "event hit" if place == own.at else "event"
        chips.append(tag("mark", event, class_=kind, style=f"--heat:{heat:.0f}%", title=why))
    many = count(len(own.events), "event")
    left = len(own.events) - first - len(shown)
    if left:
        chips.append(f" … {count(left)} after …")
    return tag(
        "div",
        tag("h3", own.name or "Session", " ", tag("span", f"({many})", class_="soft")),
        tag("p", *said, class_="answer"),
        tag("p", *chips, class_="events"),
        _worst(own),
        class_="session",
    )  # fmt: skip


def _worst(own: Session) -> object:
    if own.at is None:
        return ""
    event, surprise = own.events[own.at]
    said = f" (surprise {number(surprise, 3)})" if surprise is not None else ""
    told = f"Most surprising: event {own.at + 1}, "
    return tag("p", told, tag("code", event), said, class_="answer soft")
