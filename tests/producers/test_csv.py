"""CSV by a mapping: cells become fields, and a bad row is named and stops nothing."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from bizops.errors import UsageError
from producers.source import Extracted, Rejected, open_source

DEALS = """\
type: revenue
source: crm
event_id: "crm:deal:{Deal}"
fields:
  occurred_at: {column: Won, format: "%d/%m/%Y %H:%M", timezone: America/Sao_Paulo}
  account_id: Account
  kind: {column: Kind, replace: {New business: new}, empty: new}
  iacv: {column: Value, decimal: ",", thousands: ".", strip: "R$"}
  currency: {constant: BRL}
  term_months: Months
  product: {template: "{Family} {Edition}"}
properties:
  note: Note
"""
HEADER = "Deal;Won;Account;Kind;Value;Months;Family;Edition;Note"
GOOD = "1;26/02/2018 19:58;acme;New business;1.200,00;12;Suite;Pro;hello"


def read(
    folder: Path, mapping: str, content: str | bytes, name: str = "deals.csv"
) -> list[Extracted | Rejected]:
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    options = {"files": [str(folder / name)], "mapping": folder / "mapping.yaml"}
    return list(open_source("csv", options).read())


def deals(folder: Path, *rows: str) -> list[Extracted | Rejected]:
    content = "\n".join([HEADER, *rows]) + "\n"
    return read(folder, DEALS + 'delimiter: ";"\n', content)


def fields(record: Extracted | Rejected) -> dict[str, Any]:
    assert isinstance(record, Extracted), record
    return record.event.model_dump(mode="json", exclude_none=True)


def rejected(record: Extracted | Rejected) -> Rejected:
    assert isinstance(record, Rejected), record
    return record


def test_a_row_becomes_an_event(tmp_path: Path) -> None:
    [record] = deals(tmp_path, GOOD)
    assert record.origin.endswith("deals.csv line 2")
    assert fields(record) == {
        "type": "revenue",
        "event_id": "crm:deal:1",
        "source": "crm",
        "schema_version": 1,
        "occurred_at": "2018-02-26T22:58:00Z",
        "account_id": "acme",
        "kind": "new",
        "iacv": "1200.00",
        "currency": "BRL",
        "term_months": 12,
        "product": "Suite Pro",
        "properties": {"note": "hello"},
    }


def test_blank_cells_are_absent_fields(tmp_path: Path) -> None:
    [record] = deals(tmp_path, "1;26/02/2018 19:58;acme;  ;1200;;Suite;;")
    event = fields(record)
    assert not {"term_months", "product"} & event.keys()
    assert event["properties"] == {}
    assert event["kind"] == "new"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.200,00", "1200.00"),
        ("1200,5", "1200.50"),
        ("R$ 1.234.567,89", "1234567.89"),
        ("0", "0.00"),
        ("  7 ", "7.00"),
    ],
)
def test_amounts_as_spreadsheets_write_them(tmp_path: Path, text: str, amount: str) -> None:
    [record] = deals(tmp_path, GOOD.replace("1.200,00", text))
    assert fields(record)["iacv"] == amount


@pytest.mark.parametrize(
    ("notation", "text", "amount"),
    [
        ("{column: v}", "1200.5", "1200.50"),
        ('{column: v, thousands: ",", strip: $}', "$1,200.00", "1200.00"),
        ('{column: v, thousands: ",", strip: $}', "-$1,200.00", "-1200.00"),
        ('{column: v, thousands: "\'"}', "1'200.00", "1200.00"),
        ('{column: v, thousands: " ", decimal: ","}', "1 200,00", "1200.00"),
        ('{column: v, thousands: "\\u00a0", decimal: ","}', "1\u00a0200,00", "1200.00"),
        ("{column: v}", "−5.00", "-5.00"),
        ("{column: v, empty: '0'}", "", "0.00"),
        ("{column: v, replace: {free: '0.00'}}", "free", "0.00"),
    ],
)
def test_notations(tmp_path: Path, notation: str, text: str, amount: str) -> None:
    mapping = f"""
type: revenue
source: s
event_id: "{{id}}"
fields:
  occurred_on: day
  account_id: {{constant: a}}
  kind: {{constant: renewal}}
  currency: {{constant: EUR}}
  iacv: {notation}
