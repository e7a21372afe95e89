"""A run on a real database: what it writes, and what it leaves alone when it fails."""

from pathlib import Path

import pytest
import xarray

from attribution import credit_by_rule, fit
from attribution.fit import Options, attribute
from attribution.runs import exclusive, list_runs
from attribution.sampling import Gates, Sampling
from bizops.database import opened
from bizops.errors import BizopsError, UsageError
from bizops.models import MODELS, PUBLISHED

from .conftest import Story, query
from .worlds import make_world

QUICK = Options(Sampling(draws=400, tune=400))


@pytest.fixture
def small(settings):
    """A database with a small company, its settings, and what is in it."""
    make_world(seed=1, accounts=150, customers=True).store(settings.database_url)
    return settings


def run(settings, options=QUICK):
    return attribute(settings, settings.database_url, options)


def published(settings):
    return query(settings.database_url, "select run_id from attribution.published_run")


@pytest.mark.slow
def test_what_a_run_writes(small):
    url = small.database_url
    done = run(small)
    assert published(small) == [(done.run_id,)]
    assert (done.status, done.error) == ("published", None)
    assert done.diagnostics["divergences"] == 0
    assert done.diagnostics["r_hat_max"] <= 1.01
    assert {"read_s", "compile_s", "sample_s", "total_s", "peak_memory_mb"} <= done.timings.keys()
    assert (done.settings["seed"], done.settings["lookback_days"]) == (1, 90.0)
    assert done.settings["priors"]["activity_power"] == [0.0, 0.7]

    ((conversions, iacv),) = query(url, "select count(*), sum(iacv) from attribution.conversions")
    assert (conversions, float(iacv)) == (
        done.data["conversions"],
        pytest.approx(done.data["iacv"]["USD"]),
    )
    for model, total, amount, low in query(
        url,
        "select model, sum(share), sum(share * iacv), min(share) from attribution.credit"
        " join attribution.conversions using (run_id, conversion_id) group by model",
    ):
        assert model in PUBLISHED
        assert low > 0
        assert total == pytest.approx(conversions, rel=1e-12)
        assert amount == pytest.approx(float(iacv), rel=1e-12)
    assert query(
        url,
        "select count(*) from (select sum(share) s from attribution.credit"
        " group by model, conversion_id) x where abs(s - 1) > 1e-9",
    ) == [(0,)]
    assert query(
        url,
        "select count(*) from attribution.credit join attribution.conversions"
        " using (run_id, conversion_id) where touched_at > occurred_at",
    ) == [(0,)]


@pytest.mark.slow
def test_draws_add_up_and_agree_with_the_means(small):
    url = small.database_url
    run(small)
    sums = query(
        url,
        "select conversion_id, n, sum(share::float8) from attribution.credit_draws,"
        " unnest(shares) with ordinality as draws (share, n) group by 1, 2",
    )
    assert {n for _, n, _ in sums} == set(range(1, 251))
    assert [total for *_, total in sums] == pytest.approx([1.0] * len(sums), abs=1e-5)
    pairs = query(
        url,
        "select d.mean, c.share from (select conversion_id, channel, campaign_id,"
        " (select avg(x::float8) from unnest(shares) x) as mean from attribution.credit_draws) d"
        " join (select conversion_id, channel, campaign_id, sum(share) as share"
        " from attribution.credit where model = 'bayesian' group by 1, 2, 3) c"
        " using (conversion_id, channel, campaign_id)",
    )
    assert [mean for mean, _ in pairs] == pytest.approx([share for _, share in pairs], abs=1e-6)
    ((credited,),) = query(
        url,
        "select sum(share) from attribution.credit"
        " where model = 'bayesian' and channel <> '(baseline)'",
    )
    ((expected,),) = query(
        url,
        "select sum(mean) from (select (select avg(x::float8) from unnest(conversions) x) as mean"
        " from attribution.incremental_draws) x",
    )
    assert expected == pytest.approx(credited, rel=0.2)  # the same parameters, seen two ways

    for dimension, total in query(
        url,
        "select dimension, sum(conversions_mean) from attribution.credit_totals"
        " where model = 'bayesian' group by 1",
    ):
        ((conversions,),) = query(url, "select count(*) from attribution.conversions")
        assert total == pytest.approx(conversions, rel=1e-6), dimension
    assert query(
        url,
        "select count(*) from attribution.credit_totals where not"
        " (conversions_low <= conversions_mean and conversions_mean <= conversions_high)",
    ) == [(0,)]
    assert query(
        url,
        "select count(*) from attribution.credit_totals where model <> 'bayesian'"
        " and (conversions_low <> conversions_high or iacv_low <> iacv_high)",
    ) == [(0,)]


