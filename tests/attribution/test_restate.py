"""Credit restated equals credit from scratch, whatever came late, moved or went."""

from collections import Counter

import numpy as np
import psycopg2
import pytest

from attribution import fit, restate
from attribution.fit import Options, attribute
from attribution.journeys import load_journeys
from attribution.kept import load_effects, load_kept
from attribution.kernels import KERNELS
from attribution.leads import load_leads
from attribution.posterior import Posterior
from attribution.publish import Findings, write_findings
from attribution.runs import exclusive, read_snapshot, start_run
from bizops.database import opened
from bizops.errors import BizopsError, UsageError
from bizops.events import EVENT_TYPES
from bizops.models import MODELS
from bizops.simulation import simulate
from streams.decisions import unmerge
from streams.records import Record
from streams.store import Store

from .conftest import Story, insert, moment, query

DRAWS = 8
ROWS = {
    "conversions": "conversion_id, account_id, occurred_at, iacv, currency, segment",
    "credit": "model, conversion_id, touch_id, channel, campaign_id, touched_at",
    "credit_draws": "conversion_id, channel, campaign_id",
    "lead_credit": "model, lead_id, became_lead_at, channel, campaign_id",
    "credit_totals": "model, dimension, channel, campaign_id, currency",
}
FIGURES = {
    "conversions": "iacv::float8",
    "credit": "share",
    "credit_draws": "shares",
    "lead_credit": "share",
    "credit_totals": "array[conversions_mean, conversions_low, conversions_high,"
    " iacv_mean, iacv_low, iacv_high]",
}


def a_posterior(work, features, journeys):
    """Any draws will do: what is tested is what becomes of them."""
    random = np.random.default_rng(5)
    shape = len(features.channels)
    weights = random.dirichlet(np.ones(KERNELS), (DRAWS, shape))
    return Posterior(
        baseline=random.gamma(2.0, 1e-3, (DRAWS, len(features.baselines))),
        effect=random.gamma(0.7, 0.1, (DRAWS, len(features.unit_channel))),
        weights=weights,
        activity=random.gamma(2.0, 1.0, (DRAWS, len(features.activity_levels))),
        state=np.column_stack([np.ones(DRAWS), random.gamma(2.0, 0.5, DRAWS)]),
        saturation=random.gamma(1.0, 0.2, (DRAWS, shape)),
        synergy=random.normal(0.0, 0.5, (DRAWS, len(features.contexts.first), shape)),
        first=features.contexts.first,
        season=random.normal(0.0, 0.2, (DRAWS, features.calendar.shape[1])),
        association=random.gamma(2.0, 0.5, (DRAWS, shape)) * (np.arange(shape) == 0),
        channel_effect=random.gamma(2.0, 0.05, (DRAWS, shape)),
        effect_shape=random.gamma(2.0, 0.5, DRAWS),
    )


@pytest.fixture(autouse=True)
def no_sampling(monkeypatch):
    monkeypatch.setattr(fit._Work, "_fit", a_posterior)


def run(settings, **options):
    return attribute(settings, settings.database_url, Options(also=("all",), **options))


def rows(url, run_id):
    """What is stored of a run, with its figures apart from its keys."""
    found = {}
    for table, keys in ROWS.items():
        selected = query(
            url, f"select {FIGURES[table]}, {keys} from attribution.{table} where run_id = %s",
            run_id,
        )  # fmt: skip
        found[table] = {row[1:]: row[0] for row in selected}
        assert len(found[table]) == len(selected)
    return found


def assert_same(left, right):
    for table in ROWS:
        assert left[table].keys() == right[table].keys(), table
        for key, value in left[table].items():
            assert value == pytest.approx(right[table][key], rel=1e-6, abs=1e-12), (table, key)


def assert_whole(url, run_id):
    """Shares of each conversion sum to one in each model, and in each draw."""
    models = query(url, "select distinct model from attribution.credit where run_id = %s", run_id)
    assert query(
        url,
        "select conversion_id, model, sum(share) from attribution.conversions"
        " cross join unnest(%s) as model left join attribution.credit"
        " using (run_id, conversion_id, model) where run_id = %s group by 1, 2"
        " having sum(share) is null or abs(sum(share) - 1) > 1e-9",
        [model for (model,) in models], run_id,
    ) == []  # fmt: skip
    assert query(
        url,
        "select conversion_id, n from attribution.credit_draws,"
        " unnest(shares) with ordinality as draws (share, n) where run_id = %s"
        " group by 1, 2 having abs(sum(share::float8) - 1) > 1e-5",
        run_id,
    ) == []  # fmt: skip


