"""Facts of identity that a writer knows to be stored, so that saying them again costs nothing."""

from streams.identity import Facts

__all__ = ["Known"]

MOST_FACTS = 200_000

type Epoch = tuple[object, ...]


class Known:
    """What one connection stored and committed, as long as nobody has removed facts.

    Whoever deletes or truncates tables of identity raises their epoch (a trigger does), whoever
    puts others in their place changes it; with another epoch all is forgotten. Facts are only
    skipped if the stored ones say the same as early, so that skipping them changes nothing.
    """

    def __init__(self) -> None:
        self.epoch: Epoch = ()
        self.facts = Facts()
        self.waiting = Facts()

    def unknown(self, facts: Facts, epoch: Epoch) -> Facts:
        """The facts that may change something; they wait for :meth:`remember`."""
        if epoch != self.epoch:
            self.epoch, self.facts = epoch, Facts()
        known = self.facts
        self.waiting = Facts(
            {i: pair for i, pair in facts.identifiers.items() if i not in known.identifiers},
            {e: s for e, s in facts.edges.items() if e not in known.edges or s < known.edges[e]},
            {e: s for e, s in facts.equals.items() if e not in known.equals or s < known.equals[e]},
            {
                key: (strength, said)
                for key, (strength, said) in facts.accounts.items()
                if key not in known.accounts
                or (-strength, said) < (-known.accounts[key][0], known.accounts[key][1])
            },
        )
        return self.waiting

    def remember(self) -> None:
        """The transaction that stored what waits is committed."""
        known, new = self.facts, self.waiting
        if len(known.identifiers) + len(known.edges) + len(known.accounts) > MOST_FACTS:
            self.facts = known = Facts()
        known.identifiers.update(new.identifiers)
        known.edges.update(new.edges)
        known.equals.update(new.equals)
        known.accounts.update(new.accounts)
        self.waiting = Facts()

    def drop(self) -> None:
        """Forget what waits: another transaction begins."""
        self.waiting = Facts()
