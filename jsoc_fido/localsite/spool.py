"""
Long replies: written in the order in which records are read, sent in another one, and never in memory as a whole.

``rs_list`` tells column by column what the database gives record by record (contract B.5). So the columns of some
thousand records at a time are put down in a temporary file, and gathered from there when all are known. Nothing is sent
before, so that what goes wrong is told as an error and not as half a reply, and no slow client keeps the database busy.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

__all__ = ["Piece", "Reply", "Spool"]

#: Replies up to this many bytes need no file.
IN_MEMORY = 4 << 20

#: Bytes that are sent at once.
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Where a text lies in a spool.
    """

    start: int
    size: int


class Spool:
    """
    Texts on disk, or in memory as long as they are short. Files are nameless, and gone with the process at the latest.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by who has the spool
        self._end = 0

    def add(self, text: str) -> Piece:
        """
        Put down a text of ASCII characters.
        """
        size = self._file.write(text.encode("ascii"))
        piece = Piece(self._end, size)
        self._end += size
        return piece

    def read(self, piece: Piece) -> bytes:
        """
        Read a text again. Nothing can be added any more.
        """
        self._file.seek(piece.start)
        return self._file.read(piece.size)

    def close(self) -> None:
        """
        Forget all.
        """
        self._file.close()


class Reply:
    """
    A reply, made of short texts and of those in a spool. Iterating gives its bytes, once, in chunks worth sending.

    Parameters
    ----------
    spool
        The spool; it is closed with the reply.
    parts
        The texts, in order.

    Examples
    --------
    >>> spool = Spool()
    >>> second, first = spool.add("second"), spool.add("first, ")
    >>> bytes(Reply(spool, ["so: ", first, second]))
    b'so: first, second'
    """

    def __init__(self, spool: Spool, parts: Iterable[str | Piece]) -> None:
        self._spool = spool
        self._parts = [part.encode("ascii") if isinstance(part, str) else part for part in parts]
        #: Bytes.
        self.size = sum(part.size if isinstance(part, Piece) else len(part) for part in self._parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        waiting: list[bytes] = []
        size = 0
        for part in self._parts:
            waiting.append(self._spool.read(part) if isinstance(part, Piece) else part)
            size += len(waiting[-1])
            if size >= CHUNK:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)

    def __bytes__(self) -> bytes:
        with self:
            return b"".join(self)

    def close(self) -> None:
        """
        Let go of the spool.
        """
        self._spool.close()