def from_scratch(url, run_id, rules_only=False):
    """Another run, of all there is now, with the models of this one; left unpublished."""
    other = f"{run_id}-scratch"
    with opened(url) as connection:
        start_run(url, other, moment("2026-01-01")[0], {})
        kept = load_kept(connection, run_id)
        journeys = load_journeys(connection, None, kept.units if kept else ())
        effects = load_effects(connection, run_id)
        findings = Findings(journeys, load_leads(connection, journeys), effects=effects)
        restate.credit_now(findings, kept, MODELS[1:] if rules_only else MODELS, 90.0)
        blank = dict.fromkeys(("data", "diagnostics", "timings", "data_until", "artifact"))
        write_findings(connection, other, findings, **blank, **read_snapshot(connection))
    query(url, "update attribution.runs set status = 'failed' where run_id = %s", other)
    return rows(url, other)


def physical(url, table, key="conversion_id"):
    """Where each row is and which transaction wrote it."""
    found = query(url, f"select {key}, ctid::text, xmin::text from attribution.{table}")
    return Counter(found)


def store(url, events, first=0):
    connection = psycopg2.connect(url)
    try:
        writer = Store(connection)
        for start in range(0, len(events), 500):
            writer.write(
                [
                    Record(event.topic, 0, first + start + n, 1_780_000_000 + first + start + n,
                           b"k", event.model_dump_json(exclude_none=True).encode())
                    for n, event in enumerate(events[start : start + 500])
                ]
            )  # fmt: skip
    finally:
        connection.close()


@pytest.fixture(scope="module")
def company():
    told = ("touch", "revenue", "identity", "account", "opportunity")
    return [event for event in simulate(11, 70, 12).events if event.type in told]


@pytest.mark.parametrize(("seed", "rules_only"), [(1, False), (2, False), (3, True)])
def test_late_events_and_forgotten_ones_leave_what_scratch_would_give(
    settings, company, seed, rules_only
):
    url = settings.database_url
    random = np.random.default_rng(seed)
    late = random.random(len(company)) < 0.15
    store(url, [event for event, is_late in zip(company, late, strict=True) if not is_late])
    done = run(settings, rules_only=rules_only)
    store(url, [e for e, is_late in zip(company, late, strict=True) if is_late], len(company))
    lost = random.choice([e.event_id for e in company if e.type == "touch"], 60, replace=False)
    query(url, "delete from stream.touches where event_id = any(%s)", list(lost))
    query(url, "update attribution.credit set touch_id = 'erased' where touch_id = any(%s)",
          list(lost[:30]))  # fmt: skip
    query(url, "delete from stream.revenue where event_id in"
          " (select event_id from stream.revenue order by md5(event_id) limit 2)")  # fmt: skip

    what = restate.restate(url, forgotten=True)
    assert what.run_id == done.run_id
    assert what.conversions > 5
    assert {"late touch", "forgotten", "new conversion"} <= what.reasons.keys()
    restated = rows(url, done.run_id)
    assert_whole(url, done.run_id)
    assert_same(restated, from_scratch(url, done.run_id, rules_only))
    assert query(
        url, "select count(*) from attribution.conversions where run_id = %s and provisional",
        done.run_id,
    )[0][0] == what.reasons["new conversion"]  # fmt: skip
    again = restate.restate(url)
    assert (again.conversions, again.leads, again.restated_at) == (0, 0, None)


@pytest.mark.parametrize("rules_only", [False, True])
def test_nothing_changed_gives_the_same_rows_to_the_last_bit(settings, company, rules_only):
    url = settings.database_url
    store(url, company)
    done = run(settings, rules_only=rules_only)
    before = rows(url, done.run_id)
    places = {table: physical(url, table, "run_id") for table in ROWS}
    assert restate.restate(url).restated_at is None
    assert places == {table: physical(url, table, "run_id") for table in ROWS}

    accounts = [account for (account,) in query(url, "select account_id from stream.revenue")]
    assert restate.restate(url, accounts).restated_at is not None
    after = rows(url, done.run_id)
    for table in ("conversions", "credit", "credit_draws", "lead_credit"):
        assert after[table] == before[table]
    assert_same(after, before)
    assert query(url, "select count(*) from attribution.conversions where provisional") == [(0,)]


