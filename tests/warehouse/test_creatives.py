"""Reports by creative and collateral, what touches add in IACV, and whether spend comes back."""

import csv
import io
import json

import numpy as np
import pytest

from bizops.database import opened
from warehouse.formats import as_csv, as_json, as_table
from warehouse.question import Question
from warehouse.report import Report, report

from .conftest import execute

YEARS = 2 * 11 / 12 + 181 / 365.25  # of whole months as customers, in tiny.sql; one was lost

CARRIED = """
insert into stream.touches (
    event_id, source, received_at, content_hash, occurred_at, day_only, channel, campaign_id,
    anonymous_id, identifier_id, properties
) values
    ('t6', 'test', '2026-01-07Z', '', '2026-01-07Z', false, 'ads', 'spring', 'D1',
        '00000000-0000-0000-0000-000000000011', '{}');
update stream.touches set creative_id = 'm1', collateral_id = 'pdf' where event_id = 't1';
update stream.touches set creative_id = 's1' where event_id = 't2';
update stream.touches set collateral_id = 'pdf' where event_id = 't3';
update stream.touches set creative_id = 'm2' where event_id = 't4';
update stream.touches set creative_id = 's2' where event_id = 't6';
update stream.spend set creative_id = 's1' where event_id = 's2';
update attribution.credit set share = 0.4
where run_id = 'run-1' and model = 'bayesian' and conversion_id = 'r1' and touch_id = 't2';
insert into attribution.credit
    (run_id, model, conversion_id, touch_id, channel, campaign_id, touched_at, share)
values ('run-1', 'bayesian', 'r1', 't6', 'ads', 'spring', '2026-01-07Z', 0.1);
insert into attribution.incremental_iacv_draws values
    ('run-1', '2026-01-01', 'email', 'welcome', 'USD', '{1000, 1000, 3000, 3000}'),
    ('run-1', '2026-01-06', 'ads', 'spring', 'USD', '{500, 500, 700, 700}'),
    ('run-1', '2026-01-10', 'ads', '(none)', 'USD', '{100, 100, 100, 100}');
insert into attribution.incremental_parts values
    ('run-1', '2026-01-01', 'email', 'welcome', 'm1', 'pdf', 0.75, 0.5),
    ('run-1', '2026-01-01', 'email', 'welcome', 'm2', '(none)', 0.25, 0.5),
    ('run-1', '2026-01-06', 'ads', 'spring', 's1', '(none)', 0.5, 0.5),
    ('run-1', '2026-01-06', 'ads', 'spring', 's2', '(none)', 0.5, 0.5),
    ('run-1', '2026-01-10', 'ads', '(none)', '(none)', 'pdf', 1, 1);
insert into attribution.relative_draws values
    ('run-1', 'creative', 'email', 'welcome', 'm1', '{1, 1, 1, 1.2}'),
    ('run-1', 'creative', 'email', 'welcome', 'm2', '{1, 1, 1, 0.4}'),
    ('run-1', 'creative', 'ads', 'spring', 's1', '{1.8, 1.8, 1.6, 1.8}'),
    ('run-1', 'creative', 'ads', 'spring', 's2', '{0.2, 0.2, 0.4, 0.2}');
"""


@pytest.fixture
def carried_database(tiny_database):
    """The three accounts, whose touches were of creatives and collateral."""
    execute(tiny_database, CARRIED)
    return tiny_database


def ask(database_url: str, **question) -> Report:
    with opened(database_url) as connection:
        return report(connection, Question(**question))


def rows_of(found: Report) -> dict:
    return {(row.group.key, row.group.campaign_id, row.group.item): row for row in found.rows}


def test_a_creative_has_its_touches_part_of_the_campaign_s_draws(carried_database):
    rows = rows_of(ask(carried_database, by="creative"))
    first, second = rows["ads", "spring", "s1"], rows["ads", "spring", "s2"]
    # four fifths of r1's .4 or .6, and all of r3's .5
    assert first.attributed_conversions[:3] == pytest.approx((0.9, 0, 0.98), rel=1e-6)
    assert first.attributed_iacv[:3] == pytest.approx((500, 420, 580), rel=1e-6)
    assert second.attributed_iacv[:3] == pytest.approx((100, 80, 120), rel=1e-6)
    assert (first.touches, second.touches, first.spend, second.spend) == (1, 1, 300, None)
    assert rows["ads", "spring", "(none)"].spend == 100
    assert first.attributed_leads is None
    assert rows["(baseline)", "(baseline)", "(baseline)"].comparison is None