@pytest.mark.slow
def test_the_same_seed_and_data_give_the_same_numbers(small):
    first, second = run(small), run(small)
    assert first.data["hash"] == second.data["hash"]
    assert query(
        small.database_url,
        "select count(*) from attribution.credit a join attribution.credit b"
        " on a.model = b.model and a.conversion_id = b.conversion_id"
        " and a.touch_id is not distinct from b.touch_id and a.share <> b.share"
        " where a.run_id = %s and b.run_id = %s",
        first.run_id,
        second.run_id,
    ) == [(0,)]


@pytest.mark.slow
def test_the_draws_are_kept(small):
    done = run(small)
    assert Path(done.artifact).is_relative_to(small.home / "runs" / done.run_id)
    tree = xarray.open_datatree(done.artifact, engine="zarr", consolidated=False)
    assert tree["posterior"].sizes["draw"] == done.diagnostics["draws"]
    assert int(tree["sample_stats"]["diverging"].sum()) == 0


def test_bad_draws_are_not_published(small, monkeypatch):
    kept = run(small, Options(rules_only=True))
    bad = Gates({"r_hat_max": 1.2, "worst": {"r_hat": "log_effect[0]"}}, ("R-hat 1.200",))
    monkeypatch.setattr(fit, "sample", lambda *_: (None, bad, {"sample_s": 0.1}))
    monkeypatch.setattr(fit, "_save", lambda tree, folder: folder)
    with pytest.raises(BizopsError, match=r"not published.*R-hat 1\.200"):
        run(small)
    assert published(small) == [(kept.run_id,)]
    with opened(small.database_url) as connection:
        failed, before = list_runs(connection)
    assert (failed.status, before.status) == ("failed", "published")
    assert "R-hat 1.200" in failed.error
    assert failed.diagnostics["r_hat_max"] == 1.2
    assert failed.diagnostics["worst"]["r_hat"].startswith("log_effect[event / event")
    assert query(
        small.database_url,
        "select count(*) from attribution.credit where run_id = %s",
        failed.run_id,
    ) == [(0,)]


def test_the_next_run_need_not_wait_for_the_server_to_notice_that_one_ended(settings):
    for _ in range(300):
        with exclusive(settings.database_url):
            pass


def test_a_failure_while_writing_leaves_nothing(small, monkeypatch):
    monkeypatch.setattr(
        "attribution.publish.publish_run", lambda *_, **__: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        run(small, Options(rules_only=True))
    assert published(small) == []
    for table in ("conversions", "credit", "lead_credit", "credit_totals"):
        assert query(small.database_url, f"select count(*) from attribution.{table}") == [(0,)]
    assert query(small.database_url, "select status, error from attribution.runs") == [
        ("failed", "OSError('full')")
    ]


def test_two_do_not_publish_at_once(small):
    with exclusive(small.database_url), pytest.raises(BizopsError, match="another"):
        run(small)
    assert query(small.database_url, "select count(*) from attribution.runs") == [(0,)]


def test_a_run_whose_process_is_gone_is_marked(small):
    query(
        small.database_url,
        "insert into attribution.runs (run_id, status, started_at, settings)"
        " values ('gone', 'running', now(), '{}')",
    )
    with exclusive(small.database_url):
        pass
    assert query(small.database_url, "select status, error from attribution.runs") == [
        ("failed", "interrupted: its process was gone before it was done")
    ]


def test_nothing_at_all_is_a_clear_error(settings):
    with pytest.raises(UsageError, match="nothing to attribute"):
        run(settings)
    assert published(settings) == []


@pytest.mark.parametrize(
    "story",
    [
        Story().sale("acme", "2026-01-05"),
        Story().touch("acme", "2026-02-05").sale("acme", "2026-01-05"),
        Story().touch("bolt", "2026-01-01").sale("acme", "2026-01-05"),
    ],
    ids=["no touches", "touch after", "another's touch"],
)
def test_without_a_touch_before_it_a_conversion_is_the_baselines(settings, story):
    story.store(settings.database_url)
    done = run(settings)
    rows = query(settings.database_url, "select model, channel, share from attribution.credit")
    assert sorted(rows) == sorted((model, "(baseline)", 1.0) for model in PUBLISHED)
    assert query(settings.database_url, "select shares from attribution.credit_draws") == [([1.0],)]
    assert done.diagnostics == {}


def test_without_conversions_there_is_nothing_to_credit(settings):
    Story().touch("acme", "2026-01-01").sale("acme", "2026-02-01", "renewal", "0.00").store(
        settings.database_url
    )
    assert run(settings).status == "published"
    assert query(settings.database_url, "select count(*) from attribution.credit") == [(0,)]


def test_one_conversion_after_one_touch(settings):
    Story().touch("acme", "2026-01-01").sale("acme", "2026-01-05").touch(
        "bolt", "2026-01-03"
    ).store(settings.database_url)
    done = run(settings)
    assert done.status == "published"
    assert query(
        settings.database_url, "select sum(share) from attribution.credit where model = 'bayesian'"
    ) == [(pytest.approx(1),)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(lookback_days=0), "lookback"),
        (Options(Sampling(draws=1)), "draws is 1"),
        (Options(Sampling(chains=1)), "chains is 1"),
        (Options(also=("markov_5",)), "no model 'markov_5'; have bayesian, first_touch.*, or all"),
        (Options(rules_only=True, also=("bayesian",)), "both bayesian and rules only"),
    ],
)
def test_options_that_make_no_sense(settings, options, message):
    with pytest.raises(UsageError, match=message):
        run(settings, options)