def test_only_what_changed_is_written(settings):
    url = settings.database_url
    story = Story()
    for name in ("acme", "bolt", "core"):
        story.account(name, "2026-01-01").touch(name, "2026-01-02", "ads", "a")
        story.touch(name, "2026-01-03", "mail", "b").sale(name, "2026-02-01")
    story.store(url)
    run(settings)
    tables = ("conversions", "credit", "credit_draws")
    before = {table: physical(url, table) for table in tables}
    query_insert(url, "touches", "late", "2026-01-20", account_id="bolt", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    query_insert(url, "touches", "after", "2026-03-01", account_id="core", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    query_insert(url, "touches", "no-sale", "2026-01-10", account_id="dune", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    what = restate.restate(url)
    assert (what.conversions, what.reasons) == (1, {"late touch": 1})
    for table in tables:
        changed = {key for key, *_ in (physical(url, table) - before[table])}
        assert changed == {"r0001"}, table
    ((logged, reasons),) = query(url, "select conversions, reasons from attribution.restatements")
    assert (logged, reasons) == (1, {"late touch": 1})


def query_insert(url, *row, **columns):
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        insert(cursor, *row, **columns)
    connection.close()


EVENTS = [
    {"type": "touch", "event_id": "t1", "channel": "ads", "campaign_id": "a", "anonymous_id": "v"},
    {"type": "touch", "event_id": "t2", "channel": "mail", "campaign_id": "b",
     "email": "ada@acme.example", "account_id": "acme"},
    {"type": "touch", "event_id": "t3", "channel": "ads", "campaign_id": "a", "lead_id": "L"},
    {"type": "revenue", "event_id": "r1", "account_id": "acme", "kind": "new", "iacv": "10.00",
     "currency": "EUR"},
    {"type": "revenue", "event_id": "r2", "account_id": "bolt", "kind": "new", "iacv": "10.00",
     "currency": "EUR"},
]  # fmt: skip


def tell(url, *events, first=0):
    """Store events that happen a day after each other."""
    told = [
        {"source": "test", "occurred_at": f"2026-01-{first + n + 1:02}T10:00:00Z"} | event
        for n, event in enumerate(events)
    ]
    store(url, [EVENT_TYPES[event["type"]].model_validate(event) for event in told], first)


def touches_of(url, conversion):
    found = query(
        url, "select touch_id from attribution.credit where model = 'bayesian'"
        " and conversion_id = %s and touch_id is not null", conversion,
    )  # fmt: skip
    return {touch for (touch,) in found}


def test_a_merge_brings_touches_and_takes_them(settings):
    url = settings.database_url
    tell(url, *EVENTS)
    done = run(settings)
    assert (touches_of(url, "r1"), touches_of(url, "r2")) == ({"t2"}, set())
    identity = {"type": "identity", "occurred_at": "2026-01-01T10:00:00Z"}
    tell(url, identity | {"event_id": "i1", "anonymous_id": "v", "email": "ada@acme.example"},
         first=10)  # fmt: skip
    what = restate.restate(url)
    assert (what.conversions, what.reasons) == (1, {"identity": 1})
    assert (touches_of(url, "r1"), touches_of(url, "r2")) == ({"t1", "t2"}, set())

    # a stronger identifier says that the visitor is bolt's
    tell(url, identity | {"event_id": "i2", "anonymous_id": "v", "user_id": "u"},
         identity | {"event_id": "i3", "user_id": "u", "account_id": "bolt"}, first=20)  # fmt: skip
    what = restate.restate(url)
    assert (what.conversions, what.reasons) == (2, {"identity": 2})
    assert (touches_of(url, "r1"), touches_of(url, "r2")) == ({"t2"}, {"t1"})
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def test_a_cut_takes_touches_from_the_one_who_stays(settings):
    url = settings.database_url
    tell(
        url,
        {"type": "touch", "event_id": "t1", "channel": "ads", "campaign_id": "a",
         "anonymous_id": "v", "account_id": "acme"},
        {"type": "touch", "event_id": "t2", "channel": "mail", "campaign_id": "b",
         "email": "ada@mail.example"},
        {"type": "identity", "event_id": "i1", "anonymous_id": "v", "email": "ada@mail.example"},
        EVENTS[3],
    )  # fmt: skip
    done = run(settings)
    assert touches_of(url, "r1") == {"t1", "t2"}
    with opened(url) as connection, connection.cursor() as cursor:
        unmerge(cursor, "anonymous_id:v", "email:ada@mail.example", by="test")
    what = restate.restate(url)
    assert (what.conversions, what.reasons) == (1, {"identity": 1})
    assert touches_of(url, "r1") == {"t1"}
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def test_leads_without_a_conversion_are_restated_too(settings):
    url = settings.database_url
    tell(url, *EVENTS)
    done = run(settings)
    tell(url, {"type": "touch", "event_id": "t9", "occurred_at": "2025-12-24T10:00:00Z",
               "channel": "mail", "campaign_id": "b", "lead_id": "L"}, first=10)  # fmt: skip
    what = restate.restate(url)
    assert (what.conversions, what.leads) == (0, 1)
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))
    query(url, "delete from stream.touches where lead_id = 'L'")
    assert restate.restate(url).leads == 1
    assert query(url, "select count(*) from attribution.lead_credit where run_id = %s",
                 done.run_id) == [(0,)]  # fmt: skip


def test_a_lead_without_touches_whose_account_becomes_known_is_restated(settings):
    url = settings.database_url
    tell(
        url,
        {"type": "touch", "event_id": "t1", "channel": "ads", "campaign_id": "a",
         "account_id": "acme"},
        EVENTS[4],
        {"type": "identity", "event_id": "i1", "lead_id": "L", "email": "ada@acme.example"},
    )  # fmt: skip
    done = run(settings)
    tell(url, {"type": "account", "event_id": "a1", "account_id": "acme",
               "domain": "acme.example"}, first=10)  # fmt: skip
    assert restate.restate(url).leads == 1
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def test_leads_of_an_account_that_a_touch_leaves_are_restated(settings):
    url = settings.database_url
    identity = {"type": "identity", "occurred_at": "2026-01-01T12:00:00Z"}
    tell(
        url,
        EVENTS[0],
        EVENTS[4],
        identity | {"event_id": "i1", "anonymous_id": "v", "email": "ada@mail.example"},
        identity | {"event_id": "i2", "email": "ada@mail.example", "account_id": "acme"},
        {"type": "identity", "event_id": "i3", "lead_id": "L2", "account_id": "acme"},
    )
    done = run(settings)
    tell(url, identity | {"event_id": "i4", "anonymous_id": "v", "user_id": "u",
                          "account_id": "bolt"}, first=10)  # fmt: skip
    assert restate.restate(url).leads == 1
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def test_campaigns_and_segments_that_the_fit_did_not_know(settings):
    url = settings.database_url
    Story().account("acme", "2026-01-01").touch("acme", "2026-01-02", "ads", "a").sale(
        "acme", "2026-02-01"
    ).store(url)
    done = run(settings)
    for event_id, channel, campaign in (("n1", "ads", "new"), ("n2", "radio", "r")):
        query_insert(url, "touches", event_id, "2026-01-20", account_id="acme", channel=channel,
                     campaign_id=campaign, properties="{}")  # fmt: skip
    query_insert(url, "accounts", "a9", "2026-01-25", account_id="acme", segment="enterprise")
    what = restate.restate(url)
    assert what.reasons == {"late touch": 1, "segment": 1}
    assert what.new_campaigns == ["ads / new", "radio / r"]
    shares = dict(
        query(url, "select touch_id, share from attribution.credit where model = 'bayesian'")
    )
    assert shares["n1"] > 0
    assert shares["n2"] == 0
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def milestones(url, model="w_shaped"):
    return dict(
        query(url, "select touch_id, share from attribution.credit where model = %s", model)
    )


def test_a_lead_of_before_moves_the_milestone(settings):
    """No touch changed, but the one at which the account became known is another."""
    url = settings.database_url
    story = Story().sale("acme", "2026-02-01").sale("bolt", "2026-02-01")
    for day in range(1, 5):
        story.touch("acme", f"2026-01-0{day}")
    story.lead("acme", "2026-01-03").lead("acme", "2026-01-09").store(url)
    done = run(settings)
    assert milestones(url)["t0002"] == pytest.approx(0.3)
    # neither a later lead, nor one after the sale of an account that had none, changes anything
    query_insert(url, "identities", "i1", "2026-01-04", account_id="acme", lead_id="later")
    query_insert(url, "identities", "i2", "2026-03-01", account_id="bolt", lead_id="bolts")
    assert restate.restate(url).conversions == 0
    query_insert(url, "identities", "i3", "2026-01-02", account_id="acme", lead_id="sooner")
    what = restate.restate(url)
    assert what.reasons == {"lead": 1}
    assert milestones(url) == pytest.approx(
        {"t0000": 0.3, "t0001": 0.3, "t0002": 0.1, "t0003": 0.3, None: 1}
    )
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))
    query(url, "delete from stream.identities")
    assert restate.restate(url).reasons == {"lead": 1}
    assert milestones(url)["t0003"] == pytest.approx(0.4)
    assert restate.restate(url).conversions == 0


