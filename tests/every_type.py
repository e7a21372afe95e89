"""One event of each type of the contract, by type."""

from typing import Any

TIMED = {"source": "test", "occurred_on": "2026-03-01"}
DATED = {"source": "test", "date": "2026-03-01"}
MONEY = {"amount": "120.50", "currency": "EUR"}

EVENTS: dict[str, dict[str, Any]] = {
    "touch": TIMED | {"channel": "email", "lead_id": "L1"},
    "spend": DATED | MONEY | {"campaign_id": "c", "channel": "email"},
    "account": TIMED | {"account_id": "A", "name": "Old"},
    "revenue": TIMED | {"account_id": "A", "kind": "new", "iacv": "1200.00", "currency": "BRL",
                        "properties": {"x": 1}},
    "identity": TIMED | {"lead_id": "L1", "account_id": "A"},
    "campaign": TIMED | {"campaign_id": "c", "budget": "5.00"},
    "lift_test": {"source": "test", "channel": "email", "starts_on": "2026-01-01",
                  "ends_on": "2026-02-01", "incremental_conversions": 12.5, "standard_error": 3.0},
    "opportunity": TIMED | {"opportunity_id": "O", "account_id": "A", "stage": "won",
                            "outcome": "won"},
    "exchange_rate": DATED | {"currency": "USD", "to_currency": "EUR", "rate": "0.9215"},
    "product": DATED | {"product": "premium", "margin": 0.8, "retention_years": 4.5},
    "target": DATED | {"period": "quarter", "metric": "iacv", "value": "1000000.00",
                       "currency": "EUR"},
    "lead_status": TIMED | {"lead_id": "L1", "status": "mql", "account_id": "A"},
    "invoice": TIMED | MONEY | {"invoice_id": "I1", "account_id": "A", "due_on": "2026-03-31"},
    "payment": TIMED | MONEY | {"invoice_id": "I1", "account_id": "A"},
    "ledger_entry": DATED | MONEY | {"entry": "cash_balance"},
    "usage": TIMED | {"feature": "pipelines", "account_id": "A", "user_id": "u1", "times": 3},
    "experiment": DATED | {"experiment_id": "E", "variant": "blue", "is_control": False,
                           "subjects": 200, "successes": 31},
    "application": TIMED | {"application_id": "P1", "step": "scored", "requirement": "sql",
                            "score": 4.0},
    "survey": TIMED | {"audience": "customer", "score": 9, "account_id": "A"},
    "employee": TIMED | {"employee_id": "W1", "status": "terminated", "termination": "voluntary"},
    "merge_request": TIMED | {"merge_request_id": "!1", "state": "merged", "author": "ada",
                              "is_community": True},
}  # fmt: skip
for _type, _event in EVENTS.items():
    _event |= {"type": _type, "event_id": _type}
