"""A few events of each type that the departments' metrics are made of, small enough to work out."""

from typing import Any

USD: dict[str, Any] = {"currency": "USD"}


def _of(event_type: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    head = {"type": event_type, "source": "test"}
    return [head | {"event_id": f"{event_type}-{n}"} | event for n, event in enumerate(events)]


def _on(day: str, **fields: Any) -> dict[str, Any]:
    return {"occurred_on": day, **fields}


def _dated(day: str, **fields: Any) -> dict[str, Any]:
    return {"date": day, **fields}


def _deal(day: str, opportunity_id: str, stage: str, outcome: str = "open") -> dict[str, Any]:
    deal = {"opportunity_id": opportunity_id, "account_id": "acme", "stage": stage}
    return _on(day, **deal, outcome=outcome, amount="1000.00", **USD)


def _booked(entry: str, **amounts: str) -> list[dict[str, Any]]:
    days = {"jan": "2026-01-31", "feb": "2026-02-28", "mar": "2026-03-31"}
    return [_dated(days[m], entry=entry, amount=amount, **USD) for m, amount in amounts.items()]


MADE: list[dict[str, Any]] = [
    *_of(
        "revenue",
        _on("2026-01-10", account_id="acme", kind="new", iacv="1000.00", tcv="2000.00", **USD,
            product="Basic"),
        _on("2026-02-10", account_id="acme", kind="expansion", iacv="500.00", **USD, product="Pro"),
        _on("2026-03-10", account_id="bolt", kind="new", iacv="300.00", currency="EUR"),
        _on("2026-03-20", account_id="acme", kind="renewal", iacv="-300.00", **USD),
    ),
    *_of(
        "opportunity",
        _deal("2026-01-01", "O1", "demo"), _deal("2026-01-10", "O1", "closed", "won"),
        _deal("2026-02-01", "O2", "demo"), _deal("2026-02-21", "O2", "closed", "lost"),
        _deal("2026-03-01", "O3", "demo"),
    ),
    *_of(
        "target",
        _dated("2026-02-01", period="month", metric="iacv", value="400.00", **USD),
        _dated("2026-04-01", period="month", metric="iacv", value="250.00", **USD),
        _dated("2026-01-01", period="quarter", metric="win_rate", value="0.60"),
    ),
    *_of("spend", _dated("2026-01-05", campaign_id="c", channel="ads", amount="60.00", **USD)),
    *_of(
        "touch",
        _on("2026-01-02", channel="web", lead_id="L1", touch_type="visit"),
        _on("2026-01-03", channel="web", user_id="u1", touch_type="page_view"),
        _on("2026-01-03", channel="web", account_id="acme", touch_type="download"),
    ),
    *_of("identity", _on("2026-01-04", lead_id="L1", user_id="u1", account_id="acme")),
    *_of(
        "lead_status",
        _on("2026-01-02", lead_id="L1", status="new"),
        _on("2026-01-03", lead_id="L1", status="mql"),
        _on("2026-01-04", lead_id="L1", status="sql"),
        _on("2026-01-04", lead_id="L2", status="mql"),
    ),
    *_of("invoice", _on("2026-01-11", invoice_id="I", account_id="acme", amount="1000.00", **USD,
                        opportunity_id="O1")),
    *_of("payment", _on("2026-02-09", invoice_id="I", account_id="acme", amount="1000.00", **USD)),
    *_of(
        "ledger_entry",
        *_booked("revenue", jan="100.00", feb="100.00", mar="100.00"),
        *_booked("sales_expense", jan="300.00"),
        *_booked("marketing_expense", jan="100.00"),
        *_booked("other_expense", jan="200.00", feb="150.00", mar="150.00"),
        *_booked("cash_balance", jan="2500.00", mar="2400.00"),
    ),
    *_of(
        "usage",
        _on("2026-01-15", feature="boards", account_id="acme", user_id="u1", times=3),
        _on("2026-02-01", feature="search", user_id="u1", times=2),
        _on("2026-02-01", feature="search", account_id="bolt"),
    ),
    *_of(
        "experiment",
        _dated("2026-03-01", experiment_id="E", variant="off", is_control=True, subjects=100,
               successes=20),
        _dated("2026-03-01", experiment_id="E", variant="on", is_control=False, subjects=100,
               successes=31),
    ),
    *_of(
        "application",
        _on("2026-01-05", application_id="P", step="applied"),
        _on("2026-01-09", application_id="P", step="interviewed"),
        _on("2026-01-09", application_id="P", step="scored", requirement="sql", score=4.0),
        _on("2026-01-20", application_id="P", step="accepted"),
        _on("2026-02-01", application_id="P", step="hired"),
    ),
    *_of("survey", _on("2026-01-01", audience="employee", score=9),
         _on("2026-01-01", audience="employee", score=7)),
    *_of(
        "employee",
        _on("2026-01-01", employee_id="W1", status="active"),
        _on("2026-01-01", employee_id="W2", status="active"),
        _on("2026-02-01", employee_id="W1", status="improvement_plan"),
        _on("2026-03-01", employee_id="W1", status="terminated", termination="voluntary"),
    ),
    *_of(
        "merge_request",
        _on("2026-01-01", merge_request_id="!1", state="opened", author="ada", is_community=True),
        _on("2026-01-03", merge_request_id="!1", state="merged", author="ada", is_community=True),
        _on("2026-01-03", merge_request_id="!2", state="merged", author="bob", is_community=False),
    ),
]  # fmt: skip
