"""
FITS files as bytes: copies with other headers, whose pixels stay as they are stored, and whether a file is whole.
"""

import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from jsoc_fido.checksums import add, with_checksums
from jsoc_fido.exceptions import DataError
from jsoc_fido.fitscards import BLOCK, CARD, header_bytes, in_blocks

__all__ = ["GENERATED", "TEXT", "check", "has_compressed_reals", "image_hdu", "rewrite", "write_fits"]

#: Cards that an export writes anew each time.
GENERATED = ("RECNUM", "DRMS_ID", "PRIMARYK", "LICENSE", "HEADSUM", "LONGSTRN", "CHECKSUM", "DATASUM")
#: Cards of text, of which there may be any number.
TEXT = ("COMMENT", "HISTORY")

#: No header is longer than this many blocks (36000 cards); what only looks like a header may never end.
LONGEST_HEADER = 1000
#: The standard allows no more.
MOST_AXES = 999
#: Bytes that are in memory at the same time: a whole number of blocks.
CHUNK = 350 * BLOCK

_END = b"END     "
_END_CARD = re.compile(_END)
#: Columns of a card that hold its name, and the one in which its value begins.
_NAME, _VALUE = 8, 10
#: Cards that say how the data are stored, by their beginnings, and whole.
_STRUCTURAL = re.compile(rb"BITPIX|NAXIS|PCOUNT|GCOUNT|GROUPS|ZIMAGE")
_STRUCTURE = re.compile(
    rb"(?P<name>BITPIX|NAXIS\d{0,3}|PCOUNT|GCOUNT|GROUPS|ZIMAGE) *= *(?P<value>[TF]|[+-]?\d{1,18})(?=[ /])"
)
#: A number in quotes; nothing between them means that it is not known (FITS standard 4.4.2.7).
_SUMMED = re.compile(rb"DATASUM")
_DATASUM = re.compile(rb"DATASUM *= *'? *(?P<sum>[^'/ ]*)")
#: The number of a record (contract E.4).
_NUMBERED = re.compile(rb"RECNUM  =")
_RECNUM = re.compile(rb"RECNUM  = +(?P<number>\d+)")
#: A compressed image by Rice's method, and one of real numbers.
_COMPRESSED = re.compile(rb"ZCMPTYPE|ZBITPIX")
_RICE, _REALS = re.compile(rb"ZCMPTYPE= *'RICE_"), re.compile(rb"ZBITPIX *= *-")


@dataclass(frozen=True, slots=True)
class _Part:
    """
    One part of a file, an HDU: a header and the data behind it.

    Parameters
    ----------
    start
        Where the header begins.
    header
        The header with the blanks behind it.
    size
        Bytes of the data, with those that fill up the last block.
    is_image
        Whether the data are an image, compressed or not.
    """

    start: int
    header: bytes
    size: int
    is_image: bool

    @property
    def data(self) -> int:
        return self.start + len(self.header)

    @property
    def end(self) -> int:
        return self.data + self.size


def image_hdu(hdus: fits.HDUList) -> fits.hdu.base.ExtensionHDU | fits.PrimaryHDU:
    """
    The part of a file that holds its image: the first with an image, compressed or not.

    Parameters
    ----------
    hdus
        The file, opened with ``disable_image_compression=True`` or without.

    Raises
    ------
    DataError
        If no part does.
    """
    for hdu in hdus:
        if hdu.is_image and hdu.header.get("NAXIS", 0) > 0:
            return hdu
        if hdu.header.get("ZIMAGE"):
            return hdu
    raise DataError(f"{hdus.filename() or 'The file'} holds no image.")


def check(path: Path, *, with_data: bool = False) -> int | None:
    """
    See whether a file is a whole FITS file, without decoding its data, and of which record it says it is.

    The sizes of its parts must fit, and the data of each the DATASUM in its header, if it has one. Up to one block of
    anything may follow the last part. If more does, something was added to the file that does not belong to it.

    Parameters
    ----------
    path
        The file.
    with_data
        Whether one of its parts must have data, as every file of a record has.

    Returns
    -------
    int or None
        Number of the record that the header of its image tells, None if it tells none.

    Raises
    ------
    DataError
        If it is no FITS file, cut short, or damaged.
    """
    try:
        with Path(path).open("rb") as file:
            parts = list(_parts(file, str(path)))
            if with_data and not any(part.size for part in parts):
                # A file that was cut between its parts is one to the letter.
                raise DataError(f"{path} holds no data: it was cut short, or is none of an image.")
            for part in parts:
                told = _datasum(part.header)
                if told is not None and (not told.isdigit() or int(told) != _sum(file, part)):
                    raise DataError(f"{path} is damaged: the data from byte {part.data} on do not fit their DATASUM.")
    except OSError as err:
        raise DataError(f"{path} cannot be read: {err.strerror or err}.") from err
    cards = (card for part in parts if part.is_image for card in _cards_like(_NUMBERED, part.header))
    return next((int(match["number"]) for card in cards if (match := _RECNUM.match(card))), None)


