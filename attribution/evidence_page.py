"""What experiments and the placebo found, as parts of a run's pages."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from attribution.html import table
from bizops.bounds import bounded_channels

__all__ = ["bounds_said", "evidence_tables", "moves_said"]


def evidence_tables(found: Mapping[str, Any]) -> Iterator[str]:
    """For a statistician: what came after conversions, and lift tests beside the model."""
    placebo = found.get("placebo")
    if placebo:
        rows = [
            (one["channel"], one["seen"], one["expected"], one["z"], _verdict(one))
            for one in placebo
        ]
        yield table("Touches after conversions", ("channel", "came", "expected", "z", ""), rows)
        yield (
            "<p>Within 30 days after first conversions, beside what would have come without them; "
            "the z weighs the first days most. A channel above 3 shares a cause with "
            "conversions.</p>"
        )
    tests = found.get("lift_tests")
    if tests:
        rows = [
            (
                _tested(one),
                f"{one['starts_on']} to {one['ends_on']}",
                f"{one['found']:,.1f} ± {one['standard_error']:,.1f}",
                *(_interval(one.get(name)) for name in ("model", "model_without_tests")),
                one.get("why_not", ""),
            )
            for one in tests
        ]
        heads = ("test of", "window", "found", "model", "model without tests", "not used because")
        yield table("Lift tests", heads, rows)


def _verdict(record: Mapping[str, Any]) -> str:
    if not record["flagged"]:
        return ""
    return "tested" if record["tested"] else "credit is an upper bound"


def _tested(record: Mapping[str, Any]) -> str:
    return " / ".join(filter(None, (record["channel"], record["campaign_id"])))


def _interval(figures: Mapping[str, float] | None) -> str:
    return "{mean:,.0f} [{low:,.0f}, {high:,.0f}]".format(**figures) if figures else ""


def moves_said(found: Mapping[str, Any]) -> Iterator[str]:
    """For a marketer: what lift tests moved, a list item each."""
    for one in found.get("lift_moved", ()):
        before, after = one["without_tests"], one["with_tests"]
        yield (
            f"{escape(one['channel'])}: lift tests moved what it brought from "
            f"{before['mean']:,.0f} conversions (between {before['low']:,.0f} and "
            f"{before['high']:,.0f}) to {after['mean']:,.0f} (between {after['low']:,.0f} and "
            f"{after['high']:,.0f})."
        )


def bounds_said(found: Mapping[str, Any]) -> Iterator[str]:
    """For a marketer: which credit is an upper bound, and what would tell."""
    for channel, record in bounded_channels(found).items():
        left = {one["share"]: one["conversions"] for one in record.get("if_not_its_own", ())}
        half = f"; if half of it is not its own, {left[0.5]:,.0f} are left" if 0.5 in left else ""
        yield (
            f"How much of its credit {escape(channel)} deserves. {record['seen']:,} of its touches "
            f"came within 30 days after a first conversion, where {record['expected']:,.0f} would "
            "have come anyway: people who buy seem to go there on their own. What it is credited "
            f"is the most it can have brought, and it may be nothing{half}.{_proposal(record)}"
        )


def _proposal(record: Mapping[str, Any]) -> str:
    for test in record.get("lift_test", ()):
        if test["days"] is not None:
            return (
                f" A test that keeps it from {test['holdout_share']:.0%} of accounts for "
                f"{test['days']:,} days would tell its credit from nothing."
            )
    return ""