"""
    [record] = read(tmp_path, mapping, f'id,day,v\n1,2026-03-01,"{text}"\n')
    assert fields(record)["iacv"] == amount


@pytest.mark.parametrize(
    ("old", "new", "reason", "says"),
    [
        (
            "1.200,00",
            "1,200.00",
            "invalid_amount",
            "field 'iacv': '1,200.00' in column 'Value' is no",
        ),
        ("1.200,00", "1.2", "invalid_amount", "thousands mark '.'"),
        ("1.200,00", "12.00", "invalid_amount", "decimal mark ','"),
        ("1.200,00", "$5", "invalid_amount", "'$5'"),
        ("1.200,00", "1,5,5", "invalid_amount", "iacv"),
        ("1.200,00", "-3", "wrong_sign", "expected 0 or more"),
        ("1.200,00", "", "missing_field", "no field 'iacv'"),
        ("1.200,00", "١٢", "invalid_amount", "iacv"),
        (
            "26/02/2018 19:58",
            "2018-02-26",
            "invalid_time",
            "'2018-02-26' in column 'Won' is not of",
        ),
        ("26/02/2018 19:58", "31/02/2018 19:58", "invalid_time", "occurred_at"),
        ("26/02/2018 19:58", "", "missing_field", "has no time"),
        ("26/02/2018 19:58", "01/01/0001 00:00", "out_of_range", "year 1;"),
        (";12;", ";1.5;", "invalid_number", "field 'term_months': '1.5' in column 'Months'"),
        (";12;", ";1.0;", "invalid_number", "is no whole number"),
        (";12;", ";many;", "invalid_number", "is no number"),
        (";12;", ";0;", "invalid_value", "term_months"),
        ("New business", "Other", "invalid_value", "'kind': 'Other' is wrong"),
        ("1;26", ";26", "missing_field", "event_id"),
        ("1;26", "x" * 250 + ";26", "too_long", "event_id"),
        (";hello", "", "wrong_cells", "the row has 8 cells; expected 9"),
        (";hello", ";hello;5", "wrong_cells", "the row has 10 cells; expected 9"),
        ("hello", 'he"llo', "", ""),
        ("hello", '"he"llo', "invalid_csv", "the row is no CSV"),
        ("hello", '"hello', "invalid_csv", "is a quote not closed"),
        ("hello", '"' + "x" * 200_000 + '"', "invalid_csv", "field limit"),
        ("hello", "x" * 1_000_000, "too_long", "expected at most 900,000"),
        ("hello", "hel\0lo", "nul_character", "NUL"),
        ("acme", "a\0c", "nul_character", "NUL"),
    ],
)
def test_a_bad_row_never_stops_the_rest(
    tmp_path: Path, old: str, new: str, reason: str, says: str
) -> None:
    assert old in GOOD
    rows = ["7" + GOOD[1:], GOOD.replace(old, new, 1), "8" + GOOD[1:], "9" + GOOD[1:]]
    records = deals(tmp_path, *rows)
    ids = [record.event.event_id for record in records if isinstance(record, Extracted)]
    if not reason:
        assert len(ids) == 4
        return
    assert ids == ["crm:deal:7", "crm:deal:8", "crm:deal:9"]
    bad = rejected(records[1])
    assert bad.origin.endswith("deals.csv line 3")
    assert bad.reason == reason
    assert says in bad.sentence
    assert "\n" not in bad.sentence
    assert len(bad.sentence) < 500


def test_invalid_utf_8_is_named(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD}\n".encode() + GOOD.replace("hello", "é").encode("latin-1") + b"\n"
    _, record = read(tmp_path, DEALS + 'delimiter: ";"', content)
    assert rejected(record).reason == "invalid_utf8"
    assert "encoding: cp1252" in rejected(record).sentence
    assert record.origin.endswith("line 3")


def test_another_encoding(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD}\n".replace("hello", "žluť €").encode("cp1250")
    mapping = DEALS + 'delimiter: ";"\nencoding: cp1250\n'
    assert fields(read(tmp_path, mapping, content)[0])["properties"] == {"note": "žluť €"}


def test_a_quoted_cell_may_go_on_for_lines(tmp_path: Path) -> None:
    quoted = GOOD.replace("hello", '"one\ntwo; ""three"""')
    records = deals(tmp_path, quoted, "2" + GOOD[1:], "3;bad")
    assert [record.origin.rpartition(" ")[2] for record in records] == ["2", "4", "5"]
    assert fields(records[0])["properties"] == {"note": 'one\ntwo; "three"'}


def test_a_quote_that_never_ends_costs_one_row(tmp_path: Path) -> None:
    open_quote = GOOD.replace("hello", '"hello')
    rows = [GOOD, open_quote, *(f"{n}{GOOD[1:]}" for n in range(2, 3000))]
    records = deals(tmp_path, *rows)
    assert len(records) == len(rows)
    assert [record.origin.rpartition(" ")[2] for record in records if type(record) is Rejected] == [
        "3"
    ]


def test_blank_rows_are_skipped(tmp_path: Path) -> None:
    records = deals(tmp_path, "", GOOD, ";;;;;;;;", "   ", "")
    assert [record.origin.rpartition(" ")[2] for record in records] == ["3"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [True, False])
def test_marks_line_ends_and_gzip(tmp_path: Path, mark: bytes, end: str, packed: bool) -> None:
    content = mark + end.join([HEADER, GOOD, "2" + GOOD[1:]]).encode()
    content = gzip.compress(content) if packed else content
    records = read(tmp_path, DEALS + 'delimiter: ";"', content)
    assert [fields(record)["event_id"] for record in records] == ["crm:deal:1", "crm:deal:2"]


