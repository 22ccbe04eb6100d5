"""
FITS cards as they stand in a file: eighty characters each, in blocks (FITS standard 3 and 4).
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from astropy.io import fits

__all__ = ["BLOCK", "CARD", "ascii_text", "card_text", "header_bytes", "in_blocks", "text_cards", "value_text"]

#: Bytes of a FITS block, and of a card.
BLOCK, CARD = 2880, fits.Card.length

#: Columns of a card: name and equals sign, a number, a part of a long text, the comment behind such a text.
_START, _NUMBER, _PIECE, _BEHIND = 10, 20, 67, 64

_NOT_ASCII = re.compile(r"[^ -~]")


def header_bytes(cards: bytes) -> bytes:
    """
    Cards as they stand in a file: with END, and blanks up to the end of the block.

    Parameters
    ----------
    cards
        The cards, 80 bytes each.
    """
    text = cards + b"END".ljust(CARD)
    return text.ljust(in_blocks(len(text)))


def in_blocks(size: int) -> int:
    """
    Bytes with those that fill up the last block.
    """
    return -(-size // BLOCK) * BLOCK


@lru_cache(maxsize=4096)
def card_text(name: str, text: str, comment: str, original: str) -> str:
    """
    A card with as much of its comment as there is room for, and the keyword's own name behind if that differs.
    """
    if comment and original:
        original = f" {original}"
    if len(text) > CARD - _START:
        return _long_card(name, text, comment[: min(40, _BEHIND - len(original))] + original)
    room = CARD - _START - max(len(text), _NUMBER) - len(" / ")
    comment = (comment[: max(room - len(original), 0)] + original)[: max(room, 0)]
    return f"{name:8}= {text:>{_NUMBER}}{' / ' if comment else ''}{comment}".ljust(CARD)


def _long_card(name: str, text: str, comment: str) -> str:
    """
    A text that goes on in CONTINUE cards; the last of them has the comment (FITS standard 4.2.1.2).
    """
    parts = list(_pieces(text[1:-1]))
    if comment or parts[-1].endswith("&"):
        parts.append("")
    starts = [f"{name:8}= ", *["CONTINUE  "] * (len(parts) - 1)]
    lines = [f"{start}'{part}&'" for start, part in zip(starts, parts, strict=True)]
    lines[-1] = f"{starts[-1]}'{parts[-1]}'{' / ' if comment else ''}{comment}"
    return "".join(line.ljust(CARD) for line in lines)


def _pieces(text: str) -> Iterator[str]:
    """
    Split a text with doubled quotes over cards, between words if there are any.
    """
    while len(text) >= _PIECE:
        cut = text.rfind(" ", 0, _PIECE) + 1 or _PIECE
        # A pair of quotes stays together.
        cut -= text.count("'", 0, cut) % 2
        yield text[:cut]
        text = text[cut:]
    if text:
        yield text


def value_text(content: float | str) -> str:
    """
    A value as a card has it, numbers with all digits: astropy would cut them to twenty characters.
    """
    if isinstance(content, str):
        return ("'" + content.replace("'", "''").ljust(8) + "'").ljust(_NUMBER)
    text = repr(content).upper()
    return text.replace("E", ".0E") if "E" in text and "." not in text else text


def ascii_text(text: str) -> str:
    """
    The characters that FITS allows; others become a question mark.
    """
    return _NOT_ASCII.sub("?", text)


def text_cards(name: str, content: object) -> str:
    """
    A text over as many cards as it needs; lines that it has already are kept.
    """
    lines = "" if content is None else str(content)
    room = CARD - 8
    return "".join(
        f"{name:8}{ascii_text(line[start : start + room]):{room}}"
        for line in lines.splitlines()
        if line.strip()
        for start in range(0, len(line), room)
    )
