"""The frame of a report: one HTML text that needs nothing but itself.

Everything that is not :class:`Html` is escaped on its way in, so a section is written from data without
thinking of it.  A figure is a plotly specification whose colours are names of the style sheet
(``var(--model)``): the page fills them in, again whenever the reader switches between light and dark.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from gatework.errors import MissingDependencyError

# Half of a surrogate pair cannot be written as UTF-8; control characters have no place in HTML.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# The browser itself refuses every load from the network.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)


class Html(str):
    """Text that is HTML already; a plain ``str`` is data and will be escaped."""

    __slots__ = ()


def escape(value: object) -> Html:
    """``value`` as HTML; what is :class:`Html` stays as it is.

    >>> escape("<b> & </script>")
    '&lt;b&gt; &amp; &lt;/script&gt;'
    """
    if isinstance(value, Html):
        return value
    return Html(html.escape(_UNWRITABLE.sub("\ufffd", str(value)), quote=True))


def join(parts: Iterable[object], between: str = "") -> Html:
    """The parts side by side, each escaped."""
    return Html(escape(between).join(escape(p) for p in parts))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element; ``class_`` is class, ``aria_label`` is aria-label, None and False are left out.

    >>> tag("td", "a<b", class_="number", hidden=True)
    '<td class="number" hidden>a&lt;b</td>'
    """
    written = ""
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        written += f" {shown}" if value is True else f' {shown}="{escape(str(value))}"'
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def paragraph(*children: object, class_: str | None = None) -> Html:
    """A paragraph."""
    return tag("p", *children, class_=class_)


def bullets(entries: Iterable[object]) -> Html:
    """An unordered list; nothing without entries."""
    shown = [tag("li", e) for e in entries]
    return tag("ul", *shown) if shown else Html()


def pairs(entries: Iterable[tuple[object, object]]) -> Html:
    """A list of names and values, with those left out whose value is None."""
    rows = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in entries
        if value is not None
    ]
    return tag("dl", *rows, class_="facts") if rows else Html()


def table(
    caption: str,
    columns: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    left: Sequence[int] = (),
    whole: bool = False,
) -> Html:
    """A table in a box of its own that scrolls sideways; the first cell of a row is its header.

    Args:
        caption: what the table shows.
        columns, rows: cells; data is escaped.
        left: columns of text, set to the left; the others are numbers.
        whole: show every row; otherwise a long table scrolls in its box.
    """

    def side(place: int) -> str | None:
        return None if place == 0 or place in left else "number"

    head = tag("tr", *(tag("th", c, scope="col", class_=side(i)) for i, c in enumerate(columns)))
    body = [
        tag(
            "tr",
            *(
                tag("td" if i else "th", c, scope=None if i else "row", class_=side(i))
                for i, c in enumerate(row)
            ),
        )
        for row in rows
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", tag("span", caption)),
            tag("thead", head),
            tag("tbody", *body),
        ),
        class_="scroll whole" if whole else "scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def best(value: str) -> Html:
    """The best of a column: bold, and said to those who do not see it."""
    return tag("strong", value, tag("span", " (best)", class_="unseen"))


def details(summary: str, *children: object) -> Html:
    """Something to unfold."""
    return tag("details", tag("summary", summary), *children)


def code(text: str, label: str) -> Html:
    """A snippet, in a box that scrolls sideways."""
    return tag("pre", tag("code", text), tabindex="0", role="region", aria_label=label)


def legend(entries: Iterable[tuple[str, str, str]]) -> Html:
    """What the lines of the figures below mean: (text, kind, colour name), kind a dash or ``band``."""
    shown = []
    for words, kind, colour in entries:
        if kind == "band":
            mark = f'<rect y="1" width="26" height="10" rx="2" fill="var({colour})"/>'
        elif kind == "dot":
            mark = f'<circle cx="13" cy="6" r="5" fill="var({colour})"/>'
        else:
            dash = {"dash": "7 4", "dot-line": "2 4", "dashdot": "8 3 2 3"}.get(kind, "none")
            mark = (
                f'<path d="M1 6H25" stroke="var({colour})" stroke-width="2.5" '
                f'stroke-dasharray="{dash}"/>'
            )
        picture = Html(f'<svg width="26" height="12" aria-hidden="true">{mark}</svg>')
        shown.append(tag("li", picture, words))
    return tag("ul", *shown, class_="legend")


