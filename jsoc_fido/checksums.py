"""
Checksums of FITS files (FITS standard 4.4.2.7 and appendix J).
"""

import string
from datetime import UTC, datetime

import numpy as np

from jsoc_fido.fitscards import CARD, header_bytes

__all__ = ["add", "with_checksums"]

#: Codes of digits and letters.
_ALLOWED = frozenset(map(ord, string.digits + string.ascii_letters))


def add(total: int, data: bytes) -> int:
    """
    Add the 32-bit words of some data to a sum in ones' complement.
    """
    total += int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def with_checksums(cards: bytes, datasum: int) -> bytes:
    """
    A header with the sums of its data and of all of it, itself included.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    told = f"{f'DATASUM = {chr(39)}{datasum}{chr(39)}':30} / data unit checksum updated {now}".encode("ascii")
    header = header_bytes(cards + _checksum_card("0" * 16, now) + told.ljust(CARD))
    code = _encoded(0xFFFFFFFF - add(datasum, header))
    return header_bytes(cards + _checksum_card(code, now) + told.ljust(CARD))


def _checksum_card(code: str, now: str) -> bytes:
    return f"CHECKSUM= '{code}'   / HDU checksum updated {now}".encode("ascii").ljust(CARD)


def _encoded(number: int) -> str:
    """
    A checksum as sixteen letters and digits, whose own sum is the number (FITS standard, appendix J).
    """
    columns = []
    for byte in number.to_bytes(4, "big"):
        quotient, remainder = divmod(byte, 4)
        quotient += ord("0")
        column = [quotient + remainder, quotient, quotient, quotient]
        for pair in (0, 2):
            # Keep the sum of the pair, and make letters or digits of both.
            while not {column[pair], column[pair + 1]} <= _ALLOWED:
                column[pair] += 1
                column[pair + 1] -= 1
        columns.append(column)
    code = "".join(chr(column[row]) for row in range(4) for column in columns)
    # The value of the card begins in the last byte of a word.
    return code[-1] + code[:-1]
