"""Which role may do what with which table, as one table; `bizops roles` grants exactly that."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["RIGHTS", "ROLES", "TRANSFORM", "Right"]

ROLES = {
    "bizops_stream": "brings events and who is who into the database: `bizops stream`",
    "bizops_attribute": "reads events, writes credit: `bizops attribute`, `bizops live`",
    "bizops_transform": "reads events and credit, owns the marts: `bizops transform`",
    "bizops_report": "reads credit, marts, and of events no person: `bizops report`, dashboards",
    "bizops_privacy": "sees persons, corrects and erases: `bizops timeline`, `bizops forget`",
}
"""Roles that cannot log in themselves; a person or a service is granted one."""

TRANSFORM = "bizops_transform"
"""Owns the schemas that dbt builds; of the marts the report role reads whatever comes."""

# a reads as: r select, a insert, w update, d delete, T truncate, U usage; r* is
# select on the columns of VISIBLE alone, - is nothing
MATRIX = """
relation                       stream  attribute  transform  report  privacy
public.schema_version          r       r          r          r       r
stream.touches                 ra      r          -          -       rawd
stream.revenue                 ra      r          r*         r*      rawd
stream.spend                   raw     r          r          r       rawd
stream.identities              ra      r          -          -       rawd
stream.accounts                raw     r          r          r       rawd
stream.campaigns               raw     r          r          r       rawd
stream.lift_tests              ra      r          r          r       rawd
stream.opportunities           raw     r          r          -       rawd
stream.exchange_rates          raw     r          r          r       rawd
stream.products                raw     r          r          r       rawd
stream.targets                 raw     -          r          r       rawd
stream.lead_statuses           ra      r          -          -       rawd
stream.invoices                ra      -          r          -       rawd
stream.payments                ra      -          r          -       rawd
stream.ledger                  raw     -          r          -       rawd
stream.usage                   ra      -          -          -       rawd
stream.experiments             raw     -          r          -       rawd
stream.applications            ra      -          r          -       rawd
stream.surveys                 ra      -          r          -       rawd
stream.employees               ra      -          r          -       rawd
stream.merge_requests          ra      -          r          -       rawd
stream.dead_letters            ra      -          -          -       rawd
stream.progress                raw     r          -          -       rawd
stream.identifiers             raw     r          -          -       rawd
stream.identity_edges          raw     r          -          -       rawd
stream.account_links           raw     r          -          -       rawd
stream.identity_decisions      r       r          -          -       rawd
stream.identity_versions       -       -          -          -       U
stream.identity_epoch          r       -          -          -       rw
stream.standing_decisions      r       r          -          -       r
stream.standing_edges          r       r          -          -       r
stream.domain_accounts         r       r          -          -       r
stream.account_claims          r       r          -          -       r
stream.identifier_touches      raw     r          -          -       rawd
stream.account_touches         raw     r          r          r       rawd
stream.account_channels        r       r          r          r       r
stream.suppressions            r       -          -          -       rawd
stream.suppression_key         r       -          -          -       rawd
stream.erasures                -       -          r          -       rawd
stream.identifier_persons      r       r          -          -       r
stream.person_accounts         r       r          -          -       r
stream.identifier_accounts     r       r          r          r       r
stream.known_leads             -       r          r          r       r
stream.resolved_touches        -       r          r*         r*      r
stream.stored_touches          -       -          r          -       r
stream.stored_lead_statuses    -       -          r          -       r
stream.resolved_usage          -       -          r          -       r
stream.resolved_lead_statuses  -       r          r          -       r
attribution.runs               -       raw        r          r       rawd
attribution.conversions        -       rawd       r          r       rawd
attribution.credit             -       rawd       r          r       rawd
attribution.credit_draws       -       rawd       r          r       rawd
attribution.incremental_draws  -       rad        r          r       rawd
attribution.incremental_iacv_draws - rad         r          r       rawd
attribution.incremental_parts  -       rad        r          r       rawd
attribution.relative_draws     -       rad        r          r       rawd
attribution.lead_credit        -       rawd       r          r       rawd
attribution.credit_totals      -       rad        r          r       rawd
attribution.posterior_draws    -       rad        -          r       rawd
attribution.removal_effects    -       rad        -          r       rawd
attribution.account_activity   -       rad        -          r       rawd
attribution.known_accounts     -       r          -          r       r
attribution.restatements       -       ra         r          r       rawd
attribution.published_run      -       r          r          r       r
warehouse.transforms           -       -          raw        r       r
warehouse.conversions          -       -          raT        r       rawd
warehouse.identifiers          -       -          rawdT      -       rawd
warehouse.changed_touches      -       -          raT        -       rawd
warehouse.changed_figures      -       -          raT        -       r
warehouse.changed_conversions  -       -          raT        -       rawd
warehouse.bounded_channels     -       -          raT        r       r
warehouse.credit_intervals     -       -          rawdT      r       rawd
warehouse.draw_sums            -       -          rawT       -       r
warehouse.spend                -       -          rad        r       rawd
warehouse.revenue              -       -          r          -       r
"""

# what reports and the marts may see of tables that hold persons too: a new column is not in it
VISIBLE = {
    "stream.revenue": (
        "event_id", "source", "occurred_at", "day_only", "received_at", "account_id", "kind",
        "iacv", "currency", "opportunity_id", "arr", "tcv", "term_months", "product", "stored_in",
    ),
    "stream.resolved_touches": (
        "event_id", "source", "occurred_at", "day_only", "received_at", "channel", "campaign_id",
        "account_id", "person_id", "lead_id", "touch_type", "collateral_id", "creative_id",
    ),
}  # fmt: skip

PRIVILEGES = {
    "r": "select", "a": "insert", "w": "update", "d": "delete", "T": "truncate", "U": "usage",
}  # fmt: skip


@dataclass(frozen=True)
class Right:
    """What one role may do with one relation.

    Attributes
    ----------
    privileges
        Such as ``select``; never empty.
    columns
        The only ones it holds for; all if empty.
    """

    role: str
    schema: str
    relation: str
    privileges: tuple[str, ...]
    columns: tuple[str, ...] = ()


def _read(matrix: str) -> Iterator[Right]:
    head, *lines = (line.split() for line in matrix.strip().splitlines())
    for name, *cells in lines:
        schema, _, relation = name.partition(".")
        for short, cell in zip(head[1:], cells, strict=True):
            letters = cell.strip("-*")
            if letters:
                columns = VISIBLE[name] if cell.endswith("*") else ()
                privileges = tuple(PRIVILEGES[letter] for letter in letters)
                yield Right(f"bizops_{short}", schema, relation, privileges, columns)


RIGHTS = tuple(_read(MATRIX))
"""Every right on every table, view and sequence; what is not here is not granted."""
