"""Who gets a lead."""

import uuid

import pytest

from attribution.fit import Options, attribute

from .conftest import Story, insert, query


def person(cursor, *identifiers):
    """Identifiers of one person, the strongest first."""
    root = None
    for rank, (kind, value) in enumerate(identifiers):
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}:{value}")
        cursor.execute(
            "insert into stream.identifiers values (%s, %s, %s, %s, %s)",
            (str(number), kind, value, 9 - rank, root),
        )
        root = root or str(number)
    return root


def lead_shares(database_url, model):
    rows = query(
        database_url,
        "select lead_id, campaign_id, share from attribution.lead_credit where model = %s"
        " order by 1, 2",
        model,
    )
    return {(lead, campaign): share for lead, campaign, share in rows}


@pytest.fixture
def leads(settings):
    """Ada clicked, read a mail and became a lead; so did her account's Bob, without a touch."""
    import psycopg2

    connection = psycopg2.connect(settings.database_url)
    with connection, connection.cursor() as cursor:
        ada = person(cursor, ("lead_id", "ada"), ("email", "ada@example.com"))
        bob = person(cursor, ("lead_id", "bob"))
        for root in (ada, bob):
            cursor.execute(
                "insert into stream.account_links values (%s, 'acme', 2, now())", (root,)
            )
        email = str(uuid.uuid5(uuid.NAMESPACE_URL, "email:ada@example.com"))
        for i, (when, campaign) in enumerate(
            (
                ("2026-01-01T10:00", "search"),
                ("2026-01-05T10:00", "mail"),
                ("2026-01-06T09:00", "form"),
                ("2026-01-20T10:00", "later"),
            )
        ):
            insert(cursor, "touches", f"t{i}", when, channel="web", campaign_id=campaign,
                   email="ada@example.com", identifier_id=email, properties="{}")  # fmt: skip
        insert(cursor, "identities", "i0", "2026-01-06T09:00",
               email="ada@example.com", lead_id="ada")  # fmt: skip
        insert(cursor, "identities", "i1", "2026-01-05", account_id="acme", lead_id="bob")
        insert(cursor, "identities", "i2", "2026-01-02", email="c@example.com", lead_id="cyd")
    connection.close()
    Story().sale("acme", "2026-02-01").store(settings.database_url)
    return settings


def test_touches_up_to_the_first_event_that_names_it(leads):
    attribute(leads, leads.database_url, Options(rules_only=True))
    url = leads.database_url
    assert lead_shares(url, "first_touch") == {
        ("ada", "search"): 1.0,
        ("bob", "search"): 1.0,
        ("cyd", "(baseline)"): 1.0,
    }
    assert lead_shares(url, "last_touch") == {
        ("ada", "form"): 1.0,
        ("bob", "mail"): 1.0,  # day-only: the mail of that day counts
        ("cyd", "(baseline)"): 1.0,
    }
    assert lead_shares(url, "linear") == {
        ("ada", "form"): pytest.approx(1 / 3),
        ("ada", "mail"): pytest.approx(1 / 3),
        ("ada", "search"): pytest.approx(1 / 3),
        ("bob", "mail"): 0.5,
        ("bob", "search"): 0.5,
        ("cyd", "(baseline)"): 1.0,
    }


def test_the_window_of_rules_holds_for_leads(leads):
    attribute(leads, leads.database_url, Options(rules_only=True, lookback_days=2))
    assert lead_shares(leads.database_url, "first_touch") == {
        ("ada", "mail"): 1.0,
        ("bob", "mail"): 1.0,
        ("cyd", "(baseline)"): 1.0,
    }


def test_the_model_credits_leads_by_effect_and_age(leads):
    attribute(leads, leads.database_url)
    shares = lead_shares(leads.database_url, "bayesian")
    for lead in ("ada", "bob", "cyd"):
        assert sum(share for (name, _), share in shares.items() if name == lead) == pytest.approx(1)
    assert ("ada", "later") not in shares
    assert shares["cyd", "(baseline)"] == 1
