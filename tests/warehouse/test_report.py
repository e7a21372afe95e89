"""Every figure of the three accounts of tiny.sql, worked out by hand."""

import json
from datetime import date

import pytest

from bizops.database import opened
from bizops.errors import UsageError
from bizops.models import MODELS
from warehouse.figures import Group
from warehouse.formats import describe_run
from warehouse.question import Question
from warehouse.report import Report, report
from warehouse.side_by_side import side_by_side

from .conftest import CREDITED_SINCE, execute

# customers by the month: acme and coda 2026-01-11 to 2027-01-11, eleven whole months and half of
# one in which a loss may still be told; bolt 2026-02-11 to its churn 2026-08-11
RETENTION_YEARS = (2 * 11 / 12 + 181 / 365.25) / 1


def ask(database_url: str, credit_rows=None, **question) -> Report:
    with opened(database_url) as connection:
        return report(connection, Question(**question), credit_rows=credit_rows)


def by_key(found: Report) -> dict:
    return {row.group[:3]: row for row in found.rows}


def test_channels_by_the_bayesian_model(tiny_database):
    ads, email, web, baseline = ask(tiny_database, margin=0.8).rows
    assert [row.group.key for row in (ads, email, web, baseline)] == [
        "ads",
        "email",
        "web",
        "(baseline)",
    ]
    assert (ads.touches, ads.leads, ads.attributed_leads) == (2, 2, pytest.approx(0.8))
    assert (ads.spend, ads.cost_per_lead) == (400.0, pytest.approx(500))
    # r1 + r2 + r3, draw by draw: .4+.6+.5, .6+.4+.5: the sum is certain though its parts are not
    assert ads.attributed_conversions[:3] == pytest.approx((1.5, 1.5, 1.5))
    # 1000 x .4 + 500 x .6 + 200 x .5 = 800, and 1000 x .6 + 500 x .4 + 100 = 900
    assert ads.attributed_iacv[:3] == pytest.approx((850, 800, 900), rel=1e-6)
    assert ads.incremental_conversions[:3] == pytest.approx((4, 3, 5))
    # 5 days (.5 of credit), 32 (.5), 54 (.5): half of 1.5 is reached at 32
    assert ads.median_conversion_days == pytest.approx(32)
    assert ads.iacv_at_median_conversion_time == pytest.approx(1000 * 0.5 + 500 * 0.5)
    assert ads.estimated_iacv == pytest.approx(1500)
    assert ads.cac.value == pytest.approx(400 / 1.5)
    assert ads.ltv.value == pytest.approx(850 / 1.5 * 0.8 * RETENTION_YEARS, rel=1e-6)
    assert ads.roi.value == pytest.approx(ads.ltv.value / ads.cac.value)
    assert ads.currency == "USD"

    assert (email.touches, email.leads, email.attributed_leads) == (2, 2, pytest.approx(1))
    assert email.attributed_conversions[:3] == pytest.approx(
        (0.5, 0.0, 0.55)
    )  # under one: low end 0
    assert email.attributed_iacv[:3] == pytest.approx((375, 325, 425), rel=1e-6)
    assert email.median_conversion_days == pytest.approx(10)
    assert email.estimated_iacv == pytest.approx(2 * 375)
    assert (email.cost_per_lead, email.cac.value) == (pytest.approx(100), pytest.approx(200))


def test_what_cannot_be_known_is_null(tiny_database):
    ads, _, web, baseline = ask(tiny_database).rows
    assert (web.touches, web.leads, web.attributed_leads) == (1, 0, 0.0)
    assert web.attributed_iacv[:3] == (0.0, 0.0, 0.0)
    unknown = (web.spend, web.cost_per_lead, web.cac, web.ltv, web.roi)
    unknown += (web.median_conversion_days, web.iacv_at_median_conversion_time, web.estimated_iacv)
    assert unknown == (None,) * 8
    assert (ads.ltv, ads.roi) == (None, None)  # no margin was given
    assert (baseline.touches, baseline.leads, baseline.spend, baseline.cac) == (None,) * 4
    assert (baseline.incremental_conversions, baseline.ltv) == (None, None)
    execute(tiny_database, "delete from stream.revenue where kind = 'churn'")
    ads = ask(tiny_database, margin=0.8).rows[0]
    assert (ads.ltv, ads.roi) == (None, None)  # nobody was ever lost


def test_the_baseline_is_the_rest_of_all_iacv(tiny_database):
    baseline = ask(tiny_database).rows[-1]
    assert baseline.group[:3] == ("(baseline)", "", None)
    assert baseline.attributed_leads == pytest.approx(0.2)
    assert baseline.attributed_conversions[:3] == pytest.approx((1.0, 0.0, 1.05), rel=1e-6)
    # 1,700 less 1,125 or 1,325, and 550 that were lost
    assert baseline.attributed_iacv[:3] == pytest.approx(
        (475 - 550, 375 - 550, 575 - 550), rel=1e-5
    )


