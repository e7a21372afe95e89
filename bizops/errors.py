"""Errors a person is meant to read: what was wrong, what was expected, and where."""

__all__ = ["BizopsError", "BusyError", "EventError", "GateError", "ServiceError", "UsageError"]


class BizopsError(Exception):
    """Anything that ends a command with one clear sentence and exit code 1."""

    exit_code = 1


class UsageError(BizopsError):
    """What was asked for does not exist or does not fit; nothing was changed."""

    exit_code = 2


class ServiceError(BizopsError):
    """Kafka or PostgreSQL cannot be started, reached, or trusted to go on."""


class BusyError(BizopsError):
    """Another process does what only one may do at a time; nothing was changed: try again later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class GateError(BizopsError):
    """A fit was done and is not good enough to be published; what was published before it stays."""

    exit_code = 3


class EventError(BizopsError):
    """One event does not keep to the contract.

    Attributes
    ----------
    reason
        A short code that stays the same across versions, such as ``missing_field``; dead letters
        are counted by it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
