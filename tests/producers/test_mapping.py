"""Each way a mapping file can be wrong is one sentence, before anything is extracted."""

from pathlib import Path

import pytest

from bizops.errors import UsageError
from bizops.events import EVENT_TYPES
from producers.cells import kind_of
from producers.mapping import load_mapping

GOOD = """\
type: touch
source: olist
event_id: "olist:mql:{mql_id}"
fields:
  occurred_at: {column: at, format: "%Y", timezone: UTC}
  channel: {column: origin}
  account_id: mql_id
"""


def test_columns_and_what_they_are_read_for(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(GOOD + "properties: {page: '{}'}".replace("'{}'", "page"))
    mapping = load_mapping(tmp_path / "m.yaml")
    assert mapping.columns == {
        "mql_id": "account_id",
        "at": "occurred_at",
        "origin": "channel",
        "page": "properties.page",
    }


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("type: touch", "type: tuoch", "no type 'tuoch'; have account, application, "),
        ("type: touch", "type: tuoch", "(did you mean touch?)"),
        ("type: touch\n", "", "no type; it is required"),
        ("source: olist\n", "", "no source; it is required"),
        ("event_id", "evnt_id", "unknown key 'evnt_id'; have type, source, event_id"),
        (
            'event_id: "olist:mql:{mql_id}"\n',
            "",
            "no event_id; expected a template over columns that tell rows apart, such as "
            '"orders:{order_id}"',
        ),
        ("{mql_id}", "", "the same for each row; expected columns that tell rows apart"),
        ("{mql_id}", "{mql_id", "a brace too many; expected columns as {column}"),
        ("channel:", "chanel:", "touch has no field 'chanel'; have occurred_at, occurred_on, "),
        ("channel:", "chanel:", "(did you mean channel?)"),
        ("  channel: {column: origin}\n", "", "touch needs a field channel; have none"),
        (
            "  occurred_at",
            "  lead_id: a\n  utm_term",
            "needs a field occurred_at (or occurred_on, if",
        ),
        (
            "{column: origin}",
            "{colum: origin}",
            "unknown key 'fields.channel.colum'; have column, ",
        ),
        ("{column: origin}", "{}", "fields.channel: expected one of column, template, constant"),
        (
            "{column: origin}",
            "{column: a, constant: b}",
            "expected one of column, template, constant",
        ),
        ("{column: origin}", "{constant: b, empty: c}", "a constant has no empty"),
        ("{column: origin}", "{constant: 12}", "12 is no text; expected it, in quotes if"),
        ("{column: origin}", "{constant: NO}", "False is no text; expected it, in quotes"),
        ("{column: origin}", "{template: 'a}'}", "a brace too many"),
        ("{column: origin}", "[origin]", "fields.channel: "),
        ("{column: origin}", "{column: o, decimal: x}", "fields.channel.decimal: "),
        ("{column: origin}", "{column: o, thousands: .}", "the same mark; expected two"),
        ("{column: origin}", "{column: o, strip: ''}", "fields.channel.strip: "),
        (
            "UTC",
            "Amerika/Sao_Paulo",
            "fields.occurred_at.timezone: no timezone 'Amerika/Sao_Paulo'",
        ),
        ("UTC", "/etc/passwd", "expected a name such as America/Sao_Paulo or UTC"),
        ("UTC", "America", "no timezone 'America'"),
        (", timezone: UTC", "", "has no offset from UTC; expected a `timezone:` beside it"),
        (
            "fields:",
            "source: twice\nfields:",
            "line 4 is not YAML: the key 'source' is given twice",
        ),
        ("fields:", "fields: {", "is not YAML: "),
        ("fields:", "\tfields:", "line 4 is not YAML: found character '\\t'"),
        ("fields:", "encoding: utf-17\nfields:", "encoding: cannot read files in 'utf-17'"),
        ("fields:", "encoding: utf-16\nfields:", "expected utf-8, cp1252, latin-1"),
        ("fields:", "encoding: base64\nfields:", "cannot read files in 'base64'"),
        ("fields:", "delimiter: ab\nfields:", "delimiter: "),
        ("fields:", "delimiter: '\"'\nfields:", "delimiter: "),
        ("  account_id: mql_id", "  event_id: mql_id", "event_id stands beside fields, not in it"),
        ("  account_id: mql_id", "  schema_version: a", "touch has no field 'schema_version'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    file = tmp_path / "m.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_mapping(file)
    assert str(caught.value).startswith(f"mapping {file}")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "hello", "[1, 2]", "12"])
def test_a_file_that_is_no_mapping(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.yaml").write_text(content)
    with pytest.raises(UsageError, match="expected keys type, source, event_id, fields"):
        load_mapping(tmp_path / "m.yaml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read mapping .*: no such file or directory"):
        load_mapping(tmp_path / "m.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        load_mapping(tmp_path)
    (tmp_path / "latin").write_bytes(b"type: \xe9")
    with pytest.raises(UsageError, match="is not UTF-8; expected YAML in UTF-8"):
        load_mapping(tmp_path / "latin")


def test_properties_where_the_type_has_none(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "type: spend\nsource: s\nevent_id: '{a}'\nproperties: {a: a}\n"
        "fields: {date: a, campaign_id: a, channel: a, amount: a, currency: a}\n"
    )
    with pytest.raises(UsageError, match="spend has no properties; expected none"):
        load_mapping(tmp_path / "m.yaml")


def test_every_field_of_the_contract_has_a_kind() -> None:
    kinds = {
        f"{event_type}.{name}": kind_of(field).__name__
        for event_type, model in EVENT_TYPES.items()
        for name, field in model.model_fields.items()
    }
    assert kinds["touch.occurred_at"] == "datetime"
    assert (
        kinds["touch.occurred_on"] == kinds["spend.date"] == kinds["campaign.starts_on"] == "date"
    )
    assert kinds["revenue.iacv"] == kinds["revenue.arr"] == kinds["spend.amount"] == "Decimal"
    assert kinds["spend.clicks"] == kinds["revenue.term_months"] == "int"
    assert kinds["lift_test.holdout_share"] == kinds["lift_test.standard_error"] == "float"
    assert kinds["opportunity.outcome"] == "str"
    assert kinds["merge_request.is_community"] == "bool"
    assert kinds["exchange_rate.rate"] == "Decimal"
    assert kinds["touch.channel"] == kinds["touch.email"] == kinds["revenue.currency"] == "str"
