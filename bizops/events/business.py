"""What else the metrics of a business are made of: leads, money, product, people, engineering."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bizops.events.base import ONE_TIME, Event, TimedEvent, any_of
from bizops.fields import Amount, Currency, Day, Email, Id, Label, Rate, Text

__all__ = [
    "Application",
    "Employee",
    "ExchangeRate",
    "Experiment",
    "Invoice",
    "LeadStatus",
    "LedgerEntry",
    "MergeRequest",
    "Payment",
    "Product",
    "Survey",
    "Target",
    "Usage",
]

Count = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class ExchangeRate(Event):
    """What one unit of ``currency`` is worth in ``to_currency``, from a day on until the next."""

    topic: ClassVar[str] = "exchange_rates"
    corrected_by = "arrival"

    type: Literal["exchange_rate"] = "exchange_rate"
    date: Day
    currency: Currency
    to_currency: Currency
    rate: Rate

    @model_validator(mode="after")
    def _two_currencies(self) -> Self:
        if self.currency == self.to_currency:
            raise PydanticCustomError(
                "invalid_value", f"is from {self.currency} to itself; expected two currencies"
            )
        return self


class Product(Event):
    """What selling a product leaves, and how long it is kept, from a day on until the next.

    Without a ``product`` it is what holds for all that have nothing of their own.
    """

    model_config = ConfigDict(json_schema_extra=any_of("margin", "retention_years"))
    topic: ClassVar[str] = "products"
    corrected_by = "arrival"

    type: Literal["product"] = "product"
    date: Day
    product: Text | None = None
    margin: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    retention_years: (
        Annotated[float, Field(gt=0, le=200, allow_inf_nan=False, strict=True)] | None
    ) = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.margin is None and self.retention_years is None:
            raise PydanticCustomError(
                "missing_field", "says nothing; expected margin or retention_years"
            )
        return self


class Target(Event):
    """What a metric is meant to be in a period that begins on ``date``."""

    topic: ClassVar[str] = "targets"
    corrected_by = "arrival"

    type: Literal["target"] = "target"
    date: Day
    period: Literal["week", "month", "quarter"]
    metric: Label
    value: Amount
    currency: Currency | None = None


class LeadStatus(TimedEvent):
    """How far a lead has come: accepted by marketing (mql), by sales (sql), or by nobody."""

    topic: ClassVar[str] = "lead_statuses"

    type: Literal["lead_status"] = "lead_status"
    lead_id: Id
    contact_id: Id | None = None
    email: Email | None = None
    account_id: Id | None = None
    status: Literal["new", "mql", "sql", "disqualified"]
    reason: Text | None = None


class Invoice(TimedEvent):
    """What an account was asked to pay; less than 0 for a credit note."""

    topic: ClassVar[str] = "invoices"

    type: Literal["invoice"] = "invoice"
    invoice_id: Id
    account_id: Id
    amount: Amount
    currency: Currency
    due_on: Day | None = None
    opportunity_id: Id | None = None


class Payment(TimedEvent):
    """What an account paid; less than 0 for a refund."""

    topic: ClassVar[str] = "payments"

    type: Literal["payment"] = "payment"
    account_id: Id
    amount: Amount
    currency: Currency
    invoice_id: Id | None = None


class LedgerEntry(Event):
    """One figure of the books on a day: the balance of cash, or what was earned or spent."""

    topic: ClassVar[str] = "ledger"
    corrected_by = "arrival"

    type: Literal["ledger_entry"] = "ledger_entry"
    date: Day
    entry: Literal["cash_balance", "revenue", "sales_expense", "marketing_expense", "other_expense"]
    amount: Amount
    currency: Currency
    note: Text | None = None


class Usage(TimedEvent):
    """A feature used by an account, or by a user of one, so many times."""

    model_config = ConfigDict(json_schema_extra=ONE_TIME | any_of("account_id", "user_id"))
    topic: ClassVar[str] = "usage"

    type: Literal["usage"] = "usage"
    feature: Label
    account_id: Id | None = None
    user_id: Id | None = None
    times: Annotated[int, Field(ge=1, lt=2**63, strict=True)] = 1

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if self.account_id is None and self.user_id is None:
            raise PydanticCustomError(
                "missing_field", "names nobody; expected account_id, user_id or both"
            )
        return self


class Experiment(Event):
    """What one variant of an A/B test has come to by ``date``."""

    topic: ClassVar[str] = "experiments"
    corrected_by = "arrival"

    type: Literal["experiment"] = "experiment"
    date: Day
    experiment_id: Id
    variant: Label
    is_control: Annotated[bool, Field(strict=True)]
    subjects: Annotated[int, Field(ge=1, lt=2**63, strict=True)]
    successes: Count
    feature: Label | None = None

    @model_validator(mode="after")
    def _not_more_than_all(self) -> Self:
        if self.successes > self.subjects:
            raise PydanticCustomError(
                "out_of_range",
                f"has {self.successes} successes of {self.subjects} subjects; expected no more",
            )
        return self


class Application(TimedEvent):
    """A step of somebody's application for a job, or a score they were given for a requirement."""

    topic: ClassVar[str] = "applications"

    type: Literal["application"] = "application"
    application_id: Id
    step: Literal[
        "applied", "interviewed", "scored", "offered", "accepted", "declined", "hired", "rejected",
        "withdrawn",
    ]  # fmt: skip
    requirement: Label | None = None
    score: Annotated[float, Field(allow_inf_nan=False, strict=True)] | None = None

    @model_validator(mode="after")
    def _score(self) -> Self:
        told = {name for name in ("requirement", "score") if getattr(self, name) is not None}
        if self.step == "scored" and len(told) < 2:
            raise PydanticCustomError("missing_field", "is scored; expected requirement and score")
        if self.step != "scored" and told:
            raise PydanticCustomError(
                "unknown_field", f"is {self.step} with a {told.pop()}; expected it where scored"
            )
        return self


class Survey(TimedEvent):
    """How likely somebody is to recommend us, from 0 to 10."""

    topic: ClassVar[str] = "surveys"

    type: Literal["survey"] = "survey"
    audience: Literal["employee", "declined_applicant", "customer"]
    score: Annotated[int, Field(ge=0, le=10, strict=True)]
    account_id: Id | None = None


class Employee(TimedEvent):
    """What somebody's employment is from a moment on."""

    topic: ClassVar[str] = "employees"

    type: Literal["employee"] = "employee"
    employee_id: Id
    status: Literal["active", "improvement_plan", "terminated"]
    termination: Literal["voluntary", "involuntary"] | None = None
    department: Label | None = None

    @model_validator(mode="after")
    def _ended(self) -> Self:
        if (self.termination is not None) != (self.status == "terminated"):
            raise PydanticCustomError(
                "contradiction",
                f"is {self.status} with termination {self.termination or 'missing'}; "
                "expected termination where, and only where, it is terminated",
            )
        return self


class MergeRequest(TimedEvent):
    """What became of a merge request, and whose it is: the company's or the community's."""

    topic: ClassVar[str] = "merge_requests"

    type: Literal["merge_request"] = "merge_request"
    merge_request_id: Id
    state: Literal["opened", "reviewed", "merged", "closed", "picked"]
    author: Id
    is_community: Annotated[bool, Field(strict=True)]
