"""Each data set as files that one command reads, and that command.

A set is found in its folder under --data and written, where its format is nobody else's, as a table.  The test
part is the official one.  Nothing here looks at a test label but to write it where the scorer finds it.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Case:
    """One `gatework fit`: its arguments but for seed and output, in the folder that it was prepared in."""

    command: list[str]
    part: str = ""  # which of several that are averaged, such as a speaker left out


@dataclass(frozen=True)
class Set:
    """A row of the table."""

    name: str
    measure: str  # a score of `evaluation.model.overall`
    goal: float
    floor: float | None
    text: str
    prepare: Callable[[Path, Path], list[Case]]
    lower: bool = False  # is better
    also: tuple[str, ...] = field(default=())  # other scores to tell


def case(command: str, *paths: object, part: str = "") -> list[Case]:
    """The command in words, with a path for each ``{}``."""
    left = iter(paths)
    words = [str(next(left)) if word == "{}" else word for word in command.split()]
    return [Case(words, part)]


def lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Lines of a text file, packed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding=encoding) as file:
        yield from (line.rstrip("\n") for line in file)


def write(path: Path, header: list[str], rows: Iterator[list[str]]) -> Path:
    """A CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def texts(source: Path, out: Path) -> Path:
    """A file of lines "label words" as a table."""
    rows = (line.split(" ", 1)[::-1] for line in lines(source, "latin-1"))
    return write(out, ["text", "label"], rows)


def trec(data: Path, work: Path) -> list[Case]:
    folder = data / "question_trec"
    train = texts(folder / "TREC.train.all", work / "train.csv")
    test = texts(folder / "TREC.test.all", work / "test.csv")
    return case("classify {} --text text --label label --test {}", train, test)


def sst2(data: Path, work: Path) -> list[Case]:
    folder = data / "sentiment_sst2"
    paths = [
        texts(folder / f"stsa.binary.{p}", work / f"{p}.csv") for p in ("train", "dev", "test")
    ]
    return case(
        "classify {} --text text --label label --validation {} --test {} --members 4", *paths
    )


def ucr(name: str) -> Callable[[Path, Path], list[Case]]:
    def prepare(data: Path, work: Path) -> list[Case]:
        train, test = (data / "gesture_ucr" / f"{name}_{part}.tsv" for part in ("TRAIN", "TEST"))
        return case("classify {} --test {}", train, test)

    return prepare


def motions(data: Path, work: Path) -> list[Case]:
    folder = data / "har_basicmotions"
    train, test = (str(folder / f"BasicMotions_{part}.ts") for part in ("TRAIN", "TEST"))
    return case("classify {} --test {}", train, test)


def strokes(data: Path, work: Path) -> list[Case]:
    folder = data / "handwriting_unipen_digits"
    paths = []
    for part in ("train", "test"):
        path = work / f"{part}.jsonl"
        path.write_bytes(gzip.decompress((folder / f"{part}.jsonl.gz").read_bytes()))
        paths.append(str(path))
    return case("classify {} --label label --group donor --test {}", *paths)


def digits(data: Path, work: Path) -> list[Case]:
    """The first 8,000 images of the file, and the others as a test part: an IDX pair of files each."""
    folder = data / "images_mnist_t10k"
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    size = 28 * 28
    paths = []
    for part, first, end in (("train", 0, 8000), ("test", 8000, 10_000)):
        count = (end - first).to_bytes(4, "big")
        path = work / f"{part}-images-idx3-ubyte"
        path.write_bytes(
            images[:4] + count + images[8:16] + images[16 + first * size : 16 + end * size]
        )
        (work / f"{part}-labels-idx1-ubyte").write_bytes(
            labels[:4] + count + labels[8 + first : 8 + end]
        )
        paths.append(str(path))
    return case("classify {} --test {}", *paths)


def recordings(data: Path, work: Path) -> list[dict[str, str]]:
    """The index of the spoken digits, which are unpacked into ``work/wav``."""
    folder = data / "speech_fsdd"
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".wav"):
                target = work / "wav" / Path(name).name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(archive.read(name))
    with open(folder / "index.csv", newline="") as file:
        return list(csv.DictReader(file))


def manifest(path: Path, rows: list[dict[str, str]], label: str) -> str:
    """Paths, labels and speakers of some recordings."""
    found = ([f"wav/{r['file']}", r[label], r["speaker"]] for r in rows)
    return str(write(path, ["path", "label", "speaker"], found))


def spoken(label: str) -> Callable[[Path, Path], list[Case]]:
    def prepare(data: Path, work: Path) -> list[Case]:
        rows = recordings(data, work)
        train, test = (
            manifest(work / f"{part}.csv", [r for r in rows if r["official_split"] == part], label)
            for part in ("train", "test")
        )
        return case("classify {} --test {}", train, test)

    return prepare