def has_compressed_reals(path: Path) -> bool:
    """
    Whether a file has an image of real numbers that is compressed by Rice's method, which loses some of their digits.

    Raises
    ------
    DataError
        If it is no whole FITS file.
    """
    with path.open("rb") as file:
        images = [part for part in _parts(file, str(path)) if part.is_image]
    cards = [card for part in images for card in _cards_like(_COMPRESSED, part.header)]
    return all(any(map(pattern.match, cards)) for pattern in (_RICE, _REALS))


def write_fits(source: Path | BinaryIO, target: Path, cards: fits.Header | str) -> None:
    """
    Copy a file and give its image the cards of a header. The pixels are copied as they are stored, compressed or not.

    Parameters
    ----------
    source
        The file as it is stored.
    target
        The file to write. It appears at once and complete, or not at all.
    cards
        The cards, as `jsoc_fido.headers.cards` makes them, or a header. They replace stored cards of the same name;
        other stored cards stay.

    Raises
    ------
    DataError
        If the source is no whole FITS file or has no image, or the target cannot be written.
    """
    text = cards if isinstance(cards, str) else cards.tostring(endcard=False, padding=False)
    added = text.encode("ascii")
    names = {added[place : place + _NAME] for place in range(0, len(added), CARD)}
    names |= {name.encode("ascii").ljust(_NAME) for name in GENERATED}
    names -= {name.encode("ascii").ljust(_NAME) for name in ("", *TEXT)}
    _copy(source, target, lambda stored: _without(stored, names) + added, checksum=True)


def rewrite(
    source: Path | BinaryIO, target: Path, change: Callable[[fits.Header], None], *, checksum: bool = True
) -> None:
    """
    Copy a file with another header of its image. All other bytes stay the same.

    Parameters
    ----------
    source
        The file as it is stored.
    target
        The file to write. It appears at once and complete, or not at all.
    change
        Changes the header of the image, which for a compressed image is the one of the table that holds it.
    checksum
        Whether to add checksums to that header. These tell when they were made, so that two copies are not the same
        bytes.

    Raises
    ------
    DataError
        If the source is no whole FITS file or has no image, or the target cannot be written.
    """

    def edit(stored: bytes) -> bytes:
        cards = fits.Header.fromstring(stored)
        # Real files are not always to the letter of the standard.
        for card in cards.cards:
            card.verify("silentfix+ignore")
        change(cards)
        text: str = cards.tostring(endcard=False, padding=False)
        # A checksum of another header would be wrong; the data are the same.
        return _without(text.encode("ascii", "replace"), {b"CHECKSUM", *([b"DATASUM "] if checksum else [])})

    _copy(source, target, edit, checksum=checksum)


def _copy(source: Path | BinaryIO, target: Path, edit: Callable[[bytes], bytes], *, checksum: bool) -> None:
    """
    Copy a file; the cards of its image, without END, go through a function, which leaves out old checksums.
    """
    name = str(getattr(source, "name", source))
    target = Path(target)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with _opened(source) as file:
            part = next((part for part in _parts(file, name) if part.is_image), None)
            if part is None:
                raise DataError(f"{name} holds no image.")
            cards = edit(b"".join(_cards(part.header)))
            header = with_checksums(cards, _sum(file, part)) if checksum else header_bytes(cards)
            with temporary.open("xb") as copy:
                file.seek(0)
                copy.write(file.read(part.start))
                copy.write(header)
                file.seek(part.data)
                shutil.copyfileobj(file, copy, CHUNK)
        temporary.replace(target)
    except (OSError, fits.VerifyError) as err:
        reason = (isinstance(err, OSError) and err.strerror) or err
        raise DataError(
            f"{name} cannot be copied to {target}: {reason}. It must be a FITS file, the folder writable."
        ) from err
    finally:
        temporary.unlink(missing_ok=True)