def test_credit_by_rule_for_any_window(settings):
    Story().touch("acme", "2026-01-01", "ads", "a").touch("acme", "2026-03-01", "mail", "b").sale(
        "acme", "2026-03-11"
    ).store(settings.database_url)
    with opened(settings.database_url) as connection:
        for lookback, shares in ((None, [0.5, 0.5]), (30, [1.0]), (5, [1.0])):
            rows = credit_by_rule(connection, "linear", lookback)
            assert [row.share for row in rows] == shares
        assert rows[0][1:] == ("r0000", None, "(baseline)", "(baseline)", None, 1.0)
        (row,) = credit_by_rule(connection, "first_touch", None)
        assert row[:5] == ("first_touch", "r0000", "t0000", "ads", "a")
        assert row.touched_at.isoformat() == "2026-01-01T00:00:00+00:00"
        for lookback, shares in ((None, [0.5, 0.5]), (30, [1.0]), (5, [1.0])):
            rows = credit_by_rule(connection, "markov_2", lookback)
            assert [row.share for row in rows] == shares
        with pytest.raises(UsageError, match="no rule 'markov'; have first_touch"):
            credit_by_rule(connection, "markov")
        with pytest.raises(UsageError, match="lookback"):
            credit_by_rule(connection, "linear", -1)


@pytest.mark.parametrize(
    ("also", "names"),
    [((), PUBLISHED), (("markov_3", "linear"), (*PUBLISHED, "markov_3")), (("all",), MODELS)],
)
def test_models_that_are_asked_for_are_published_too(small, also, names):
    done = run(small, Options(rules_only=True, also=also))
    assert done.settings["rules"] == list(names[1:])
    url = small.database_url
    for table in ("credit", "credit_totals"):
        found = query(url, f"select distinct model from attribution.{table}")
        assert {model for (model,) in found} == {*names[1:]}
    ((worst, least),) = query(
        url,
        "select max(abs(s - 1)), min(l) from (select sum(share) s, min(share) l"
        " from attribution.credit group by model, conversion_id) x",
    )
    assert worst < 1e-12
    assert least > 0


def test_currencies_are_kept_apart(settings):
    Story().sale("acme", "2026-01-05", iacv="10.00").sale("bolt", "2026-01-06", iacv="20.00").store(
        settings.database_url
    )
    query(settings.database_url, "update stream.revenue set currency = 'EUR' where iacv = 20")
    run(settings)
    assert query(
        settings.database_url,
        "select currency, iacv_mean from attribution.credit_totals"
        " where model = 'bayesian' and dimension = 'channel' order by 1",
    ) == [("EUR", 20.0), ("USD", 10.0)]
