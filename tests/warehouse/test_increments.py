"""What is brought up to date day by day is what a full build gives, whatever came late or moved."""

from contextlib import closing
from dataclasses import replace
from random import Random

import psycopg2
import pytest

from attribution.fit import Options, attribute
from attribution.live import Live
from bizops.errors import ServiceError
from bizops.events import AnyEvent, build_event
from bizops.simulation import simulate
from streams.records import Record
from streams.store import Store
from warehouse import sums
from warehouse.changes import credit_change
from warehouse.transform import transform

from .conftest import execute

pytestmark = pytest.mark.slow

TABLES = (
    "intermediate.int_touches", "intermediate.int_touch_counts", "intermediate.int_touch_subjects",
    "intermediate.int_credit", "intermediate.int_credit_sums", "intermediate.int_metric_distincts",
    "intermediate.int_attributed_leads", "intermediate.int_spend", "marts.campaign_performance",
    "marts.channel_performance", "warehouse.credit_intervals",
)  # fmt: skip
COLUMNS = """
select string_agg(
    case data_type when 'double precision' then format('round(%I::numeric, 5)', column_name)
    else quote_ident(column_name) end, ', ' order by ordinal_position)
from information_schema.columns where format('%s.%s', table_schema, table_name) = '{table}'
"""


DRAWS = """
with mean as (
    insert into attribution.credit (run_id, model, conversion_id, touch_id, channel, campaign_id,
        touched_at, share)
    select run_id, 'bayesian', conversion_id, touch_id, channel, campaign_id, touched_at, share
    from attribution.credit c
    where model = 'linear' and not exists (
        select from attribution.credit_draws d
        where d.run_id = c.run_id and d.conversion_id = c.conversion_id
    )
    returning *
)
insert into attribution.credit_draws (run_id, conversion_id, channel, campaign_id, shares)
select run_id, conversion_id, channel, campaign_id, array(
    select (share * (0.5 + abs(hashtext(conversion_id || channel || draw)) % 1000 / 1000.0))::real
    from generate_series(1, 20) draw
)
from (select run_id, conversion_id, channel, campaign_id, sum(share) as share from mean
    group by 1, 2, 3, 4) summed
"""
"""Credit of the model as one rule has it, with doubt, of conversions that have none yet."""


NOBODY = """
update stream.touches set lead_id = 'test' where lead_id <> 'test' and hashtext(event_id) % 20 = 0
"""
"""Leads of one name that is no identifier, whose touches are several persons'."""
LATE = """
insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, kind, iacv, currency, properties)
values ('late', 'test', now(), '', '2026-05-05', false, 'bolt', 'expansion', 70, 'USD', '{}');
insert into stream.touches (event_id, source, received_at, content_hash, occurred_at, day_only,
    channel, campaign_id, lead_id, identifier_id, properties)
values ('late', 'test', now(), '', '2026-05-05', false, 'email', 'welcome', 'L2',
    '00000000-0000-0000-0000-000000000002', '{}');
update stream.spend set campaign_id = 'spring', channel = 'ads' where event_id = 's1'
"""


def store(database_url: str, events: list[AnyEvent], first: int) -> None:
    records = [
        Record(event.topic, 0, first + place, 1.78e9 + first + place, b"k", event.to_json())
        for place, event in enumerate(events)
    ]
    connection = psycopg2.connect(database_url)
    try:
        assert not Store(connection).write(records).letters
    finally:
        connection.close()


def contents(database_url: str) -> dict[str, set]:
    found = {}
    for table in TABLES:
        ((columns,),) = execute(database_url, COLUMNS.format(table=table))
        found[table] = set(execute(database_url, f"select {columns} from {table}"))
    return found


def history(seed: int) -> list[list[AnyEvent]]:
    """A company's events as they may arrive: most in order, some late, in three parts."""
    random = Random(seed)
    world = simulate(seed=seed, accounts=60, months=6)
    events = [event for event in world.events if event.type != "lift_test"]
    late = {e.event_id for e in events if e.type != "campaign" and random.random() < 0.05}
    in_time = [event for event in events if event.event_id not in late]
    cut = [int(len(in_time) * share) for share in (0.8, 0.9)]
    parts = [in_time[: cut[0]], in_time[cut[0] : cut[1]], in_time[cut[1] :]]
    for event in events:
        if event.event_id in late:
            parts[random.choice((1, 2))].append(event)
    return parts


def merges(events: list[AnyEvent], random: Random) -> list[AnyEvent]:
    """Facts that make one person of two leads, and move people to another account."""
    leads = sorted({lead for event in events if (lead := getattr(event, "lead_id", None))})
    accounts = sorted({event.account_id for event in events if event.type == "account"})
    made = []
    for number in range(4):
        one, other = random.sample(leads, 2)
        fields = {"lead_id": one, "previous_lead_id": other}
        if number % 2:
            fields = {"lead_id": one, "account_id": random.choice(accounts)}
        made.append(
            build_event({"type": "identity", "event_id": f"merge-{number}", "source": "test",
                         "occurred_at": "2020-01-01T00:00:00Z"} | fields)
        )  # fmt: skip
    return made