@pytest.mark.parametrize("by", ["channel", "campaign", "account", "creative", "collateral"])
@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "all"])
@pytest.mark.parametrize("model", ["bayesian", "linear"])
def test_the_column_adds_up_to_all_iacv_and_all_conversions(tiny_database, by, period, model):
    found = ask(tiny_database, by=by, period=period, model=model)
    assert sum(row.attributed_iacv.mean for row in found.rows) == pytest.approx(1150)
    assert sum(row.attributed_conversions.mean for row in found.rows) == pytest.approx(3)
    assert found.rows[-1].group.key == "(baseline)"
    starts = [row.group.start for row in found.rows]
    assert starts == sorted(starts, key=lambda start: start or date.min)


def test_campaigns_by_a_rule(tiny_database):
    rows = by_key(ask(tiny_database, by="campaign", model="linear"))
    spring = rows["ads", "spring", None]
    assert spring.attributed_conversions[:3] == pytest.approx((1.5, 1.5, 1.5))
    assert spring.attributed_iacv[:3] == pytest.approx((700, 700, 700))
    assert spring.incremental_conversions is None
    assert (spring.touches, spring.leads) == (1, 1)  # by a visitor who became L1
    assert (spring.spend, spring.attributed_leads, spring.cost_per_lead) == (400, 0, None)
    assert spring.cac.value == pytest.approx(400 / 1.5)
    none = rows["ads", "(none)", None]
    assert (none.spend, none.cac, none.attributed_leads) == (None, None, pytest.approx(1))
    assert rows["(baseline)", "(baseline)", None].attributed_iacv[:3] == pytest.approx((-550,) * 3)


def test_half_of_the_credit_on_each_side_puts_the_median_between(tiny_database):
    ads = ask(tiny_database, model="linear").rows[0]
    # 5 days (.5 of credit), 32 (.5) and 54 (1): one half on each side of the 32nd day
    assert ads.median_conversion_days == pytest.approx((32 + 54) / 2)
    assert ads.iacv_at_median_conversion_time == pytest.approx(750)


def test_accounts(tiny_database):
    rows = by_key(ask(tiny_database, by="organization", margin=1.0))
    acme, bolt = rows["acme", "", None], rows["bolt", "", None]
    assert (acme.account_name, acme.touches, acme.leads) == ("Acme", 2, 1)
    # r1 .6 or .9, r3 .5
    assert acme.attributed_conversions[:3] == pytest.approx((1.25, 1.1, 1.4), rel=1e-6)
    assert acme.attributed_iacv[:3] == pytest.approx((850, 700, 1000), rel=1e-6)
    assert acme.attributed_leads == pytest.approx(1)
    assert bolt.attributed_leads == pytest.approx(0.8)
    assert (acme.spend, acme.cac, acme.incremental_conversions) == (None, None, None)
    assert acme.ltv.value == pytest.approx(850 / 1.25 * RETENTION_YEARS, rel=1e-6)
    assert ("coda", "", None) not in rows


def test_months_take_credit_by_the_conversion_and_touches_by_their_own_day(tiny_database):
    rows = by_key(ask(tiny_database, period="month"))
    january, february = date(2026, 1, 1), date(2026, 2, 1)
    assert rows["ads", "", january].touches == 2
    assert rows["ads", "", january].attributed_iacv[:3] == pytest.approx((500, 400, 600), rel=1e-6)
    assert rows["ads", "", january].spend == 300
    assert rows["ads", "", february].touches == 0
    assert rows["ads", "", february].attributed_iacv[:3] == pytest.approx((250, 200, 300), rel=1e-6)
    assert rows["ads", "", february].incremental_conversions[:3] == (0, 0, 0)
    assert rows["(baseline)", "", date(2026, 8, 1)].attributed_iacv[:3] == (-500, -500, -500)
    assert ("(baseline)", "", date(2026, 4, 1)) not in rows


def test_from_and_to_are_inclusive_days(tiny_database):
    found = ask(tiny_database, first_day=date(2026, 1, 11), last_day=date(2026, 2, 11))
    rows = by_key(found)
    assert rows["ads", "", None].attributed_iacv[:3] == pytest.approx((750, 700, 800), rel=1e-6)
    assert (rows["ads", "", None].touches, rows["ads", "", None].spend) == (0, 300)
    assert rows["email", "", None].touches == 1
    assert sum(row.attributed_iacv.mean for row in found.rows) == pytest.approx(1500)


