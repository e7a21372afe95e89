"""Who gets the credit: journeys, kernels, the model, rules of thumb, and their publication."""

from attribution.credit import CreditRow
from attribution.rulebook import credit_by_rule
from attribution.rules import RULES

__all__ = ["RULES", "CreditRow", "credit_by_rule"]