def test_what_touches_add_is_split_by_parts_and_relative_effects(carried_database):
    rows = rows_of(ask(carried_database, by="creative"))
    first, second = rows["email", "welcome", "m1"], rows["email", "welcome", "m2"]
    assert first.incremental_conversions[:3] == pytest.approx((1.2, 0, 1.8), rel=1e-6)
    assert second.incremental_conversions.mean == pytest.approx(0.3, rel=1e-6)
    assert first.incremental_iacv[:3] == pytest.approx((1075, 500, 1800), rel=1e-6)
    assert rows["web", "(none)", "(none)"].incremental_iacv == (0,) * 5
    campaign = rows_of(ask(carried_database, by="campaign"))["email", "welcome", ""]
    assert campaign.incremental_conversions.mean == pytest.approx(1.5)
    assert campaign.incremental_iacv[:3] == pytest.approx((2000, 1000, 3000))


def test_how_creatives_compare(carried_database):
    found = ask(carried_database, by="creative")
    rows = rows_of(found)
    same = rows["email", "welcome", "m1"].comparison
    assert same.relative_effect[:3] == pytest.approx((1.05, 1, 1.2), rel=1e-6)
    assert same.beside.probability_best == pytest.approx((3 * 0.5 + 1) / 4)  # shared while alike
    assert (same.worst, same.beside.probability_above_worst) == ("m2", 0.25)
    assert same.beside.times_worst.median == pytest.approx(1)
    best = rows["ads", "spring", "s1"].comparison
    assert (best.beside.probability_best, best.beside.probability_above_worst) == (1, 1)
    assert best.beside.times_worst.median == pytest.approx(9, rel=1e-6)
    assert (
        best.beside.times_worst.low < best.beside.times_worst.low_50 < best.beside.times_worst.high
    )
    only = rows["ads", "(none)", "(none)"].comparison
    assert only.relative_effect == pytest.approx((1,) * 5)
    assert (only.beside, only.worst) == (None, None)
    text = as_table(found, width=120)
    assert "ads / spring: a touch of s1 works 9 times (4.7–9) as well as one of s2" in text
    assert "s1 is the best with a probability of 100%" in text
    assert "1 campaigns: no evidence that one creative works better than another" in text


def test_effects_are_said_in_json_and_csv(carried_database):
    found = ask(carried_database, by="creative", period="month")
    rows = json.loads(as_json(found))
    first = next(row for row in rows if row["creative_id"] == "s1")
    assert (first["channel"], first["campaign_id"]) == ("ads", "spring")
    assert list(first["times_worst"]) == ["median", "low", "high", "low_50", "high_50"]
    assert first["probability_best"] == 1
    line = next(r for r in csv.DictReader(io.StringIO(as_csv(found))) if r["creative_id"] == "s1")
    assert float(line["times_worst_median"]) == pytest.approx(9, rel=1e-6)
    assert float(line["relative_effect_low_50"]) == pytest.approx(1.75, rel=1e-6)  # the mean
    assert "times_worst" not in json.loads(as_json(ask(carried_database, by="collateral")))[0]


def test_collateral_is_added_up_over_campaigns(carried_database):
    rows = rows_of(ask(carried_database, by="collateral"))
    pdf, none = rows["pdf", "", ""], rows["(none)", "", ""]
    # r1's .2 or .3 of 1000 by mail, r2's .6 or .4 of 500 by ads
    assert pdf.attributed_iacv[:3] == pytest.approx((500, 500, 500), rel=1e-6)
    assert pdf.touches == 2
    assert (pdf.spend, pdf.roi_above_one) == (None, None)
    assert pdf.incremental_conversions.mean == pytest.approx(0.75 * 1.5 + 2)
    assert pdf.incremental_iacv.mean == pytest.approx(0.5 * 2000 + 100)
    assert none.incremental_conversions.mean == pytest.approx(0.25 * 1.5 + 2)


