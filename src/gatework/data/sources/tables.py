"""Which reader a table is for: what was asked for, what it was at the training, or what its columns say."""

from __future__ import annotations

from gatework.data.sequences import SequenceSet
from gatework.data.sources.columns import find_label, find_series, find_text
from gatework.data.sources.events import read_event_table
from gatework.data.sources.lists_table import list_columns, read_lists
from gatework.data.sources.recognise import MEDIA
from gatework.data.sources.records import read_records
from gatework.data.sources.roles import Roles
from gatework.data.sources.series_table import read_long
from gatework.data.sources.text import read_text_table
from gatework.data.sources.wide_table import numbered_columns, read_wide
from gatework.data.sources.words_table import is_words, read_words_table
from gatework.data.table import Table
from gatework.errors import ConfigError


def read_sequence_table(table: Table, roles: Roles) -> SequenceSet:
    """The reader for a table: that of the training, that of a kind, or what its columns speak for."""
    kind, form = roles.kind, roles.form
    if table.is_file and not roles.text and kind in (None, "text", *MEDIA):
        from gatework.data.sources.manifest import path_column, read_manifest

        if path_column(table) is not None:
            return read_manifest(table.name, table=table, **roles.keywords())
    if kind in MEDIA:
        raise ConfigError(
            f"{table.name}: is a table, and kind={kind!r} is read from files. Give a folder, or a manifest "
            "with a column path."
        )
    if kind in (None, "series", "wide") and list_columns(table):
        return read_lists(table, roles)
    if kind == "rows" or (kind is None and form == "rows"):
        return read_records(table, roles)
    if kind == "wide" or (kind is None and form == "wide"):
        return read_wide(table, roles)
    if kind == "events" or (kind is None and form == "events" and (roles.layout or {}).get("text")):
        return read_event_table(table, roles)
    kept = (roles.layout or {}).get("kind")
    open_ = kind is None and not roles.fixed  # what it is shows in the columns
    if "words" in (kind, kept) or (open_ and is_words(table, roles)):
        return read_words_table(table, roles)
    if kind == "text" or roles.text or kept == "text":
        return read_text_table(table, roles)
    if open_ and roles.series is None and roles.task != "tag":
        label = roles.label or find_label(table, roles.but(need_labels=False))
        taken = {c for c in (label, roles.group, roles.time) if isinstance(c, str)}
        text = find_text(table, roles, taken)
        if text is not None:
            return read_text_table(table, roles, text=text)
        numbered = numbered_columns([c for c in table.frame.columns if c not in taken])
        steps = {c for columns in numbered.values() for c in columns}
        if steps and not roles.features and not _is_long(table, roles, label, taken | steps):
            return read_wide(table, roles)
    return read_long(table, roles)


def _is_long(table: Table, roles: Roles, label: str | None, taken: set[str]) -> bool:
    """Whether a table of numbered columns has several rows a sequence: channels, not steps."""
    series = find_series(table, roles, taken)
    if series is None:
        return False
    if label is None or roles.task != "classify":
        return True
    pairs = table.frame.select(series, label).drop_nulls().n_unique()  # a user makes many gestures
    return pairs == table.frame[series].n_unique()