def speaker_left_out(data: Path, work: Path) -> list[Case]:
    rows = recordings(data, work)
    cases = []
    for who in sorted({r["speaker"] for r in rows}):
        train = manifest(work / f"not_{who}.csv", [r for r in rows if r["speaker"] != who], "digit")
        test = manifest(work / f"{who}.csv", [r for r in rows if r["speaker"] == who], "digit")
        cases += case("classify {} --group speaker --test {}", train, test, part=who)
    return cases


NSL = [
    "duration",
    "protocol",
    "service",
    "flag",
    "src_bytes",
    "dst_bytes",
    "land",
    "wrong_fragment",
    "urgent",
    "hot",
    "failed_logins",
    "logged_in",
    "compromised",
    "root_shell",
    "su_attempted",
    "root",
    "file_creations",
    "shells",
    "access_files",
    "outbound_cmds",
    "host_login",
    "guest_login",
    "count",
    "srv_count",
    "serror",
    "srv_serror",
    "rerror",
    "srv_rerror",
    "same_srv",
    "diff_srv",
    "srv_diff_host",
    "dst_count",
    "dst_srv_count",
    "dst_same_srv",
    "dst_diff_srv",
    "dst_same_src_port",
    "dst_srv_diff_host",
    "dst_serror",
    "dst_srv_serror",
    "dst_rerror",
    "dst_srv_rerror",
]


def intrusion(data: Path, work: Path) -> list[Case]:
    """Records of connections; a kind of attack is in one part only, as new ones will be in no part."""
    folder, paths = data / "intrusion_nsl_kdd", []
    for part, file in (("train", "KDDTrain+_20Percent.txt"), ("test", "KDDTest+.txt")):
        rows = []
        for number, line in enumerate(lines(folder / file)):
            *values, attack, _ = line.split(",")
            normal = attack == "normal"
            group = f"normal-{number % 25}" if normal else attack
            rows.append([*values, group, "normal" if normal else "attack"])
        paths.append(str(write(work / f"{part}.csv", [*NSL, "attack", "label"], iter(rows))))
    return case(
        "classify {} --kind rows --label label --group attack --test {} --folds 5 --batch-size 256 "
        "--hidden-size 64 --max-epochs 10",
        *paths,
    )


DELAY, WINDOWS = 7.0, (1, 7, 30)  # days after which a fraud is known; days looked back


def fraud(data: Path, work: Path) -> list[Case]:
    """Transactions by customer, and what is known of a terminal when one takes place.

    Days 0 to 119 train, 120 to 149 validate, 150 to 182 test; earlier transactions of a customer stand before
    them without a label.  A fraud at a terminal counts as known seven days later.
    """
    table = terminal_features(
        pl.read_csv(
            data / "fraud_simulated_transactions" / "transactions.csv.gz", try_parse_dates=True
        )
    )
    day, paths = pl.col("TX_TIME_DAYS"), []
    for part, first, end in (("train", 0, 120), ("validation", 120, 150), ("test", 150, 183)):
        label = pl.when(day >= first).then(pl.col("TX_FRAUD")).alias("fraud")
        rows = table.filter(day < end).with_columns(label).select(FRAUD)
        rows.write_csv(work / f"{part}.csv")
        paths.append(str(work / f"{part}.csv"))
    return case(
        "tag {} --series customer --time time --label fraud --validation {} --test {} --causal",
        *paths,
    )


FRAUD = ["customer", "time", "fraud", "amount", "hour", "weekend", "gap"] + [
    f"terminal_{what}_{w}" for w in WINDOWS for what in ("count", "frauds")
]


def terminal_features(table: pl.DataFrame) -> pl.DataFrame:
    """Columns of a transaction: its own, and how many there were, and known frauds, at its terminal."""
    seconds = pl.col("TX_DATETIME").dt.epoch("s") / 86_400
    table = table.with_columns(
        customer="c" + pl.col("CUSTOMER_ID").cast(pl.String),
        time=pl.col("TX_DATETIME"),
        amount=pl.col("TX_AMOUNT"),
        hour=pl.col("TX_DATETIME").dt.hour(),
        weekend=(pl.col("TX_DATETIME").dt.weekday() > 5).cast(pl.Int8),
        days=seconds,
    ).sort("days")
    gap = pl.col("days").diff().over("CUSTOMER_ID").fill_null(1.0)
    table = table.with_columns(gap=gap)
    return table.group_by("TERMINAL_ID", maintain_order=True).map_groups(_of_terminal).sort("days")