@pytest.mark.parametrize("by", ["channel", "creative", "collateral"])
@pytest.mark.parametrize("period", ["day", "week", "month", "quarter"])
def test_what_is_added_adds_up_over_periods(carried_database, by, period):
    for figure in ("incremental_conversions", "incremental_iacv"):
        means = [
            sum(getattr(row, figure).mean for row in ask(carried_database, by=by, period=at).rows
                if getattr(row, figure))
            for at in (period, "all")
        ]  # fmt: skip
        assert means[0] == pytest.approx(means[1])


def test_a_rule_credits_creatives_without_doubt(carried_database):
    rows = rows_of(ask(carried_database, by="creative", model="linear"))
    first = rows["ads", "spring", "s1"]
    assert first.attributed_iacv == pytest.approx((700,) * 5)
    assert (first.incremental_iacv, first.comparison) == (None, None)


def test_a_run_from_before_sizes_were_known_has_no_added_iacv(tiny_database):
    ads = ask(tiny_database).rows[0]
    assert ads.incremental_conversions.mean == 4
    assert ads.incremental_iacv is None
    creative = ask(tiny_database, by="creative").rows[0]
    assert (creative.group.item, creative.comparison.relative_effect.mean) == ("(none)", 1)


def test_half_of_the_draws_are_in_the_narrow_interval(tiny_database):
    # eight draws of r1 by mail in place of four: 0.1 to 0.8
    execute(tiny_database, "delete from attribution.credit_draws where conversion_id <> 'r1'")
    execute(
        tiny_database,
        """
        update attribution.credit_draws set shares = case channel
            when 'email' then '{0.1, 0.2, 0.3, 0.4, 0.41, 0.42, 0.43, 0.8}'::real[]
            when 'ads' then '{0, 0, 0, 0, 0, 0, 0, 0}'
            else '{0.9, 0.8, 0.7, 0.6, 0.59, 0.58, 0.57, 0.2}'
        end""",
    )
    execute(tiny_database, "delete from attribution.incremental_draws")
    email = {row.group.key: row for row in ask(tiny_database).rows}["email"]
    mean, low, high, low_50, high_50 = email.attributed_iacv
    assert (low, high) == pytest.approx((100, 800), rel=1e-6)
    assert (low_50, high_50) == pytest.approx((mean, 430), rel=1e-6)  # 400 to 430 hold not the mean


def test_the_probability_that_roi_is_above_one_is_of_draws_and_of_retention(tiny_database):
    ads, _, web, baseline = ask(tiny_database, margin=0.3).rows
    rng = np.random.default_rng(1)
    lost_a_year = rng.gamma(1 + 0.5, size=400_000) / YEARS
    iacv = rng.choice([800, 900], size=400_000)
    roi = iacv * 0.3 / lost_a_year / 400
    assert 0.1 < ads.roi_above_one < 0.9
    assert ads.roi_above_one == pytest.approx((roi > 1).mean(), abs=0.005)
    assert ads.roi_above_one_unknown is None
    assert (web.roi_above_one, web.roi_above_one_unknown) == (None, "no spend was recorded")
    assert baseline.roi_above_one_unknown == "nothing is spent on the baseline"
    assert "ROI > 1" in as_table(ask(tiny_database, margin=0.3), width=200)


def test_why_it_is_not_known_is_said(tiny_database):
    def why(**question):
        row = ask(tiny_database, **question).rows[0]
        assert row.roi_above_one is None
        return row.roi_above_one_unknown

    assert why() == "no margin was given"
    assert why(margin=0.8, model="linear") == "there are no posterior draws"
    assert why(margin=0.8, by="account") == "no spend was recorded"
    execute(tiny_database, "delete from stream.revenue where kind = 'churn'")
    assert (
        why(margin=0.8)
        == "no customer was lost in a whole term yet, so that retention is not known"
    )
    execute(tiny_database, "update stream.spend set amount = 0")
    assert why(margin=0.8) == "the spend recorded is not above zero"


def test_spend_that_brought_nothing_does_not_come_back(tiny_database):
    execute(tiny_database, "update stream.spend set channel = 'web' where event_id = 's2'")
    web = {row.group.key: row for row in ask(tiny_database, margin=0.8).rows}["web"]
    assert (web.spend, web.roi, web.roi_above_one) == (300, None, 0.0)
