"""The key that hashes of forgotten identifiers are made with: kept beside, never in, the database.

Without it nobody can tell from the hashes who was forgotten, nor find out by trying addresses.
"""

import contextlib
import os
import secrets
from hashlib import blake2b, sha512

from bizops.database import Cursor, load_queries
from bizops.errors import BizopsError
from bizops.settings import Settings

__all__ = ["Hasher", "SuppressionKeyError", "check_key", "find_key", "make_key"]

FILE = "suppression.key"


class SuppressionKeyError(BizopsError):
    """People were forgotten under a key that is not here, so that they could not stay so."""

    exit_code = 78


class Hasher:
    """Hashes identifiers with one key.

    Attributes
    ----------
    fingerprint
        Tells one key from another; says nothing of either.
    """

    def __init__(self, key: bytes) -> None:
        self._empty = blake2b(key=key, digest_size=16)
        self.fingerprint = blake2b(b"fingerprint", key=key, digest_size=16).digest()

    @classmethod
    def checked(cls, key: bytes | None, fingerprint: bytes) -> "Hasher":
        """Of a key, if it is the one with that fingerprint; else :class:`SuppressionKeyError`."""
        hasher = None if key is None else cls(key)
        if hasher is None or hasher.fingerprint != fingerprint:
            what = "is another one" if hasher else "is not here"
            raise SuppressionKeyError(
                f"the key with which this database keeps people forgotten {what}: set "
                f"BIZOPS_SUPPRESSION_KEY to it, or put the file {FILE} back into BIZOPS_HOME"
            )
        return hasher

    def hash(self, kind: str, value: str) -> bytes:
        """16 bytes that stand for one identifier."""
        digest = self._empty.copy()
        digest.update(f"{kind}\0{value}".encode(errors="replace"))
        return digest.digest()


def find_key(settings: Settings) -> bytes | None:
    """The key of the settings, else that of ``BIZOPS_HOME``, else None."""
    text = settings.suppression_key
    if text is None:
        try:
            text = (settings.home / FILE).read_text().strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SuppressionKeyError(f"{settings.home / FILE} can't be read: {error}") from None
    return sha512(text.encode()).digest() if text else None


def make_key(settings: Settings) -> bytes:
    """The key there is, or a new one in ``BIZOPS_HOME`` that only its owner may read."""
    key = find_key(settings)
    if key is not None:
        return key
    path = settings.home / FILE
    partial = path.with_suffix(f".{os.getpid()}")
    settings.home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # another process was faster
        os.link(partial, path)
    partial.unlink()
    made = find_key(settings)
    assert made is not None
    return made


def check_key(cursor: Cursor, settings: Settings) -> None:
    """Refuse a key that is not the one this database's suppressions were made with.

    Raises
    ------
    SuppressionKeyError
        If there are suppressions, and the key is missing or another one.
    """
    cursor.execute(load_queries("streams", "suppression.sql")["fingerprint"])
    row = cursor.fetchone()
    if row is not None:
        Hasher.checked(find_key(settings), bytes(row[0]))
