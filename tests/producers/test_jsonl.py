"""Lines of JSON: each bad one is named, and none stops the rest."""

import gzip
import io
import json
import sys
import tracemalloc
from pathlib import Path

import pytest

from bizops.errors import UsageError
from producers.source import Extracted, Rejected, open_source


def line(number: int, **more: object) -> bytes:
    event = {
        "type": "touch",
        "event_id": f"web:{number}",
        "source": "web",
        "occurred_at": "2026-03-01T09:30:00Z",
        "channel": "email",
        "account_id": "acme",
        **more,
    }
    return json.dumps(event).encode()


def read(*files: Path | str) -> tuple[list[str], list[Rejected]]:
    """Event ids, and what was rejected."""
    records = list(open_source("jsonl", {"files": [str(file) for file in files]}).read())
    ids = [record.event.event_id for record in records if isinstance(record, Extracted)]
    return ids, [record for record in records if isinstance(record, Rejected)]


def write(folder: Path, content: bytes, name: str = "events.jsonl") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def test_each_event_says_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, b"\n".join([line(1), b"", b"  ", line(2)]))
    records = list(open_source("jsonl", {"files": [str(file)]}).read())
    assert [record.origin for record in records] == [f"{file} line 1", f"{file} line 4"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks(
    tmp_path: Path, end: bytes, mark: bytes, last: bool
) -> None:
    content = mark + end.join([line(1), line(2), line(3)]) + (end if last else b"")
    assert read(write(tmp_path, content)) == (["web:1", "web:2", "web:3"], [])
    assert read(write(tmp_path, gzip.compress(content), "packed"))[0] == ["web:1", "web:2", "web:3"]


@pytest.mark.parametrize(
    ("bad", "reason", "says"),
    [
        (b"{", "invalid_json", "not JSON"),
        (b"\xff\xfe\x00", "invalid_utf8", "not UTF-8"),
        (line(9).replace(b"acme", b"ac\xe9me"), "invalid_utf8", "not UTF-8"),
        (line(9, account_id="a\0"), "nul_character", "account_id"),
        (b"\0\0\0", "invalid_json", "not JSON"),
        (line(9, type="tuoch"), "unknown_type", "'tuoch'; expected one of account"),
        (line(9, colour="red"), "unknown_field", "colour"),
        (line(9, properties={"a": "x" * 2_000_000}), "too_long", "expected at most 900,000"),
        (b"x" * 2_000_000, "too_long", "the line has 2,000,000 bytes"),
        (b"[" * 100_000, "invalid_json", "recursion"),
        (b"[1]", "not_an_object", "expected a JSON object"),
    ],
)
def test_a_bad_line_never_stops_the_rest(
    tmp_path: Path, bad: bytes, reason: str, says: str
) -> None:
    file = write(tmp_path, b"\n".join([line(1), bad, line(3)]) + b"\n")
    ids, [rejected] = read(file)
    assert ids == ["web:1", "web:3"]
    assert rejected.origin == f"{file} line 2"
    assert rejected.reason == reason
    assert says in rejected.sentence
    assert len(rejected.sentence) < 500
    assert json.dumps(rejected.record).encode()


@pytest.mark.parametrize("over", [-1, 0, 1, 2, 3, 200_000])
def test_a_line_at_the_limit(tmp_path: Path, over: int) -> None:
    spaces = b" " * (900_000 + over - len(line(2)))
    for end in (b"\n", b"\r\n", b""):
        file = write(tmp_path, line(1) + b"\n" + line(2) + spaces + end + (end and line(3)))
        ids, rejected = read(file)
        whole = ["web:1", "web:2"] if over <= 0 else ["web:1"]
        assert ids == whole + (["web:3"] if end else [])
        assert len(rejected) == (over > 0)
        if rejected:
            assert f"the line has {900_000 + over:,} bytes" in rejected[0].sentence


def test_a_line_of_sixty_megabytes_needs_little_memory(tmp_path: Path) -> None:
    content = gzip.compress(b"x" * 60_000_000 + b"\n" + line(2), compresslevel=1)
    file = write(tmp_path, content, "long.gz")
    tracemalloc.start()
    ids, [rejected] = read(file)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids == ["web:2"]
    assert "60,000,000 bytes" in rejected.sentence
    assert most < 8_000_000


def test_several_files_in_their_order(tmp_path: Path) -> None:
    first = write(tmp_path, gzip.compress(line(1)), "b")
    second = write(tmp_path, line(2), "a.gz")  # what is in it counts, not its name
    assert read(first, second)[0] == ["web:1", "web:2"]
    assert read(second, first)[0] == ["web:2", "web:1"]


def test_members_of_a_gzip_follow_each_other(tmp_path: Path) -> None:
    content = gzip.compress(line(1) + b"\n") + gzip.compress(line(2) + b"\n")
    assert read(write(tmp_path, content)) == (["web:1", "web:2"], [])


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.1])
def test_a_gzip_cut_short_says_up_to_where_it_was_read(tmp_path: Path, kept: float) -> None:
    whole = b"".join(line(n, utm_term=f"{n * 7919 % 10007}") + b"\n" for n in range(5000))
    packed = gzip.compress(whole)
    cut = write(tmp_path, packed[: int(len(packed) * kept)], "cut.gz")
    ids, [rejected] = read(cut, write(tmp_path, line(9999)))
    assert rejected.reason == "unreadable"
    assert ids[-1] == "web:9999"
    assert len(ids) > 5000 * kept * 0.9
    assert ids[:-1] == [f"web:{n}" for n in range(len(ids) - 1)]
    said = f"the file cannot be read after line {len(ids) - 1}: compressed file ended before"
    assert said in rejected.sentence


def test_a_gzip_with_a_flipped_byte(tmp_path: Path) -> None:
    whole = b"".join(line(n, utm_term=f"{n * 7919 % 10007}") + b"\n" for n in range(5000))
    packed = bytearray(gzip.compress(whole))
    packed[len(packed) // 2] ^= 0xFF
    ids, rejected = read(write(tmp_path, bytes(packed), "broken.gz"))
    assert rejected[-1].reason == "unreadable"
    assert ids[:1000] == [f"web:{n}" for n in range(1000)]


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"")])
def test_an_empty_file_has_no_events(tmp_path: Path, content: bytes) -> None:
    assert read(write(tmp_path, content)) == ([], [])


def test_a_missing_file_is_said_before_anything_is_read(tmp_path: Path) -> None:
    there, missing = write(tmp_path, line(1)), tmp_path / "missing.jsonl"
    source = open_source("jsonl", {"files": [str(there), str(missing)]})
    with pytest.raises(UsageError, match=r"cannot read .*missing.jsonl: no such file or directory"):
        next(source.read())
    with pytest.raises(UsageError, match="is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_utf_16_is_said_at_once(tmp_path: Path, packed: bool) -> None:
    content = line(1).decode().encode("utf-16")
    file = write(tmp_path, gzip.compress(content) if packed else content)
    with pytest.raises(
        UsageError, match=r"cannot read .*events.jsonl: it is UTF-16; expected UTF-8"
    ):
        read(file)


@pytest.mark.parametrize("packed", [True, False])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    content = line(1) + b"\nnope\n" + line(2)
    raw = io.BytesIO(gzip.compress(content) if packed else content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))
    ids, [rejected] = read("-")
    assert ids == ["web:1", "web:2"]
    assert rejected.origin == "standard input line 2"
    assert not sys.stdin.closed
