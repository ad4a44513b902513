"""Which classes are taken for which: a heat map of the confusion matrix, and its largest entries."""

from __future__ import annotations

from gatework.report.labelled_facts import LabelledFacts
from gatework.report.page import Html, Page, details, legend, paragraph, table, tag
from gatework.report.words import count, percent

# More rows than this are not readable: the classes with the most mistakes are shown.
MAX_CLASSES, SHOWN_OF_MORE = 60, 40
# Up to this many classes a cell has room for its number.
MAX_NUMBERS = 25
PAIRS, OPEN_PAIRS = 50, 10


def confusion(page: Page, facts: LabelledFacts) -> None:
    """The section of the confusion matrix; none without one."""
    matrix = facts.confusion
    total = sum(map(sum, matrix))
    if len(matrix) < 2 or not total:
        return
    order = _shown(matrix)
    left_out = len(matrix) - len(order)
    told = (
        "A row is a true class, a column what the model said. The diagonal is right; the stronger the "
        "colour, the larger the share of its row."
    )
    if left_out:
        told += f" Shown are the {len(order)} of {len(matrix)} classes with the most mistakes."
    page.section(
        "confusion",
        "What is taken for what",
        paragraph(told),
        legend([("right", "band", "--model"), ("mistaken", "band", "--baseline-1")]),
        _heat_map(facts, order),
        _pairs(facts),
        link="Confusion",
    )


def _shown(matrix: list[list[int]]) -> list[int]:
    """The classes to show, in their order."""
    if len(matrix) <= MAX_CLASSES:
        return list(range(len(matrix)))
    wrong = [
        sum(row) - row[i] + sum(other[i] for other in matrix) - row[i]
        for i, row in enumerate(matrix)
    ]
    worst = sorted(range(len(matrix)), key=lambda i: -wrong[i])[:SHOWN_OF_MORE]
    return sorted(worst)


def _heat_map(facts: LabelledFacts, order: list[int]) -> Html:
    names = [facts.classes[i] for i in order]
    size = "" if len(order) <= 12 else " fine" if len(order) <= MAX_NUMBERS else " tiny"
    head = [
        tag("th", tag("span", name, title=name), scope="col", class_="heading") for name in names
    ]
    rows = []
    for i, name in zip(order, names, strict=True):
        whole = sum(facts.confusion[i])
        cells = [
            _cell(facts.confusion[i][j], whole, i == j, f"{name} called {facts.classes[j]}", size)
            for j in order
        ]
        rows.append(tag("tr", tag("th", tag("span", name, title=name), scope="row"), *cells))
    caption = "Confusion matrix: rows are the truth, columns what the model said"
    return tag(
        "div",
        tag(
            "table",
            tag("caption", tag("span", caption)),
            tag("thead", tag("tr", tag("td"), *head)),
            tag("tbody", *rows),
            class_=f"confusion{size}",
        ),
        class_="scroll whole",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def _cell(found: int, whole: int, right: bool, told: str, size: str) -> Html:
    if not found:
        return tag("td")
    share = found / whole
    # By the root, so that a mistake of a few percent is seen.
    heat = f"{'r' if right else 'w'}{max(2, round(10 * share**0.5))}"
    shown = f"{found:,}" if size != " tiny" else tag("span", f"{found:,}", class_="unseen")
    return tag("td", shown, class_=heat, title=f"{told}: {found:,} of {whole:,} ({percent(share)})")


def _pairs(facts: LabelledFacts) -> Html:
    """The pairs of classes with the most mistakes."""
    found = [
        (n, i, j) for i, row in enumerate(facts.confusion) for j, n in enumerate(row) if n and i != j
    ]  # fmt: skip
    if not found:
        return paragraph("Not a single one was mistaken.")
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    total = sum(n for n, _, _ in found)
    rows = [
        [
            facts.classes[i],
            facts.classes[j],
            f"{n:,}",
            percent(n / sum(facts.confusion[i])),
            percent(n / total),
        ]
        for n, i, j in found[:PAIRS]
    ]
    heads = ["True class", "Taken for", "How often", "Of this class", "Of all mistakes"]
    caption = f"The most frequent mistakes, of {count(total, 'mistake')} in all"
    shown = [table(caption, heads, rows[:OPEN_PAIRS], left=[1], whole=True)]
    if len(rows) > OPEN_PAIRS:
        more = table("Further mistakes", heads, rows[OPEN_PAIRS:], left=[1])
        shown.append(details(f"{len(rows) - OPEN_PAIRS} more pairs", more))
    return tag("div", *shown)