def _opened(source: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return source.open("rb") if isinstance(source, Path) else nullcontext(source)


def _parts(file: BinaryIO, name: str) -> Iterator[_Part]:
    """
    The parts of a file, each of which is there to its end.

    Raises
    ------
    DataError
        If it is no FITS file, or not a whole one.
    """
    length = file.seek(0, os.SEEK_END)
    start = 0
    while not start or _begins(file, start, b"XTENSION"):
        if not start and not _begins(file, start, b"SIMPLE  ="):
            file.seek(0)
            raise DataError(f"{name} is no FITS file: it begins with {file.read(20)!r}.")
        part = _part(start, _read_header(file, start, name), name)
        if part.end > length:
            asked = part.end if part.end < 1 << 63 else "far more"
            raise DataError(f"{name} is cut short: it has {length} bytes, its header at byte {start} asks for {asked}.")
        yield part
        start = part.end
    if length - start > BLOCK:
        raise DataError(
            f"{name} is no FITS file from byte {start} on: {length - start} bytes too many follow its parts."
        )


def _begins(file: BinaryIO, start: int, beginning: bytes) -> bool:
    file.seek(start)
    return file.read(len(beginning)) == beginning


def _read_header(file: BinaryIO, start: int, name: str) -> bytes:
    """
    A header up to the end of the block with its END.
    """
    file.seek(start)
    blocks: list[bytes] = []
    while len(blocks) < LONGEST_HEADER:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise DataError(f"{name} is cut short: its header at byte {start} has no end.")
        ends = (match.end() for match in _END_CARD.finditer(block) if match.start() % CARD == 0)
        if end := next(ends, None):
            # What stands behind END means nothing.
            return b"".join([*blocks, block[:end].ljust(BLOCK)])
        blocks.append(block)
    raise DataError(f"{name} is no FITS file: its header at byte {start} has no end in {BLOCK * LONGEST_HEADER} bytes.")


def _part(start: int, header: bytes, name: str) -> _Part:
    """
    Take from a header how many data follow (FITS standard 4.4.1, 6.2 and 7).
    """
    told: dict[bytes, bytes] = {}
    for card in _cards_like(_STRUCTURAL, header):
        if match := _STRUCTURE.match(card):
            told.setdefault(match["name"], match["value"])
    try:
        bits, count = int(told[b"BITPIX"]), int(told[b"NAXIS"])
        axes = [int(told[b"NAXIS%d" % number]) for number in range(1, min(count, MOST_AXES) + 1)]
        extra, groups = int(told.get(b"PCOUNT", 0)), int(told.get(b"GCOUNT", 1))
    except (KeyError, ValueError) as err:
        raise DataError(
            f"{name} is no FITS file: its header at byte {start} does not tell how many data follow."
        ) from err
    if bits not in {8, 16, 32, 64, -32, -64} or min(count, extra, groups, *axes) < 0 or count > MOST_AXES:
        raise DataError(f"{name} is no FITS file: its header at byte {start} tells sizes that cannot be.")
    if axes[:1] == [0] and told.get(b"GROUPS") == b"T":
        axes = axes[1:]
    size = abs(bits) // 8 * groups * (extra + math.prod(axes)) if axes else 0
    is_image = told.get(b"ZIMAGE") == b"T" or (bool(axes) and (not start or header[_VALUE:].startswith(b"'IMAGE ")))
    return _Part(start, header, in_blocks(size), is_image)


def _cards(header: bytes) -> Iterator[bytes]:
    """
    The cards before END.
    """
    for place in range(0, len(header), CARD):
        card = header[place : place + CARD]
        if card.startswith(_END):
            return
        yield card


def _cards_like(beginning: re.Pattern[bytes], header: bytes) -> Iterator[bytes]:
    """
    The cards that begin so. Most headers have hundreds of others, which are not looked at one by one.
    """
    for match in beginning.finditer(header):
        if match.start() % CARD == 0:
            yield header[match.start() : match.start() + CARD]


def _without(cards: bytes, names: Container[bytes]) -> bytes:
    """
    Leave out cards of some names, with those that continue them, and blank ones at the end.

    Names are those of cards: in capitals, with blanks behind.
    """
    kept = []
    is_kept = True
    for card in _cards(cards):
        name = card[:_NAME].upper()
        is_kept = is_kept if name == b"CONTINUE" else name not in names
        if is_kept:
            kept.append(card)
    while kept and kept[-1].isspace():
        kept.pop()
    return b"".join(kept)


def _datasum(header: bytes) -> bytes | None:
    """
    What a header says that the sum of its data is, None if it does not.
    """
    found = (match["sum"] for card in _cards_like(_SUMMED, header) if (match := _DATASUM.match(card)))
    return next(found, b"") or None


def _sum(file: BinaryIO, part: _Part) -> int:
    """
    Sum of the data of a part (FITS standard 4.4.2.7).
    """
    file.seek(part.data)
    total = 0
    for left in range(part.size, 0, -CHUNK):
        total = add(total, file.read(min(CHUNK, left)))
    return total