def choice(label: str, blocks: Sequence[tuple[str, Html]], *, group: str) -> Html:
    """Blocks of which the reader sees one at a time, chosen by name; a lone block stands by itself."""
    if len(blocks) == 1:
        return blocks[0][1]
    options = [tag("option", name, value=i) for i, (name, _) in enumerate(blocks)]
    select = tag("select", *options, data_choose=group, autocomplete="off")
    shown = [
        tag("div", block, data_choice=group, data_index=i, hidden=i > 0)
        for i, (_, block) in enumerate(blocks)
    ]
    return join([tag("label", label, " ", select, class_="choose"), *shown])


class Page:
    """One report; sections are added in order, ``render`` gives the text."""

    def __init__(self, title: str) -> None:
        """An empty page.

        Raises:
            MissingDependencyError: plotly is not installed.
        """
        self._plotly = plotly_source()
        self._title = title
        self._sections: list[tuple[str, str, str, Html]] = []
        self._figures = 0

    def section(self, name: str, heading: str, *parts: object, link: str | None = None) -> None:
        """Add a section; ``name`` is its anchor, ``link`` a short heading for the list of sections."""
        self._sections.append((name, link or heading, heading, join(parts)))

    def figure(
        self,
        spec: dict[str, Any],
        label: str,
        caption: object = None,
        *,
        size: str = "tall",
        height_px: int | None = None,
    ) -> Html:
        """A figure with its text alternative.

        Args:
            spec: ``data`` and ``layout`` of plotly; colours are names of the style sheet.
            label: what there is to see, in words, for those who do not see it.
            caption: shown below the figure.
            size: ``tall`` or ``small``.
            height_px: a height of its own.
        """
        self._figures += 1
        name = f"figure-{self._figures}"
        return tag(
            "figure",
            tag(
                "div",
                class_=f"plot {size}" if height_px is None else "plot",
                style=None if height_px is None else f"height: {height_px}px",
                id=name,
                role="img",
                aria_label=label,
            ),
            Html(f'<script type="application/json" data-for="{name}">{script_json(spec)}</script>'),
            tag("figcaption", caption) if caption is not None else "",
        )

    def render(self, *header: object) -> str:
        """The whole page, with its ``header`` on top."""
        links = [tag("li", tag("a", k, href=f"#{n}")) for n, k, _, _ in self._sections]
        sections = [
            tag(
                "section",
                tag("h2", h, id=f"{n}-heading"),
                body,
                id=n,
                aria_labelledby=f"{n}-heading",
            )
            for n, _, h, body in self._sections
        ]
        head = [
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", self._title),
            tag("style", Html(_asset("page.css"))),
        ]
        body = [
            tag("a", "Skip to the report", href="#report", class_="skip"),
            tag("header", *header),
            tag("nav", tag("p", "In this report"), tag("ul", *links), aria_label="Sections"),
            tag("main", *sections, id="report"),
            Html(
                "<noscript><p>The figures need JavaScript; the tables hold their numbers.</p></noscript>"
            ),
            tag("script", self._plotly) if self._figures else "",
            tag("script", Html(_asset("page.js"))),
        ]
        page = tag("html", tag("head", *head), tag("body", *body), lang="en")
        return f"<!DOCTYPE html>\n{page}\n"


def script_json(value: object) -> Html:
    """JSON that cannot end the script element it stands in.

    >>> script_json({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Html(text)


def plotly_source() -> Html:
    """plotly.js as the installed plotly ships it.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingDependencyError(
            "the report needs plotly, which is not installed: pip install 'gatework[report]'"
        ) from None
    # A closing tag inside a string literal would end the script; \/ is the same character there.
    return Html(str(get_plotlyjs()).replace("</script", "<\\/script"))


def _asset(name: str) -> str:
    return (files("gatework.report") / name).read_text(encoding="utf-8")
