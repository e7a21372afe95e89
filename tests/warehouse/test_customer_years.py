"""How long customers stay is of terms whose end was seen: nobody can be lost in one that runs."""

import pytest

from bizops.database import opened

from .conftest import execute

LOST_LATE = "2025-01-25"  # a loss that was told three weeks after the term it ended


def stays(database_url, *revenue, until="2026-06-01"):
    """Lost, years of whole terms, all years; of revenue as (account, kind, day, term)."""
    for number, (account, kind, day, *term) in enumerate(revenue):
        execute(
            database_url,
            "insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at,"
            " day_only, account_id, kind, iacv, currency, term_months, properties) values"
            f" ('{number}', 'test', now(), '', '{day}Z', false, '{account}', '{kind}', 0, 'USD',"
            f" {term[0] if term else 'null'}, '{{}}')",
        )
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("select * from stream.customer_years(%s)", (f"{until}Z",))
        return {account: found for account, *found in cursor.fetchall()}


def test_a_term_that_runs_tells_nothing(database_url):
    """Two of three stayed at their one renewal: they stay three years, and not nine."""
    found = stays(
        database_url,
        *[(account, "new", "2024-01-02") for account in "abc"],
        ("c", "churn", "2025-01-02"),
        ("young", "new", "2025-10-01"),
        until="2025-12-20",
    )
    assert found["a"] == found["b"] == [0, pytest.approx(1), pytest.approx(718 / 365.25)]
    assert found["c"] == [1, pytest.approx(1), pytest.approx(366 / 365.25)]
    assert found["young"] == [0, 0, pytest.approx(80 / 365.25)]
    lost, years = (sum(one[place] for one in found.values()) for place in (0, 1))
    assert years / lost == pytest.approx(3)


def test_a_loss_may_be_told_late_but_not_too_early(database_url):
    found = stays(
        database_url,
        ("late", "new", "2024-01-02"),
        ("late", "churn", LOST_LATE),
        ("broken off", "new", "2025-12-02"),
        ("broken off", "churn", "2026-02-02"),
        until="2025-02-05",
    )
    assert found == {"late": [1, pytest.approx(1), pytest.approx(389 / 365.25)]}
    # in a term whose end is not seen yet it would be held against nobody's staying
    assert stays(database_url, until="2026-06-01")["broken off"][:2] == [0, 0]


@pytest.mark.parametrize(("term", "whole"), [(1, 16 / 12), (12, 1), (36, 0)])
def test_terms_are_those_of_contracts(database_url, term, whole):
    (found,) = stays(database_url, ("a", "new", "2025-01-10", term)).values()
    assert found[:2] == [0, pytest.approx(whole)]


def test_who_comes_back_is_a_customer_anew(database_url):
    found = stays(
        database_url,
        ("a", "new", "2020-01-01"),
        ("a", "churn", "2022-01-01"),
        ("a", "new", "2023-01-01"),
        ("nobody", "churn", "2023-01-01"),
    )
    assert found == {"a": [1, pytest.approx(2 + 3, abs=0.01), pytest.approx(2 + 3.41, abs=0.01)]}