def test_a_gzip_cut_short(tmp_path: Path) -> None:
    rows = [f"{n}{GOOD[1:]}" for n in range(5000)]
    content = gzip.compress("\n".join([HEADER, *rows]).encode())[:-2000]
    *records, last = read(tmp_path, DEALS + 'delimiter: ";"', content)
    assert rejected(last).reason == "unreadable"
    assert f"after line {len(records) + 1}:" in rejected(last).sentence


TIMED = """
type: touch
source: s
event_id: "{id}"
fields:
  channel: {constant: c}
  account_id: {constant: a}
  occurred_at: "when"
"""


@pytest.mark.parametrize(
    ("zone", "when", "in_utc"),
    [
        (None, "2026-03-01T09:30:00+01:00", "2026-03-01T08:30:00Z"),
        (None, "2026-03-01 09:30:00Z", "2026-03-01T09:30:00Z"),
        ("UTC", "2018-02-26 19:58:54", "2018-02-26T19:58:54Z"),
        ("America/Sao_Paulo", "2018-02-17 12:00:00", "2018-02-17T14:00:00Z"),
        ("Europe/Berlin", "2026-03-01 09:30:00Z", "2026-03-01T09:30:00Z"),  # its own offset counts
        ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),  # skipped: fold=0
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # twice: the first
    ],
)
def test_times_and_zones(tmp_path: Path, zone: str | None, when: str, in_utc: str) -> None:
    mapping = TIMED + (f"timezone: {zone}" if zone else "")
    [record] = read(tmp_path, mapping, f"id,when\n1,{when}\n")
    assert fields(record)["occurred_at"] == in_utc


@pytest.mark.parametrize(
    ("when", "reason", "says"),
    [
        ("2018-02-26 19:58:54", "naive_time", "such as `timezone: America/Sao_Paulo`"),
        ("2018-02-26", "invalid_time", "map occurred_on"),
        ("26/02/2018 19:58", "invalid_time", "its `format:` in the mapping"),
    ],
)
def test_times_that_need_a_word_in_the_mapping(
    tmp_path: Path, when: str, reason: str, says: str
) -> None:
    [record] = read(tmp_path, TIMED, f"id,when\n1,{when}\n")
    assert rejected(record).reason == reason
    assert says in rejected(record).sentence


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("day", "2026-03-01"),
        ('{column: day, format: "%d/%m/%Y"}', "01/03/2026"),
        ('{column: day, format: "%Y-%m-%d %H:%M"}', "2026-03-01 23:30"),
        ('{template: "{y}-{m}-01"}', "x"),
    ],
)
def test_days(tmp_path: Path, cell: str, text: str) -> None:
    mapping = f"""
type: touch
source: s
event_id: "{{id}}"
fields: {{channel: {{constant: c}}, account_id: {{constant: a}}, occurred_on: {cell}}}
"""
    [record] = read(tmp_path, mapping, f"id,day,y,m\n1,{text},2026,03\n")
    assert fields(record)["occurred_on"] == "2026-03-01"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (
            HEADER.replace("Account", "Acount"),
            "deals.csv has no column 'Account', which the mapping reads account_id from; "
            "have Deal, Won, Acount, Kind, Value, Months, Family, Edition, Note "
            "(did you mean Acount?)",
        ),
        (HEADER.replace("Deal", "Id"), "no column 'Deal', which the mapping reads event_id from"),
        (HEADER.replace("Family", "F"), "no column 'Family', which the mapping reads product from"),
        (HEADER.replace("Note", "N"), "no column 'Note', which the mapping reads properties.note"),
        (HEADER + ";Won", "has the column 'Won' twice; expected it once"),
        ("", "is empty; expected a row with the names of its columns"),
        ('Deal;"Won', "line 1: the row is no CSV"),
    ],
)
def test_a_wrong_header_is_said_before_anything_is_extracted(
    tmp_path: Path, header: str, says: str
) -> None:
    (tmp_path / "first.csv").write_text(f"{HEADER}\n{GOOD}\n")
    (tmp_path / "deals.csv").write_text(header)
    (tmp_path / "mapping.yaml").write_text(DEALS + 'delimiter: ";"')
    files = [str(tmp_path / "first.csv"), str(tmp_path / "deals.csv")]
    source = open_source("csv", {"files": files, "mapping": tmp_path / "mapping.yaml"})
    with pytest.raises(UsageError) as caught:
        next(source.read())
    assert says in str(caught.value)


def test_words_of_a_sheet_become_those_of_the_contract(tmp_path: Path) -> None:
    mapping = """
type: opportunity
source: s
event_id: "{id}"
fields:
  occurred_on: day
  opportunity_id: id
  account_id: id
  stage: {constant: Won}
  outcome: {column: won, replace: {Ja: won, Nein: lost}}
"""
    rows = "1,2026-03-01,Ja\n2,2026-03-01,Nein\n3,2026-03-01,\n4,2026-03-01,perhaps\n"
    records = read(tmp_path, mapping, "id,day,won\n" + rows)
    assert [fields(record).get("outcome") for record in records[:3]] == ["won", "lost", None]
    assert "'perhaps' is wrong" in rejected(records[3]).sentence