def test_removal_effects_are_those_of_the_run(settings):
    """Restating does not make another chain; a new campaign counts as its channel's mean."""
    url = settings.database_url
    story = Story()
    for account, campaigns in (("acme", "ab"), ("bolt", "b"), ("core", "a"), ("dune", "ac")):
        for day, campaign in enumerate(campaigns, 1):
            story.touch(account, f"2026-01-0{day}", "mail" if campaign == "c" else "ads", campaign)
        if account != "core":
            story.sale(account, "2026-02-01")
    story.store(url)
    done = run(settings)
    stored = "select model, campaign_id, effect from attribution.removal_effects order by 1, 2"
    before = query(url, stored)
    assert {model for model, *_ in before} == {f"markov_{order}" for order in range(1, 5)}
    effect = {campaign: value for model, campaign, value in before if model == "markov_1"}
    for event_id, channel, campaign in (("n1", "ads", "new"), ("n2", "radio", "r")):
        query_insert(url, "touches", event_id, "2026-01-20", account_id="acme", channel=channel,
                     campaign_id=campaign, properties="{}")  # fmt: skip
    query_insert(url, "touches", "n3", "2026-01-20", account_id="fjord", channel="radio",
                 campaign_id="r", properties="{}")  # fmt: skip
    query_insert(url, "revenue", "r9", "2026-02-01", account_id="fjord", kind="new", iacv="5.00",
                 currency="USD", properties="{}")  # fmt: skip
    what = restate.restate(url)
    assert what.reasons == {"late touch": 1, "new conversion": 1}
    assert query(url, stored) == before
    shares = milestones(url, "markov_1")
    mean = (effect["a"] + effect["b"]) / 2
    assert shares["n1"] == pytest.approx(mean / (effect["a"] + effect["b"] + mean))
    assert "n2" not in shares  # nothing is known of its channel
    assert shares["n3"] == 1  # and nothing else was there
    assert_whole(url, done.run_id)
    assert_same(rows(url, done.run_id), from_scratch(url, done.run_id))