def corrected(events: list[AnyEvent], random: Random) -> list[AnyEvent]:
    """Spend that was something else after all, or of another day."""
    spend = random.sample([event for event in events if event.type == "spend"], 6)
    moved = spend[3].model_copy(update={"date": spend[4].date})
    return [event.model_copy(update={"amount": event.amount * 2}) for event in spend[:3]] + [moved]


@pytest.mark.parametrize("seed", [1])
def test_day_by_day_is_as_all_at_once(settings, monkeypatch, seed):
    random = Random(seed)
    changes = []
    monkeypatch.setattr(
        sums, "credit_change", lambda *of: changes.append(credit_change(*of)) or changes[-1]
    )
    url = settings.database_url
    before, *days = history(seed)
    store(url, before, 0)
    execute(url, NOBODY)
    attribute(settings, url, Options(rules_only=True))
    execute(url, DRAWS)
    assert transform(settings, url).is_full
    for number, day in enumerate(days, start=1):
        late = merges(before, random) if number == 1 else corrected(before, random)
        random.shuffle(day)
        store(url, [*day, *late], number * 1_000_000)
        execute(url, NOBODY)
        with closing(Live(url)) as live:
            live.credit_new()
        execute(url, DRAWS)
        assert not transform(settings, url).is_full
        change = changes[-1]
        assert (bool(change.conversions), bool(change.others), change.whole) == (True, True, False)
        assert change.moved or number > 1
        found = contents(url)
        assert transform(settings, url, full=True).is_full
        for table, rows in contents(url).items():
            assert found[table] ^ rows == set(), table
    again = transform(settings, url)
    assert not again.is_full
    assert again.rows["campaign_performance"] == 0


def test_deals_of_a_run_that_had_none_are_added(settings):
    """Its totals are empty, for it was fitted before the first deal; `bizops live` writes none."""
    url = settings.database_url
    events = [event for part in history(2) for event in part]
    deals = [event for event in events if event.type == "revenue" and event.kind == "new"]
    store(url, [event for event in events if event.type != "revenue"], 0)
    attribute(settings, url, Options(rules_only=True))
    assert transform(settings, url).is_full
    for number, some in enumerate((deals[:4], deals[4:5], deals[5:8]), start=1):
        store(url, some, number * 1_000_000)
        with closing(Live(url)) as live:
            live.credit_new()
        assert transform(settings, url).is_full == (number == 1)
    found = contents(url)
    assert found["marts.channel_performance"]
    assert transform(settings, url, full=True).is_full
    for table, rows in contents(url).items():
        assert found[table] ^ rows == set(), table


def test_what_comes_while_marts_are_made_is_left_for_the_next_time(
    settings, tiny_database, monkeypatch
):
    """A deal, a touch and a correction between the snapshot and dbt: in neither, then in both."""
    assert transform(settings, tiny_database).is_full

    def late(*asked, **options):
        known = sums.sum_credit(*asked, **options)
        execute(tiny_database, LATE)
        return known

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.transform.sum_credit", late)
        assert not transform(settings, tiny_database).is_full
    assert not transform(settings, tiny_database).is_full
    found = contents(tiny_database)
    assert transform(settings, tiny_database, full=True).is_full
    for table, rows in contents(tiny_database).items():
        assert found[table] ^ rows == set(), table
    asked = "select spend from marts.campaign_performance where period = 'all' and campaign_id = {}"
    assert {row[0] for row in execute(tiny_database, asked.format("'welcome'"))} == {None}


def test_what_was_not_built_with_the_rest_is_not_forgotten(settings, tiny_database):
    """After some marts only, or a failure, others hold less than was seen: all is made anew."""
    assert transform(settings, tiny_database).is_full
    assert not transform(settings, tiny_database, select=("account_timeline",)).is_full
    assert transform(settings, tiny_database).is_full
    execute(tiny_database, "delete from attribution.credit where channel = 'ads'")
    with pytest.raises(ServiceError, match="adds_up"):
        transform(settings, tiny_database, full=True)
    assert execute(tiny_database, "select is_built from warehouse.transforms") == [(False,)]


def test_what_figures_are_told_with_makes_all_anew(settings, tiny_database):
    assert transform(settings, tiny_database).is_full
    assert not transform(settings, tiny_database).is_full
    assert transform(replace(settings, currency="EUR"), tiny_database).is_full
    assert transform(settings, tiny_database, margin=0.8).is_full
    assert not transform(settings, tiny_database, margin=0.8).is_full
    execute(tiny_database, "insert into stream.erasures (hash, rows) values ('', '{}')")
    assert transform(settings, tiny_database, margin=0.8).is_full
    assert not transform(settings, tiny_database, margin=0.8).is_full
    execute(tiny_database, "update attribution.runs set status = 'failed' where run_id = 'run-1'")
    assert transform(settings, tiny_database, margin=0.8).is_full
