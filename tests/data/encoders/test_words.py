"""Texts and words as tokens: every script, unknown words, byte pairs, streams."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gatework.data.encoders.words import (
    AFFIXES,
    LONGEST_WORD,
    TokenEncoder,
    shape,
    words_of,
)
from gatework.data.sequences import SequenceSet, Words

TEXTS = [
    "The cat's 3.5 kg – heavy, isn't it?",
    "今天天气很好。",
    "สวัสดีครับ ทุกคน",
    "كِتَابٌ جديد",
    "हिन्दी भाषा",
    "I ❤️ 👍🏽 it 👩‍👧",
    "a\u00a0b\u3000c\n\td",
    "ÀÉ e\u0301 ß",
]


def text_set(texts: list[Any], kind: str = "text") -> SequenceSet:
    return SequenceSet(kind, texts, [f"row {i}" for i in range(len(texts))], "test")


def fit(texts: list[Any], tokens: str = "words", kind: str = "text") -> TokenEncoder:
    return TokenEncoder.fit(text_set(texts, kind), SimpleNamespace(tokens=tokens))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXTS[0], ["The", "cat's", "3.5", "kg", "–", "heavy", ",", "isn't", "it", "?"]),
        (TEXTS[1], list("今天天气很好。")),
        ("สวัสดี", list("สวัสดี")),
        (TEXTS[3], ["كِتَابٌ", "جديد"]),
        (TEXTS[4], ["हिन्दी", "भाषा"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("I ❤️ 👍🏽", ["I", "❤️", "👍", "🏽"]),
        (TEXTS[6], ["a", "b", "c", "d"]),
        (
            "e\u0301a 'b' well-known a_b U.S.",
            ["éa", "'", "b", "'", "well-known", "a_b", "U.S", "."],
        ),
        ("한국어 test", ["한", "국", "어", "test"]),
        ("ខ្មែរ", list("ខ្មែរ")),
        ("𠀀𠀁", ["𠀀", "𠀁"]),
        ("Straße,Ünal", ["Straße", ",", "Ünal"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_of_any_script(text: str, found: list[str]) -> None:
    assert words_of(text) == [w.replace("é", "e\u0301") for w in found]


def test_shapes() -> None:
    assert [shape(w) for w in ("", "AbC12-", "東京", "Ünal", "…!!")] == [
        "",
        "AaA0-",
        "a",
        "Aa",
        "…!",
    ]


@pytest.mark.parametrize("tokens", ["words", "characters", "pieces"])
def test_any_text_is_steps(tokens: str) -> None:
    encoder = fit(TEXTS * 3, tokens)
    for text in [*TEXTS, "", " ", "zzz qqq", "x" * 100_000, "\U0001f9ff\x00\x07"]:
        found = encoder.encode(text)
        assert found.values.shape == (len(found), 0)
        assert found.tokens.dtype == np.int32
        assert found.tokens.shape == (len(encoder.split(text)), len(encoder.cardinalities))
        assert len(found) >= 1
        assert (found.tokens >= 1).all()
        assert (found.tokens < np.array(encoder.cardinalities)).all()


def test_an_empty_text_is_one_unknown_word() -> None:
    for tokens in ("words", "characters", "pieces"):
        encoder = fit(["one two", "one"], tokens)
        assert encoder.encode("").tokens[:, 0].tolist() == [1]
        assert encoder.split("") == [""]


def test_a_word_is_known_by_small_letters_affixes_and_shape() -> None:
    encoder = fit(["Working worked"])
    a, b, c = encoder.encode("working WORKING zzz").tokens
    assert (a[:-1] == b[:-1]).all()
    assert a[0] > 1
    assert a[-1] != b[-1]  # the shape
    assert c[0] == 1
    other = encoder.encode("workshop").tokens[0]
    assert other[0] == 1
    assert (other[1:3] == a[1:3]).all()  # wo-, wor-
    assert len(encoder.cardinalities) == 2 + len(AFFIXES)


def test_rare_words_are_unknown_where_there_are_many() -> None:
    few = fit(["once twice twice"])
    assert few.encode("once").tokens[0, 0] > 1
    many = fit(["once twice twice " + "filler " * 2000])
    assert many.encode("once never").tokens[:, 0].tolist() == [1, 1]
    assert many.encode("twice").tokens[0, 0] > 1


def test_a_long_word_is_known_by_its_beginning_and_costs_no_memory() -> None:
    long = "ab" * 50_000
    encoder = fit([f"{long} end"])
    found = encoder.encode(long).tokens
    assert found.shape == (1, 2 + len(AFFIXES))
    assert found[0, 0] > 1
    assert max(map(len, encoder._known)) <= LONGEST_WORD


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.data.encoders.words.MOST_KNOWN", 100)
    encoder = fit(["a b"])
    encoder.encode(" ".join(f"w{i}" for i in range(110)))
    assert len(encoder._known) == 100
    assert encoder.encode("w109 a").tokens[:, 0].tolist() == [1, 2]


def test_words_with_columns_beside() -> None:
    items = [Words((("The", "cat"), ("DT", "NN"))), Words((("Sat",), ("VB",)))]
    encoder = fit(items, kind="words")
    assert encoder.beside == 1
    found = encoder.encode(Words((("cat", "dog"), ("NN", "XX"))))
    assert found.tokens[:, 0].tolist() == [2, 1]
    assert found.tokens[:, -1].tolist() == [encoder.vocabularies[-1].number("NN"), 1]
    assert "1 given column" in encoder.describe()
    assert encoder.split(items[0]) == ["The", "cat"]
    assert encoder.encode(Words(((), ()))).tokens.shape == (1, found.tokens.shape[1])
    with pytest.raises(ValueError, match=r"has 0 columns beside the words, .* trained with 1"):
        encoder.encode(Words((("cat",),)))


def test_pieces_are_byte_pairs_and_nothing_is_lost() -> None:
    pytest.importorskip("tokenizers")
    encoder = fit(["low lower lowest newest widest"] * 4 + TEXTS, "pieces")
    assert len(encoder.encode("lowest")) < len("lowest")
    assert len(encoder.encode("lowest")) == len(encoder.split("lowest"))
    tokenizer: Any = encoder._tokenizer
    for text in ["lower widest", "今 ❤️ كِتَاب", "never seen: ☃"]:
        ids = (encoder.encode(text).tokens[:, 0] - 2).tolist()
        assert tokenizer.decode(ids).strip() == text


@pytest.mark.parametrize("tokens", ["words", "characters", "pieces"])
def test_a_stream_gives_what_a_batch_gives(tokens: str) -> None:
    encoder = fit(TEXTS * 2, tokens)
    for text in TEXTS:
        assert np.array_equal(encoder.stream().push(text).tokens, encoder.encode(text).tokens)
    if tokens == "pieces":  # a pushed text begins a word
        return
    for text in TEXTS:
        stream = encoder.stream()
        units = words_of(text) if tokens == "words" else list(text)
        pushed = np.concatenate([stream.push(unit).tokens for unit in units])
        assert np.array_equal(pushed, encoder.encode(text).tokens)


def test_a_pushed_blank_is_no_word() -> None:
    encoder = fit(["a b", "c"])
    stream = encoder.stream()
    assert [len(stream.push(part)) for part in ("a b", "", "  ", "c")] == [2, 0, 0, 1]
    assert stream.push("").tokens.shape == (0, len(encoder.cardinalities))


@pytest.mark.parametrize("beside", [False, True])
def test_a_stream_of_words_takes_them_whole(beside: bool) -> None:
    columns = (("U.S.", "don't-know?"), ("NN", "VB"))
    item = Words(columns if beside else columns[:1])
    encoder = TokenEncoder.from_json(fit([item, item], kind="words").to_json())
    stream = encoder.stream()
    rows: list[Any] = list(zip(*item.columns, strict=True)) if beside else list(columns[0])
    pushed = np.concatenate([stream.push(row).tokens for row in rows])
    assert np.array_equal(pushed, encoder.encode(item).tokens)
    assert np.array_equal(encoder.stream().push(item).tokens, pushed)


@pytest.mark.parametrize("tokens", ["words", "characters", "pieces"])
def test_json_keeps_everything(tokens: str) -> None:
    encoder = fit(TEXTS * 2, tokens)
    again = TokenEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again.to_json() == encoder.to_json()
    assert again.cardinalities == encoder.cardinalities
    assert again.describe() == encoder.describe()
    for text in TEXTS:
        assert np.array_equal(again.encode(text).tokens, encoder.encode(text).tokens)
        assert again.split(text) == encoder.split(text)


def test_damaged_json_is_refused() -> None:
    kept = fit(TEXTS).to_json()
    damage: list[dict[str, Any]] = [
        {"by": "letters"},
        {"by": "pieces"},
        {"by": "characters"},
        {"by": ["words"]},
        {"vocabularies": []},
        {"vocabularies": [3]},
        {"vocabularies": None},
        {"beside": 1},
        {"beside": -1},
        {"beside": "x"},
        {"beside": -1, "vocabularies": kept["vocabularies"][1:]},
        {"by": "characters", "vocabularies": [["a"]], "beside": 1},
        {"tokenizer": "{}"},
        {"by": "pieces", "vocabularies": [], "tokenizer": "{}"},
        {"by": "pieces", "vocabularies": [], "tokenizer": 5},
    ]
    for change in damage:
        with pytest.raises((ValueError, KeyError, TypeError)):
            TokenEncoder.from_json(copy.deepcopy(kept) | change)
    for name in kept:
        with pytest.raises(KeyError):
            TokenEncoder.from_json({k: v for k, v in kept.items() if k != name})
