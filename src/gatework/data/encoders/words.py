"""Words as numbers: each by itself, its beginning, end and shape: an unseen one tells something too."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from gatework.data.encoders.base import Encoded, Encoder, EncoderStream, no_values
from gatework.data.sequences import SequenceSet, Words
from gatework.data.vocabulary import FIRST, UNKNOWN, Vocabulary
from gatework.errors import MissingDependencyError

# One by one what is written without blanks: Thai, Lao, Burmese, Khmer, Chinese, Japanese, and Korean syllables.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\U00020000-\U000323af"
)
# Vowels, accents and joiners of their own, as in Hindi and vocalised Arabic, belong to what stands before.
_MARKS = "\u200c\u200d" + "".join(
    c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M"
)
_LETTERS = rf"[^\W{_UNSPACED}]+[{_MARKS}]*"
# Such signs, words with inner apostrophes and hyphens, and single signs.
_WORD = re.compile(rf"[{_UNSPACED}]|(?:{_LETTERS})+(?:['’\-.](?:{_LETTERS})+)*|[^\w\s][{_MARKS}]*")
MAX_WORDS, MAX_PIECES, MAX_AFFIXES = 50_000, 8_000, 10_000
AFFIXES = (("prefix", 2), ("prefix", 3), ("suffix", 1), ("suffix", 2), ("suffix", 3), ("suffix", 4))
MOST_KNOWN = 200_000  # words whose numbers are remembered, whatever a stream brings
LONGEST_WORD = 100  # characters; what is longer is no word, and its beginning tells enough


class TokenEncoder(Encoder):
    """Token columns alone: the word in small letters, six affixes, its shape, and given columns.

    ``by`` is what a step is: ``words``, ``characters`` or ``pieces`` (byte-pair tokens); of the last two there
    is the token alone.  Words that occur once in the training part are unknown, as new ones will be.
    ``given``: items are words already, not texts to find them in.
    """

    kind = "text"
    size = 0

    def __init__(
        self,
        by: str,
        vocabularies: tuple[Vocabulary, ...],
        beside: int = 0,
        tokenizer: str | None = None,
        given: bool = False,
    ) -> None:
        self.by, self.vocabularies, self.beside, self.given = by, vocabularies, beside, given
        self._tokenizer_json = tokenizer
        self.cardinalities = tuple(len(v) for v in vocabularies)
        self._known: dict[str, tuple[int, ...]] = {}
        self._tokenizer = None if tokenizer is None else _read_tokenizer(tokenizer)
        if self._tokenizer is not None:
            self.cardinalities = (self._tokenizer.get_vocab_size() + FIRST,)

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        by = getattr(settings, "tokens", None) or "words"
        if sequences.kind == "words":
            by = "words"
        if by == "pieces":
            return cls(by, (), 0, _train_pieces(sequences.items))
        counts: Counter[str] = Counter()
        beside: list[Counter[str]] = []
        for item in sequences.items:
            columns = _columns(item, by)
            counts.update(w[:LONGEST_WORD] for w in columns[0])
            beside += [Counter() for _ in range(len(columns) - 1 - len(beside))]
            for counter, column in zip(beside, columns[1:], strict=True):
                counter.update(column)
        if by == "characters":
            return cls(by, (_vocabulary(counts, 1, MAX_WORDS),))
        lower: Counter[str] = Counter()
        for word, n in counts.items():
            lower[word.lower()] += n
        # In a few sentences nothing would be left of words seen twice.
        least = 2 if sum(counts.values()) > 2000 else 1
        own = [_vocabulary(lower, least, MAX_WORDS)]
        for where, n in AFFIXES:
            affixes: Counter[str] = Counter()
            for word, times in counts.items():
                affixes[_affix(word, where, n)] += times
            own.append(_vocabulary(affixes, least, MAX_AFFIXES))
        shapes: Counter[str] = Counter()
        for word, times in counts.items():
            shapes[shape(word)] += times
        own.append(_vocabulary(shapes, least, 500))
        own += [_vocabulary(c, 1, MAX_WORDS) for c in beside]
        return cls(by, tuple(own), len(beside), given=sequences.kind == "words")

    def split(self, item: str | Words) -> list[str]:
        """The tokens of an item as text, one for each step."""
        if self._tokenizer is not None:
            return list(self._tokenizer.encode(item).tokens) or [""]
        return list(_columns(item, self.by)[0]) or [""]

    def encode(self, item: str | Words) -> Encoded:
        if self._tokenizer is not None:
            ids = self._tokenizer.encode(item).ids or [UNKNOWN - FIRST]
            tokens = np.asarray(ids, np.int32)[:, None] + FIRST
            return Encoded(no_values(len(tokens)), tokens)
        columns = _columns(item, self.by)
        if len(columns) - 1 != self.beside:
            raise ValueError(
                f"has {len(columns) - 1} columns beside the words, the model was trained with {self.beside}."
            )
        if not columns[0]:  # an empty text is a text too: one unknown word
            columns = [[""], *[[""]] * self.beside]
        tokens = np.array([self._numbers(w) for w in columns[0]], np.int32)
        if self.beside:
            others = [
                v.encode(column)
                for v, column in zip(self.vocabularies[-self.beside :], columns[1:], strict=True)
            ]
            tokens = np.concatenate([tokens, np.stack(others, axis=1).astype(np.int32)], axis=1)
        return Encoded(no_values(len(tokens)), tokens)

    def _numbers(self, word: str) -> tuple[int, ...]:
        """Of the word and what is made of it; remembered, as words repeat."""
        word = word[:LONGEST_WORD]
        found = self._known.get(word)
        if found is not None:
            return found
        if self.by == "characters":
            found = (self.vocabularies[0].number(word),)
        else:
            parts = [
                word.lower(),
                *(_affix(word, where, n) for where, n in AFFIXES),
                shape(word),
            ]
            found = tuple(v.number(p) for v, p in zip(self.vocabularies, parts, strict=False))
        if len(self._known) < MOST_KNOWN:
            self._known[word] = found
        return found

    def stream(self) -> EncoderStream:
        return _TokenStream(self)

    def describe(self) -> str:
        if self.by == "words":
            beside = (
                f", {self.beside} given column{'s' * (self.beside != 1)}" if self.beside else ""
            )
            return f"a step is a word of {self.cardinalities[0] - FIRST:,} known ones, with its affixes{beside}"
        unit = "character" if self.by == "characters" else "piece of a word"
        return f"a step is a {unit} of {self.cardinalities[0] - FIRST:,} known ones"

    def to_json(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "vocabularies": [list(v.words) for v in self.vocabularies],
            "beside": self.beside,
            "given": self.given,
            "tokenizer": self._tokenizer_json,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        by, beside = kept["by"], int(kept["beside"])
        if by not in ("words", "characters", "pieces"):
            raise ValueError(f"unknown tokens {by!r}")
        vocabularies = tuple(Vocabulary(tuple(map(str, words))) for words in kept["vocabularies"])
        wanted = {"words": 2 + len(AFFIXES) + beside, "characters": 1, "pieces": 0}[by]
        fits = len(vocabularies) == wanted and (by == "pieces") == (kept["tokenizer"] is not None)
        if not fits or beside < 0 or (beside and by != "words"):
            raise ValueError(f"{len(vocabularies)} vocabularies do not go with {by}")
        return cls(by, vocabularies, beside, kept["tokenizer"], bool(kept["given"]))


class _TokenStream(EncoderStream):
    """Pushed a word, a character or a text of several of them; of a tagger a row of its columns."""

    def __init__(self, encoder: TokenEncoder) -> None:
        self._encoder = encoder

    def push(self, observation: Any) -> Encoded:
        if isinstance(observation, str) and not self._encoder.given:
            if self._encoder.by == "words" and not words_of(observation):
                return Encoded(
                    no_values(0), np.zeros((0, len(self._encoder.cardinalities)), np.int32)
                )
            return self._encoder.encode(observation)
        if isinstance(observation, Words):
            return self._encoder.encode(observation)
        if isinstance(observation, str):
            observation = (observation,)
        return self._encoder.encode(Words(tuple((str(part),) for part in observation)))


def shape(word: str) -> str:
    """Letters, digits and signs of a word by kind, repeats taken together.

    >>> [shape(w) for w in ("Gatework", "IBM", "3rd", "x-1.5")]
    ['Aa', 'A', '0a', 'a-0.0']
    """
    kinds = "".join(
        "A" if c.isupper() else "a" if c.isalpha() else "0" if c.isdigit() else c for c in word[:40]
    )
    return re.sub(r"(.)\1+", r"\1", kinds)


def words_of(text: str) -> list[str]:
    """The words and signs of a text.

    >>> words_of("It's 3.5 °C – 東京!")
    ["It's", '3.5', '°', 'C', '–', '東', '京', '!']
    """
    return _WORD.findall(text)


def _affix(word: str, where: str, n: int) -> str:
    return word.lower()[:n] if where == "prefix" else word.lower()[-n:]


def _columns(item: str | Words, by: str) -> list[Sequence[str]]:
    if isinstance(item, Words):
        return list(item.columns)
    return [words_of(item) if by == "words" else list(item)]


def _vocabulary(counts: Counter[str], least: int, most: int) -> Vocabulary:
    kept = [(w, n) for w, n in counts.items() if n >= least]
    kept.sort(key=lambda pair: (-pair[1], pair[0]))
    return Vocabulary.fit(w for w, _ in kept[:most])


def _train_pieces(texts: Iterable[str]) -> str:
    """A tokenizer of byte pairs, as JSON (Sennrich et al. 2016; of bytes: Radford et al. 2019)."""
    tokenizers = _tokenizers()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=MAX_PIECES,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(iter(texts), trainer)
    return str(tokenizer.to_str())


def _read_tokenizer(text: str) -> Any:
    tokenizers = _tokenizers()
    try:
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception
        raise ValueError(f"the tokenizer cannot be read ({error})") from None


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingDependencyError(
            "byte-pair tokens need tokenizers, which is not installed: pip install 'gatework[text]'"
        ) from None
    return tokenizers
