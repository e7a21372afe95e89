"""A real funnel, by two mapping files: nothing is lost and nothing rejected."""

from collections import Counter
from pathlib import Path

from bizops.events import AnyEvent, Revenue, Touch
from producers.source import Extracted, open_source

MAPPINGS = Path(__file__).parents[1] / "data" / "olist"


def extract(mapping: str, file: Path) -> list[AnyEvent]:
    options = {"files": [str(file)], "mapping": MAPPINGS / mapping}
    records = list(open_source("csv", options).read())
    events = [record.event for record in records if isinstance(record, Extracted)]
    assert len(events) == len(records)
    return events


def test_eight_thousand_leads(shared_data: Path) -> None:
    file = shared_data / "olist" / "olist_marketing_qualified_leads_dataset.csv"
    touches = [event for event in extract("leads.yaml", file) if isinstance(event, Touch)]
    assert len(touches) == len({touch.event_id for touch in touches}) == 8_000
    assert all(touch.day_only and touch.account_id == touch.lead_id for touch in touches)
    channels = Counter(touch.channel for touch in touches)
    assert channels["unknown_origin"] == 60
    assert channels["organic search"] == 2_296
    assert channels["unknown"] == 1_099
    first = touches[0]
    assert first.lead_id == "dac32acd4db4c29c230538b72f8dd87d"
    assert str(first.occurred_on) == "2018-02-01"
    assert (first.channel, first.campaign_id) == ("social", "88740e65d5d6b056e0cda098e1ea6313")


def test_842_deals(shared_data: Path) -> None:
    file = shared_data / "olist" / "olist_closed_deals_dataset.csv"
    deals = [event for event in extract("deals.yaml", file) if isinstance(event, Revenue)]
    assert len(deals) == len({deal.account_id for deal in deals}) == 842
    assert {(deal.kind, str(deal.iacv), deal.currency) for deal in deals} == {
        ("new", "1200.00", "BRL")
    }
    assert deals[0].moment.isoformat() == "2018-02-26T19:58:54+00:00"
