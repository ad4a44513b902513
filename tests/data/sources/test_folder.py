"""Folders, manifests and lists of files: labels, kinds, and everything that can be wrong with a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from gatework.data.sequences import Sound
from gatework.data.sources.find import read_sequences
from gatework.data.sources.folder import read_files, read_folder
from gatework.data.sources.manifest import read_manifest
from gatework.errors import ConfigError, DataError


def sound(path: Path, seconds: float = 0.1, rate: int = 8000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    samples = rng.normal(0, 0.1, (int(seconds * rate), channels))
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("left/1.wav", "left/2.wav", "right/deep/3.wav", "right/4.WAV"):
        sound(tmp_path / name)
    return tmp_path


def read(path: Any, task: str = "classify", **roles: Any) -> Any:
    return read_sequences(path, task=task, **roles)


def test_a_sub_folder_is_a_class(folder: Path) -> None:
    (folder / ".hidden.wav").write_bytes(b"x")
    (folder / "left" / "notes.doc").write_bytes(b"x")
    (folder / "README.txt").write_text("about the data")
    found = read(folder)
    assert found.kind == "audio"
    assert found.keys == ["left/1.wav", "left/2.wav", "right/4.WAV", "right/deep/3.wav"]
    assert found.labels == ["left", "left", "right", "right"]
    assert found.notes[0] == f"kind: audio in {folder}: 4 files; labels: the names of 2 folders"
    assert any("passed over 2 files" in n for n in found.notes)
    assert isinstance(found.items[3], Sound)
    assert len(found.items[0]) == 800


def test_a_folder_without_labels_is_for_predictions(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    with pytest.raises(
        DataError, match=r"its 1 recordings lie in no sub-folder, so they have no labels"
    ):
        read(tmp_path)
    found = read(tmp_path, need_labels=False)
    assert found.labels is None
    assert found.keys == ["a.wav"]
    assert found.names[0] == "a.wav"


def test_a_file_outside_the_classes_is_named(folder: Path) -> None:
    sound(folder / "loose.wav")
    with pytest.raises(
        DataError, match=r"loose\.wav: lies in no sub-folder of a class, as 1 of 5 files"
    ):
        read(folder)


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    ("content", "fact"),
    [(b"", "the file is empty"), (b"not sound at all", "is no sound file that can be read")],
)
def test_bad_files_among_good_ones(folder: Path, content: bytes, fact: str, skip_bad: bool) -> None:
    bad = folder / "left" / "0.wav"
    bad.write_bytes(content)
    (folder / "right" / "5.wav").write_bytes(content)
    if not skip_bad:
        with pytest.raises(DataError, match=fact) as caught:
            read(folder)
        assert str(bad) in str(caught.value)
        assert "So is 1 more of 6 files" in str(caught.value)
        assert "--skip-bad" in str(caught.value)
        return
    found = read(folder, skip_bad=True)
    assert found.keys == ["left/1.wav", "left/2.wav", "right/4.WAV", "right/deep/3.wav"]
    assert found.labels == ["left", "left", "right", "right"]
    assert len(found.skipped) == 2
    assert fact in found.skipped[0]


def test_only_bad_files(tmp_path: Path) -> None:
    for name in ("a/1.wav", "b/2.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"None of the 2 files can be read"):
        read(tmp_path, skip_bad=True)


def test_a_file_that_vanishes_is_named_when_it_is_read(folder: Path) -> None:
    found = read(folder)
    (folder / "left" / "2.wav").write_bytes(b"RIFF")
    assert len(found.items[0])
    with pytest.raises(DataError, match=r"left/2\.wav: cannot be decoded as sound"):
        found.items[1]


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no files"):
        read(tmp_path)
    (tmp_path / "x.exe").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no files that can be read, only '\.exe'.*\.wav"):
        read(tmp_path)


def test_several_kinds_need_a_word(folder: Path) -> None:
    for name in ("left/a.png", "right/b.png"):
        (folder / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"4 recordings, 2 pictures.*kind="):
        read(folder)
    assert len(read(folder, kind="audio")) == 4
    with pytest.raises(DataError, match=r"no files of the kind video"):
        read(folder, kind="video")


def test_one_class_is_none(tmp_path: Path) -> None:
    sound(tmp_path / "all" / "a.wav")
    sound(tmp_path / "all" / "b.wav")
    with pytest.raises(DataError, match=r"every label is 'all'"):
        read(tmp_path)


def test_folders_name_no_numbers_and_no_columns(folder: Path) -> None:
    with pytest.raises(DataError, match=r"regress needs a number for each file"):
        read(folder, "regress")
    with pytest.raises(DataError, match=r"tag needs a label for every step"):
        read(folder, "tag")
    with pytest.raises(ConfigError, match=r"group.*Add a manifest\.csv"):
        read(folder, group="speaker")
    with pytest.raises(ConfigError, match=r"label.*Add a manifest\.csv"):
        read(folder, label="word")
    with pytest.raises(ConfigError, match=r"labels= goes with a list"):
        read(folder, labels=["a"] * 4)


def test_links_in_a_circle_end(folder: Path) -> None:
    os.symlink(folder, folder / "left" / "again")
    assert len(read(folder)) == 4


def test_texts_in_folders(tmp_path: Path) -> None:
    for name, text in (("good/1.txt", "fine"), ("bad/1.txt", "not so"), ("bad/2.txt", "no\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read(tmp_path)
    assert found.kind == "text"
    assert list(found.items) == ["not so", "no\n", "fine"]
    (tmp_path / "bad" / "1.txt").write_bytes(b"caf\xe9 au lait")
    with pytest.raises(DataError, match=r"bad/1\.txt, line 1: is not UTF-8.*--skip-bad"):
        read(tmp_path)
    assert len(read(tmp_path, skip_bad=True)) == 2


# ------------------------------------------------------------------------------------ series
def table(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_table_for_each_series(tmp_path: Path) -> None:
    table(tmp_path / "up" / "1.csv", "x,y\n1,2\n2,3\n")
    table(tmp_path / "down" / "1.csv", "x,y\n3,2\n2,1\n1,0\n")
    table(tmp_path / "notes.csv", "a\n1\n")
    found = read(tmp_path)
    assert found.kind == "series"
    assert found.features == ("x", "y")
    assert found.labels == ["down", "up"]
    assert [len(s) for s in found.items] == [3, 2]
    again = read(tmp_path / "up", need_labels=False, layout=found.layout)
    assert again.items[0].values.tolist() == [[1, 2], [2, 3]]
    table(tmp_path / "up" / "2.csv", "x,z\n1,2\n")
    with pytest.raises(DataError, match=r"up/2\.csv: lacks 'y' and has also 'z'"):
        read(tmp_path)
    assert len(read(tmp_path, skip_bad=True).skipped) == 1
    table(tmp_path / "up" / "2.csv", "x,y\n1,2\n5,much\n")
    with pytest.raises(DataError, match=r"up/2\.csv, row 2 \(line 3\), column 'y': 'much'"):
        read(tmp_path, features=["x", "y"])


def test_arrays_and_labels_of_their_own(tmp_path: Path) -> None:
    for name, rows in (("a/1.npy", 3), ("b/2.npy", 4)):
        (tmp_path / name).parent.mkdir()
        np.save(tmp_path / name, np.ones((rows, 2)))
    assert [len(s) for s in read(tmp_path).items] == [3, 4]
    np.save(tmp_path / "b" / "2.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DataError, match=r"b/2\.npy: is no array that can be read"):
        read(tmp_path)
    steps = tmp_path / "steps"
    table(steps / "1.csv", "x,state\n1,on\n2,off\n")
    table(steps / "2.csv", "x,state\n4,on\n")
    found = read(steps, "tag", label="state")
    assert [x.tolist() for x in found.labels] == [["on", "off"], ["on"]]


# --------------------------------------------------------------------------------- manifests
def manifest(folder: Path, text: str, name: str = "manifest.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


LINES = "path,label,speaker\nleft/1.wav,go,ann\nright/4.WAV,stop,bob\nleft/2.wav,go,bob\n"


def test_a_manifest_names_files_labels_and_groups(folder: Path) -> None:
    path = manifest(folder, LINES)
    for source in (folder, path):
        found = read(source, group="speaker")
        assert found.keys == ["left/1.wav", "right/4.WAV", "left/2.wav"]
        assert found.labels == ["go", "stop", "go"]
        assert found.groups == ["ann", "bob", "bob"]
        assert "row 2 (line 3)" in found.names[1]
        assert len(found.items[1]) == 800
    assert found.layout["label"] == "label"


def test_a_manifest_of_any_name(folder: Path) -> None:
    path = manifest(folder, LINES.replace("path", "file").replace("label", "word"), "index.csv")
    found = read(path, label="word")
    assert found.labels == ["go", "stop", "go"]
    later = read(path, need_labels=False, layout=found.layout)
    assert later.labels == ["go", "stop", "go"]


def test_numbers_for_a_regression(folder: Path) -> None:
    path = manifest(folder, "path,label\nleft/1.wav,1.5\nleft/2.wav,\nright/4.WAV,3\n")
    with pytest.raises(DataError, match=r"the label is missing"):
        read(path, "regress")
    assert read(path, "regress", skip_bad=True).labels == [1.5, 3.0]


@pytest.mark.parametrize("path", ["../other.wav", "left/../../x.wav", "/etc/passwd.wav"])
def test_paths_stay_in_their_folder(folder: Path, path: str) -> None:
    inner = folder / "inner"
    inner.mkdir()
    manifest(inner, f"path,label\n{path},a\n")
    with pytest.raises(DataError, match=r"row 1 .*column 'path'.* leaves the folder"):
        read(inner)


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ("left/9.wav,a,x", r"row 4 \(line 5\), column 'path': .*left/9.wav: is not there"),
        ("left,a,x", "'left' is no file of the kind audio"),
        (",a,x", "the path is missing"),
        ("notes.png,a,x", "'notes.png' is no file of the kind audio"),
    ],
)
def test_bad_rows(folder: Path, row: str, fact: str) -> None:
    path = manifest(folder, LINES + row + "\n")
    with pytest.raises(DataError, match=fact):
        read(path)


def test_bad_rows_are_passed_over(folder: Path) -> None:
    path = manifest(folder, LINES + "left/9.wav,go,x\n,go,x\n../y.wav,go,x\n")
    found = read(path, skip_bad=True)
    assert len(found) == 3
    assert len(found.skipped) == 3


def test_manifests_without_what_they_need(folder: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 'path'"):
        read_manifest(manifest(folder, "where,label\na.wav,b\n"), task="classify")
    with pytest.raises(ConfigError, match=r"'writer', which is no column"):
        read(manifest(folder, LINES), group="writer")
    with pytest.raises(DataError, match=r"the group is missing"):
        read(manifest(folder, LINES + "right/deep/3.wav,go,\n"), group="speaker")
    with pytest.raises(DataError, match=r"one label"):
        read(manifest(folder, LINES), "tag")


def test_a_manifest_of_tables(tmp_path: Path) -> None:
    table(tmp_path / "1.csv", "x\n1\n2\n")
    table(tmp_path / "2.csv", "x\n3\n")
    found = read(manifest(tmp_path, "path,label,who\n1.csv,a,ann\n2.csv,b,bob\n"), group="who")
    assert found.kind == "series"
    assert (found.labels, found.groups) == (["a", "b"], ["ann", "bob"])
    assert found.features == ("x",)


# ------------------------------------------------------------------------------ lists of paths
def test_a_list_of_paths(folder: Path) -> None:
    paths = [folder / "left" / "1.wav", folder / "right" / "4.WAV"]
    found = read(paths, labels=["a", "b"])
    assert (found.kind, found.labels) == ("audio", ["a", "b"])
    assert read([str(p) for p in paths], kind="audio", labels=["a", "b"]).kind == "audio"
    one = read(paths[0], need_labels=False)
    assert len(one) == 1
    with pytest.raises(DataError, match=r"'x\.png' cannot be read as audio"):
        read_files([*paths, folder / "x.png"], kind="audio")
    with pytest.raises(DataError, match=r"is not there"):
        read_files([folder / "none.wav"])
    with pytest.raises(DataError, match=r"the list of paths is empty"):
        read_files([])


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no folder"):
        read_folder(tmp_path / "x", task="classify")