def test_a_run_of_five_rules_keeps_to_them(settings):
    url = settings.database_url
    Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01").store(url)
    run(settings, rules_only=True)
    five = ["first_touch", "last_touch", "linear", "time_decay", "position_based"]
    for table in ("credit", "credit_totals", "lead_credit"):
        query(url, f"delete from attribution.{table} where model <> all(%s)", five)
    query(url, "update attribution.runs set settings = settings - 'rules'")
    query_insert(url, "touches", "late", "2026-01-20", account_id="acme", channel="ads",
                 campaign_id="a", properties="{}")  # fmt: skip
    assert restate.restate(url).reasons == {"late touch": 1}
    found = query(url, "select distinct model from attribution.credit")
    assert sorted(found) == sorted((name,) for name in five)


def test_some_accounts_only(settings):
    url = settings.database_url
    Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01").touch("bolt", "2026-01-02").sale(
        "bolt", "2026-02-01"
    ).store(url)
    run(settings)
    for name in ("acme", "bolt"):
        query_insert(url, "touches", f"late-{name}", "2026-01-20", account_id=name,
                     channel="ads", campaign_id="a", properties="{}")  # fmt: skip
    assert restate.restate(url, ["acme"]).conversions == 1
    assert restate.restate(url).conversions == 1
    assert restate.restate(url).conversions == 0


def test_a_failure_leaves_the_old_rows(settings, company, monkeypatch):
    url = settings.database_url
    store(url, company[:-300])
    done = run(settings)
    before = rows(url, done.run_id)
    store(url, company[-300:], len(company))
    monkeypatch.setattr(restate, "write_totals", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        restate.restate(url)
    assert rows(url, done.run_id) == before
    monkeypatch.undo()
    assert restate.restate(url).conversions > 0


def test_without_a_run_there_is_nothing_to_restate(settings):
    assert restate.restate(settings.database_url) is None


def test_a_run_of_before(settings):
    Story().touch("acme", "2026-01-02").sale("acme", "2026-02-01").store(settings.database_url)
    run(settings)
    query(settings.database_url, "update attribution.runs set seen = null")
    with pytest.raises(UsageError, match="could not restate"):
        restate.restate(settings.database_url)


def test_not_while_a_run_is_made(settings):
    with exclusive(settings.database_url), pytest.raises(BizopsError, match="another"):
        restate.restate(settings.database_url)