def test_amounts_of_two_currencies_are_not_added_up(tiny_database):
    execute(
        tiny_database,
        """
        insert into stream.spend values
            ('s4', 'test', '2026-01-01Z', '', 4, '2026-03-05', '(none)', 'web', 70, 'EUR')
        """,
    )
    with pytest.raises(UsageError, match=r"EUR, USD.*--currency"):
        ask(tiny_database)
    assert ask(tiny_database, last_day=date(2026, 3, 4)).rows[0].currency == "USD"
    assert ask(tiny_database, by="account").rows[0].currency == "USD"  # spend is not shown there
    rows = by_key(ask(tiny_database, currency="EUR"))
    assert rows["web", "", None].spend == 70
    assert rows["ads", "", None].spend is None
    assert sum(row.attributed_iacv.mean for row in rows.values()) == 0
    with pytest.raises(
        UsageError, match="no amounts in GBP, and no exchange rates to it; there are EUR, USD"
    ):
        ask(tiny_database, currency="GBP")


def test_revenue_that_came_after_the_run_is_in_the_baseline_and_counted(tiny_database):
    execute(
        tiny_database,
        """
        insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at,
            day_only, account_id, kind, iacv, currency, properties)
        values ('r7', 'test', now(), '', '2027-02-01Z', false, 'acme', 'expansion', 90, 'USD', '{}')
        """,
    )
    found = ask(tiny_database)
    assert (found.run.waiting, found.run.provisional) == (1, 0)
    assert sum(row.attributed_iacv.mean for row in found.rows) == pytest.approx(1240)

    execute(tiny_database, CREDITED_SINCE)
    found = ask(tiny_database)
    assert (found.run.waiting, found.run.provisional) == (0, 1)
    assert sum(row.attributed_iacv.mean for row in found.rows) == pytest.approx(1240)
    assert "1 conversions came since: their credit is provisional" in describe_run(found.run)


def test_credit_by_another_lookback_is_handed_in(tiny_database):
    rows = [
        ("r1", "t2", "ads", "spring", None, 1.0),
        ("r2", None, "(baseline)", "(baseline)", None, 1.0),
        ("r3", None, "(baseline)", "(baseline)", None, 1.0),
    ]
    ads, *_, baseline = ask(tiny_database, credit_rows=rows, model="linear").rows
    assert ads.attributed_iacv[:3] == (1000, 1000, 1000)
    assert baseline.attributed_conversions[:3] == (2, 2, 2)


def test_without_a_run_it_says_what_to_do(database_url):
    with pytest.raises(UsageError, match="run `bizops attribute`"):
        ask(database_url)


def test_a_model_that_the_run_lacks_is_not_all_baseline(tiny_database):
    with pytest.raises(UsageError, match="no credit by time_decay: run `bizops attribute` again"):
        ask(tiny_database, model="time_decay")
    with pytest.raises(UsageError, match="run `bizops attribute --model markov_2` again"):
        ask(tiny_database, model="markov_2")


def test_side_by_side_is_what_each_model_says_alone(tiny_database):
    question = Question(by="campaign", period="quarter")
    with opened(tiny_database) as connection:
        found = side_by_side(connection, question)
    assert list(found.reports) == ["bayesian", "linear"]
    rows = json.loads(found.as_json())
    for model in found.reports:
        alone = ask(tiny_database, by="campaign", period="quarter", model=model).rows
        expected = {row.group: row.attributed_iacv.mean for row in alone}
        given = {
            Group(row["channel"], row["campaign_id"], date.fromisoformat(row["period_start"])):
            row["attributed_iacv"][model] for row in rows
        }  # fmt: skip
        assert {key: given.pop(key) for key in expected} == pytest.approx(expected)
        assert set(given.values()) <= {0.0}  # what only another model has a row of
    assert (rows[-1]["channel"], rows[-1]["currency"]) == ("(baseline)", "USD")
    assert "attributed_iacv_linear" in found.as_csv().splitlines()[0]


def test_side_by_side_fits_and_says_what_it_leaves_out(tiny_database):
    with opened(tiny_database) as connection:
        text = side_by_side(connection, Question(limit=1)).as_table(width=80)
    head, ads, baseline, *_ = text.splitlines()
    assert (head.split(), ads.split()[0]) == (["Channel", "Bayesian", "Linear"], "ads")
    assert baseline.startswith("(baseline)")
    assert "2 more rows: without --limit" in text


def test_limit_keeps_the_best_and_the_baseline(tiny_database):
    found = ask(tiny_database, limit=1)
    assert [row.group.key for row in found.rows] == ["ads", "(baseline)"]
    assert found.left_out == 2


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"by": "planet"}, "no report by 'planet'; have channel, campaign, account, lead"),
        ({"period": "year"}, "no period 'year'; have day"),
        ({"model": "guess"}, f"no model 'guess'; have {', '.join(MODELS)}"),
        ({"margin": 80.0}, "margin is 80; expected a share"),
        ({"limit": 0}, "--limit is 0"),
        ({"first_day": date(2026, 2, 1), "last_day": date(2026, 1, 1)}, "is after --to"),
    ],
)
def test_a_question_that_does_not_fit_says_what_would(question, message):
    with pytest.raises(UsageError, match=message):
        Question(**question)
