"""
How much a site stages at once, and how long it keeps it (contract B.12).
"""

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Limits"]

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits of a site. They are lenient unless told otherwise; `jsoc` gives those of JSOC.

    Parameters
    ----------
    pending
        Unfinished requests of one e-mail address at a time; any number if None.
    pending_host
        Unfinished requests from one computer at a time; any number if None.
    pending_minutes
        For how long an unfinished request counts.
    megabytes
        Size of one request.
    megabytes_unpacked
        The same, of files that are stored compressed and asked for uncompressed.
    megabytes_packed
        The same, of files that are stored uncompressed and not asked for so.
    record_set_length
        Characters of a record set, as it is after the test of QUALITY was added; any number if None.
    repeat_hours
        For how long the same request gets the same files again.
    retain_days
        For how long the files stay; for ever if None.
    record_numbers
        Whether requests may name records by their numbers.
    """

    pending: int | None = None
    pending_host: int | None = None
    pending_minutes: float = 60.0
    megabytes: float = 100_000
    megabytes_unpacked: float = 10_000
    megabytes_packed: float = 1_000_000
    record_set_length: int | None = None
    repeat_hours: float = 24.0
    retain_days: float | None = 7.0
    record_numbers: bool = True

    @classmethod
    def jsoc(cls, **others: Any) -> "Limits":
        """
        JSOC's limits, but for those that are given.
        """
        return replace(cls(pending=1, pending_host=10, record_set_length=4095), **others)

    def most_megabytes(self, protocol: str, *, compressed: bool) -> float:
        """
        Size of a request (contract B.12).

        Parameters
        ----------
        protocol
            The protocol with its arguments; ``**NONE**`` asks for uncompressed files.
        compressed
            Whether the files are stored compressed.
        """
        packed = "**NONE**" not in protocol
        if compressed == packed:
            return self.megabytes
        return self.megabytes_packed if packed else self.megabytes_unpacked