def _of_terminal(group: pl.DataFrame) -> pl.DataFrame:
    import numpy as np

    days, frauds = group["days"].to_numpy(), np.cumsum(np.append(0, group["TX_FRAUD"].to_numpy()))
    known = np.searchsorted(days, days - DELAY)  # transactions whose kind is known by now
    columns = []
    for window in WINDOWS:
        seen = np.arange(len(days)) - np.searchsorted(days, days - window)
        since = np.searchsorted(days, days - DELAY - window)
        columns.append(pl.Series(f"terminal_count_{window}", seen))
        columns.append(pl.Series(f"terminal_frauds_{window}", frauds[known] - frauds[since]))
    return group.with_columns(columns)


def engines(data: Path, work: Path) -> list[Case]:
    """Cycles of engines that ran to failure, and of engines cut before; their remaining life at most 125."""
    folder = data / "rul_cmapss_fd001"
    header = ["unit", "cycle", "s1", "s2", "s3", *(f"m{k}" for k in range(1, 22)), "rul"]
    left = [int(x) for x in lines(folder / "RUL_FD001.txt") if x.strip()]
    paths = []
    for part in ("train", "test"):
        rows = [line.split() for line in lines(folder / f"{part}_FD001.txt") if line.strip()]
        last = {unit: int(cycle) for unit, cycle, *_ in rows}
        out = []
        for unit, cycle, *rest in rows:
            remaining: float | str = last[unit] - int(cycle)
            if part == "test":  # known at the last cycle only
                remaining = left[int(unit) - 1] if int(cycle) == last[unit] else ""
            told = "" if remaining == "" else str(min(125, int(remaining)))
            out.append([f"{part}-{unit}", cycle, *rest, told])
        paths.append(str(write(work / f"{part}.csv", header, iter(out))))
    return case("regress {} --series unit --time cycle --target rul --test {}", *paths)


def unpacked(source: Path, target: Path) -> str:
    target.write_bytes(gzip.decompress(source.read_bytes()))
    return str(target)


SHORT = "--max-epochs 15 --warmup-epochs 5 --lr-decay 0.75"  # of 200,000 words a pass is long


def speech_parts(data: Path, work: Path) -> list[Case]:
    folder = data / "tagging_ud_english_ewt"
    train, dev, test = (
        unpacked(folder / f"en_ewt-ud-{p}.conllu.gz", work / f"{p}.conllu")
        for p in ("train", "dev", "test")
    )
    return case(f"tag {{}} --validation {{}} --test {{}} {SHORT}", train, dev, test)


def chunks(data: Path, work: Path) -> list[Case]:
    folder = data / "chunking_conll2000"
    train, test = (unpacked(folder / f"{p}.txt.gz", work / f"{p}.conll") for p in ("train", "test"))
    return case(f"tag {{}} --test {{}} {SHORT}", train, test)


SETS = {
    s.name: s
    for s in (
        Set(
            "speech_digits",
            "accuracy",
            0.99,
            0.10,
            "spoken digits, official split",
            spoken("digit"),
        ),
        Set(
            "speech_digits_new_speaker",
            "accuracy",
            0.80,
            0.10,
            "spoken digits, a speaker left out",
            speaker_left_out,
        ),
        Set("speech_speakers", "accuracy", 0.99, 0.17, "who speaks", spoken("speaker")),
        Set("basic_motions", "accuracy", 1.0, 0.25, "motions by two sensors", motions),
        Set("gunpoint", "accuracy", 0.98, None, "GunPoint", ucr("GunPoint")),
        Set("cricket_x", "accuracy", 0.78, None, "CricketX", ucr("CricketX")),
        Set(
            "toe_segmentation_1",
            "accuracy",
            0.90,
            None,
            "ToeSegmentation1",
            ucr("ToeSegmentation1"),
        ),
        Set("unipen_digits", "accuracy", 0.97, 0.10, "handwritten digits as strokes", strokes),
        Set("mnist_rows", "accuracy", 0.98, 0.10, "MNIST by rows, 8,000 images", digits),
        Set("sst2", "accuracy", 0.835, 0.50, "sentiment of sentences, no pretrained vectors", sst2),
        Set("trec", "accuracy", 0.90, 0.19, "kinds of questions", trec),
        Set(
            "nsl_kdd", "accuracy", 0.833, 0.43, "intrusions, a fifth of the training set", intrusion
        ),
        Set("fraud", "average_precision", 0.60, 0.008, "fraud by customer", fraud),
        Set(
            "cmapss_fd001",
            "rmse",
            14.0,
            41.9,
            "remaining life of engines",
            engines,
            lower=True,
            also=("phm_score",),
        ),
        Set("ud_english_ewt", "token_accuracy", 0.945, 0.862, "parts of speech", speech_parts),
        Set("conll2000", "span_f1", 0.93, None, "chunks", chunks, also=("token_accuracy",)),
    )
}
