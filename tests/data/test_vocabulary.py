"""Categories as numbers: what was seen, what was not, and what is missing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatework.data.vocabulary import FIRST, MISSING, UNKNOWN, Vocabulary

words = st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=20)


@given(words, words)
def test_numbers_say_the_word_or_that_it_is_unknown_or_missing(
    seen: list[str | None], later: list[str | None]
) -> None:
    v = Vocabulary.fit(seen)
    numbers = v.encode(later)
    assert numbers.dtype == np.int64
    assert len(numbers) == len(later)
    for word, number in zip(later, numbers.tolist(), strict=True):
        if word is None:
            assert number == MISSING
        elif word in seen:
            assert v.words[number - FIRST] == word
        else:
            assert number == UNKNOWN
        assert number < len(v)
    assert len(v) == FIRST + len(set(seen) - {None})


@given(words)
def test_the_order_of_the_rows_does_not_matter(seen: list[str | None]) -> None:
    assert Vocabulary.fit(seen) == Vocabulary.fit(reversed(seen)) == Vocabulary.fit(seen + seen)


def test_an_empty_vocabulary_knows_missing_and_unknown() -> None:
    v = Vocabulary.fit([None])
    assert len(v) == 2
    assert v.encode(["a", None]).tolist() == [UNKNOWN, MISSING]


def test_words_that_look_like_the_special_ones_are_words() -> None:
    v = Vocabulary.fit(["None", "", "0"])
    assert v.encode(["", "0", "None", None]).tolist() == [2, 3, 4, MISSING]
