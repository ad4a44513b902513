"""Templates of log lines: what the program wrote as text, and what it filled in.

Numbers, addresses, paths and the like are masked first, one regular expression over a block of lines.
Of the masked lines, Drain makes templates: lines of equal length and equal first word whose words are
alike become one, with a mark where they differ.

Source: He, Zhu, Zheng & Lyu 2017, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS.
Where we differ: Drain learns from each distinct masked line once, and only during the fit.  Afterwards a
line belongs to a template when every fixed word is equal, else it is unseen; that search is a look-up in a
table of our own, which finds the most specific template always and needs no drain3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from gatework.data.log_index import MARK, TemplateIndex
from gatework.errors import DataError, MissingDependencyError, ModelFileError

MAX_CHARS = 2048
"""Characters of a message that are looked at; a line may be longer, its template is not."""
_BLOCK = 16_384
_MAX_CLUSTERS = 4000  # of Drain while it learns; those not met for longest go first
_MAX_LEARNED = 200_000  # distinct lines given to Drain; beyond it lines are counted, not learned
_MAX_SEEN = 100_000  # masked lines remembered during the fit

# Leftmost wins, then the first alternative.  No look-around: Rust's engine has none, and is linear for it.
# ``(?-u:...)``: ASCII word boundaries, which keep that engine on its fast path.
_BOUND, _INSIDE = r"(?-u:\b)", r"(?-u:\B)"
_SIGN = rf"(?:{_INSIDE}[-+])?"
_MASK = "|".join(
    (
        r"<\*>",  # a mark that was in the line itself
        r"[a-z][a-z0-9+.-]*://[^\s\"'<>,;)\]]+",  # URL
        rf"{_INSIDE}/[0-9A-Za-z_.+@~-]+(?:/[0-9A-Za-z_.+@~-]+)+/?",  # path of two parts or more
        rf"{_BOUND}[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:T[0-9:.,]+Z?)?",  # day
        rf"{_BOUND}[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}[.,][0-9]+",  # clock
        rf"{_BOUND}[0-9a-fA-F]{{8}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}{_BOUND}",  # UUID
        rf"{_BOUND}0[xX][0-9a-fA-F]+{_BOUND}",
        rf"{_BOUND}(?:[0-9a-fA-F]{{1,4}}::?){{2,7}}[0-9a-fA-F]{{1,4}}{_BOUND}",  # IPv6, MAC, clock
        rf"{_SIGN}[0-9]+(?:[.:,][0-9]+)+(?:[eE][-+]?[0-9]+)?",  # 1.5, 1.5e3, IPv4 with port, version
        rf"{_BOUND}[0-9]+[eE][-+]?[0-9]+{_BOUND}",
        rf"{_BOUND}[0-9a-fA-F]{{8,}}{_BOUND}",  # hash, address, long number
        rf"{_SIGN}[0-9]+",
    )
)

_PYTHON_MASK = re.compile(_MASK.replace("(?-u:", "(?a:"))
_FEW = (
    32  # lines up to which Python is faster: Rust's engine compiles the mask anew for every block
)


@dataclass(frozen=True)
class UnseenLine:
    """Lines after the fit that no template has: their masked text, how many, one of them."""

    text: str
    count: int
    example: str


class LogTemplates:
    """Templates of the lines of a log; learns in ``fit`` alone."""

    def __init__(self, templates: Sequence[str] = (), counts: Sequence[int] = ()) -> None:
        self.templates: tuple[str, ...] = tuple(templates)
        """Text of each template, ``<*>`` where the lines differ; the most frequent first."""
        self.counts: tuple[int, ...] = tuple(counts) or (0,) * len(self.templates)
        """Lines of the fit in each."""
        self.notes: tuple[str, ...] = ()
        self.unseen = UnseenTable()
        self._index = TemplateIndex(self.templates)

    def __len__(self) -> int:
        return len(self.templates)

    @property
    def parameters(self) -> tuple[int, ...]:
        """How many parameters the lines of each template have."""
        return tuple(t.count(MARK) for t in self.templates)

    @classmethod
    def fit(
        cls, lines: Iterable[str], *, max_templates: int = 1000, similarity: float = 0.4
    ) -> LogTemplates:
        """Templates of ``lines``, read once and in order, in bounded memory.

        max_templates: the most frequent are kept; lines of the others are unseen later.
        similarity: share of equal words from which two lines are of one template (Drain's st).
        Raises DataError when there is no line.
        """
        drain = _drain(similarity)
        seen: dict[str, int] = {}  # masked line -> Drain's number
        counts: dict[int, int] = {}
        learned = 0
        for block in _blocks(lines, _BLOCK):
            for masked in _masked(_texts(block)):
                number = seen.get(masked)
                if number is None:
                    if learned >= _MAX_LEARNED:
                        continue
                    number = int(drain.add_log_message(masked)[0].cluster_id)
                    learned += 1
                    if len(seen) >= _MAX_SEEN:
                        del seen[next(iter(seen))]
                    seen[masked] = number
                counts[number] = counts.get(number, 0) + 1
        if not counts:
            raise DataError("the log has no lines to learn templates from. Give a log with lines.")
        merged: dict[str, int] = {}
        for cluster in drain.clusters:
            text = cluster.get_template()
            merged[text] = merged.get(text, 0) + counts.get(cluster.cluster_id, 0)
        ranked = sorted(merged.items(), key=lambda pair: -pair[1])  # stable: first met, first named
        kept = ranked[:max_templates]
        made = cls([t for t, _ in kept], [n for _, n in kept])
        made.notes = _fit_notes(len(ranked), len(kept), learned)
        return made

    def match(self, line: str) -> tuple[int, tuple[str, ...]]:
        """Number of the template of a line, -1 when unseen, and what stands at its marks.

        >>> t = LogTemplates.fit(["sent 3 bytes to 10.0.0.1", "sent 70 bytes to 10.0.0.9"])
        >>> t.templates, t.match("sent 12 bytes to 10.0.0.5")
        (('sent <*> bytes to <*>',), (0, ('12', '10.0.0.5')))
        >>> t.match("disk failed")
        (-1, ())
        """
        ids, parameters = self.match_many([line])
        return int(ids[0]), parameters[0]

    def match_many(
        self, lines: Sequence[str]
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[tuple[str, ...]]]:
        """Numbers (N,) int64, -1 where unseen, and the parameters of each of N lines.

        Unseen lines are counted in ``unseen``.  About 5 µs a line in blocks, 30 µs for one alone.
        """
        texts: Sequence[str] | pl.Series
        if len(lines) <= _FEW:
            texts = [_text(line) for line in lines]
            values = [_PYTHON_MASK.findall(t) for t in texts]
            all_masked = [_PYTHON_MASK.sub(MARK, t) for t in texts]
        else:
            texts = _texts(lines)
            values, all_masked = texts.str.extract_all(_MASK).to_list(), _masked(texts)
        ids = np.empty(len(values), dtype=np.int64)
        parameters: list[tuple[str, ...]] = []
        find, fill = self._index.find, self._index.fill
        for at, (masked, found) in enumerate(zip(all_masked, values, strict=True)):
            number, plan = find(masked)
            ids[at] = number
            parameters.append(tuple(found) if plan is None else fill(plan, found))
            if number < 0:
                self.unseen.add(masked, texts[at])
        return ids, parameters

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` makes the same matching from."""
        return {"version": 1, "templates": list(self.templates), "counts": list(self.counts)}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> LogTemplates:
        """Templates from ``to_json``; ModelFileError for what that did not write."""
        try:
            version, templates, counts = saved["version"], saved["templates"], saved["counts"]
            right = (
                version == 1
                and len(templates) == len(counts)
                and all(isinstance(t, str) for t in templates)
                and all(type(n) is int and n >= 0 for n in counts)
                and len(set(templates)) == len(templates)
            )
        except (TypeError, KeyError):
            right = False
        if not right:
            raise ModelFileError(
                "the log templates of the saved model are damaged or of another version: a list of "
                "distinct texts and as many counts are expected. Train the model again."
            )
        return cls(templates, counts)


class UnseenTable:
    """Counts of the masked lines that no template has, at most ``size`` of them."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.total = 0
        """All unseen lines, also those that no longer stand in the table."""
        self._rows: dict[str, tuple[int, str]] = {}

    def add(self, masked: str, line: str) -> None:
        """Count one line; where the table is full, the rarest row makes room."""
        self.total += 1
        masked = masked[:400]
        if masked in self._rows:
            count, example = self._rows[masked]
            self._rows[masked] = (count + 1, example)
            return
        if len(self._rows) >= self.size:
            del self._rows[min(self._rows, key=lambda key: self._rows[key][0])]
        self._rows[masked] = (1, line[:400])

    def rows(self) -> list[UnseenLine]:
        """The most frequent first."""
        rows = [UnseenLine(text, count, example) for text, (count, example) in self._rows.items()]
        return sorted(rows, key=lambda row: -row.count)

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` makes the same table from."""
        return {"total": self.total, "rows": [[r.text, r.count, r.example] for r in self.rows()]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> UnseenTable:
        """The table of ``to_json``."""
        made = cls()
        made.total = int(saved["total"])
        made._rows = {str(t): (int(n), str(e)) for t, n, e in saved["rows"][: made.size]}
        return made


def _texts(lines: Sequence[str]) -> pl.Series:
    """(N,) of at most MAX_CHARS characters each."""
    try:
        texts = pl.Series(lines, dtype=pl.String)
    except UnicodeEncodeError:  # halves of surrogate pairs, from a JSON text for example
        texts = pl.Series([s.encode("utf-8", "replace").decode() for s in lines], dtype=pl.String)
    longer = (texts.str.len_bytes() > MAX_CHARS).any()
    return texts.str.slice(0, MAX_CHARS) if longer else texts


def _text(line: str) -> str:
    return (line if line.isascii() else line.encode("utf-8", "replace").decode())[:MAX_CHARS]


def _masked(texts: pl.Series) -> list[str]:
    return texts.str.replace_all(_MASK, MARK).to_list()


def _blocks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(lines)
    while block := list(islice(rest, size)):
        yield block


def _drain(similarity: float) -> Any:
    try:
        from drain3.drain import Drain
    except ImportError:
        raise MissingDependencyError(
            "Learning the templates of a log needs drain3, which is not installed: "
            "pip install 'gatework[logs]'"
        ) from None
    return Drain(sim_th=similarity, max_clusters=_MAX_CLUSTERS, param_str=MARK)


def _fit_notes(found: int, kept: int, learned: int) -> tuple[str, ...]:
    notes = []
    if kept < found:
        notes.append(
            f"of {found:,} templates the {kept:,} most frequent are kept; lines of the others count "
            "as unseen"
        )
    if learned >= _MAX_LEARNED:
        notes.append(
            f"templates were learned from the first {learned:,} distinct lines; the log has more"
        )
    return tuple(notes)
