"""Files that are not there, and lines that are no text."""

import pytest

from mmkeras.files import existing_file, json_lines, text_lines


def test_a_file_that_is_there(tmp_path):
    (tmp_path / "a.txt").touch()
    assert existing_file(str(tmp_path / "a.txt")) == tmp_path / "a.txt"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reviews.txt", r"reviews\.txt does not exist\. Did you mean review\.txt\?"),
        ("x.csv", r"x\.csv does not exist\.$"),
        ("no/x.csv", r"x\.csv does not exist, nor does its folder\.$"),
        ("", "is a folder; name the file in it"),
    ],
)
def test_a_file_that_is_not(tmp_path, name, message):
    (tmp_path / "review.txt").touch()
    with pytest.raises(FileNotFoundError, match=message):
        existing_file(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "options", "lines"),
    [
        (b"a\nb\r\nc\rd", {}, ["a\n", "b\r\n", "c\r", "d"]),
        (b"a\rb\nc", {"newline": "\n"}, ["a\rb\n", "c"]),
        ("a\u2028b\x85c\n".encode(), {}, ["a\u2028b\x85c\n"]),
        ("\ufeffü\n".encode(), {}, ["ü\n"]),
        ("\ufeffü\n".encode(), {"encoding": "UTF8"}, ["ü\n"]),
        ("ü\n".encode("latin1"), {"encoding": "latin1"}, ["ü\n"]),
        ("ü\nb".encode("utf-16"), {"encoding": "utf-16"}, ["ü\n", "b"]),
        (b"", {}, []),
    ],
)
def test_lines(tmp_path, content, options, lines):
    (tmp_path / "a.txt").write_bytes(content)
    assert list(text_lines(tmp_path / "a.txt", **options)) == lines


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (
            b"a\nb\xfc\n",
            "utf-8",
            r"t, line 2: byte 3 \(0xfc\) is not UTF-8; save the file as U",
        ),
        (b"a\n\x81\n", "cp1252", r"line 2: byte 2 \(0x81\) is not CP1252; save the file as CP1252"),
        (b"a\n\0b\n", "utf-8", "line 2: a NUL character, as in UTF-16"),
        (b"\xff\xfea\0\n\0\0\xd8", "utf-16", "a.txt.* is not UTF-16; save the file as UTF-16"),
    ],
)
def test_lines_that_are_no_text(tmp_path, content, encoding, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(text_lines(tmp_path / "a.txt", encoding=encoding))


def test_lines_of_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('\ufeff{"a": "\u2028"}\r\n \n{}\n\n{"b": [1, null]}'.encode())
    assert list(json_lines(path)) == [(1, {"a": "\u2028"}), (3, {}), (5, {"b": [1, None]})]
    path.write_bytes(b"")
    assert list(json_lines(path)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'a': 1}", r"row 2 \(line 3\): not valid JSON \(Expecting .*: \"{'a': 1}\\n\"; write"),
        ("[]", r"row 2 \(line 3\): \[\] is not an object, such as \{\"text\": \"hello\"\}"),
        ('{"a": {"b": 1, "b": 1}}', r"\(line 3\): .*an object names \['b'\] more than once; rena"),
    ],
)
def test_lines_that_are_no_json(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text(f'{{"a": 1}}\n\n{line}\n')
    with pytest.raises(ValueError, match=message):
        list(json_lines(tmp_path / "a.jsonl"))
