"""
Exports to look at: images in colour, and movies of them (contract B.11).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jsoc_fido.exceptions import DataError, QueryError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["KINDS", "Movie", "Rendering"]

#: Protocols, and for movies the container and the codecs of which the first there is will do.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "jpg": ("", ()),
    "mpg": ("mpeg", ("mpeg2video", "mpeg1video")),
    "mp4": ("mp4", ("libx264", "mpeg4")),
}

#: JSOC's colour tables, as matplotlib and sunpy call what is most like them.
TABLES = {
    "grey.sao": "gray",
    "heat.sao": "gist_heat",
    "bb.sao": "afmhot",
    "HMI_mag.lut": "hmimag",
    **{f"aia_{channel}.lut": f"sdoaia{channel}" for channel in (94, 131, 171, 193, 211, 304, 335, 1600, 1700, 4500)},
}
#: The table of each image's own channel.
MIXED = "aia_mixed"

SCALINGS = ("MINMAX", "MINMAXGIVEN", "LOG", "SQRT", "mag")

#: Gauss that are white and black, where a request does not say.
STRONG = 1500.0

#: How many times smaller than the original images may be.
SIZES = (1, 2, 4, 8)

#: Frames must not wait in the encoder: of the largest images, forty take a gigabyte.
OPTIONS = {"libx264": {"preset": "veryfast", "tune": "zerolatency"}}

#: Images of a movie a second: one that all formats know.
RATE = 24

#: Bits of a movie a second.
BIT_RATE = 8_000_000

MISSING = "This site cannot make pictures without {}; pip install 'jsoc-fido[all]' brings it."


@dataclass(frozen=True, slots=True)
class Rendering:
    """
    How an image becomes a picture.

    Parameters
    ----------
    kind
        One of `KINDS`.
    table
        Colour table, by JSOC's name.
    scaling
        ``MINMAX``: from the smallest value to the largest, or to those that are given. ``MINMAXGIVEN``: these must be
        given. ``LOG``, ``SQRT``: the same, with more colours for small values. ``mag``: zero is in the middle.
    size
        How many times smaller the picture is.
    low, high
        Values of the first and the last colour.
    """

    kind: str
    table: str = "grey.sao"
    scaling: str = "MINMAX"
    size: int = 1
    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, protocol: str) -> "Rendering":
        """
        Read a protocol with its arguments, in any order and case.

        Raises
        ------
        QueryError
            If an argument is unknown, or has a value that makes no sense.

        Examples
        --------
        >>> Rendering.parse("mp4,CT=HMI_mag.lut,scaling=mag,size=4,min=-1500,max=1500")
        Rendering(kind='mp4', table='HMI_mag.lut', scaling='mag', size=4, low=-1500.0, high=1500.0)
        """
        kind, *parts = protocol.split(",")
        readers: dict[str, tuple[str, Callable[[str], object]]] = {
            "ct": ("table", lambda text: _one_of([*TABLES, MIXED], text)),
            "scaling": ("scaling", lambda text: _one_of(SCALINGS, text)),
            "size": ("size", lambda text: int(_one_of([str(size) for size in SIZES], text))),
            "min": ("low", _finite),
            "max": ("high", _finite),
        }
        given: dict[str, Any] = {}
        for part in parts:
            name, _, text = part.partition("=")
            if name.strip().lower() not in readers:
                raise QueryError(
                    f"The protocol {kind} has no argument {part!r}; it has CT, scaling, size, min and max."
                )
            field, reader = readers[name.strip().lower()]
            try:
                given[field] = reader(text.strip())
            except ValueError as err:
                raise QueryError(f"{part!r} is wrong for the protocol {kind}: {err}.") from err
        made = cls(kind.lower(), **given)
        if made.scaling == "MINMAXGIVEN" and (made.low is None or made.high is None):
            raise QueryError(f"The scaling MINMAXGIVEN of the protocol {kind} needs min and max.")
        if made.low is not None and made.high is not None and made.low >= made.high:
            raise QueryError(f"min={made.low:g} of the protocol {kind} is not less than max={made.high:g}.")
        return made

    @property
    def is_movie(self) -> bool:
        return bool(KINDS[self.kind][0])

    def __str__(self) -> str:
        names = {"table": "CT", "low": "min", "high": "max"}
        told = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        return ",".join(
            f"{names.get(name, name)}={value:g}" if isinstance(value, float) else f"{names.get(name, name)}={value}"
            for name, value in told.items()
            if value is not None
        )

    def draw(self, pixels: np.ndarray, *, wavelength: float | None = None, turned: bool = False) -> "Image":
        """
        Draw an image, the first row below.

        Parameters
        ----------
        pixels
            Physical values, NaN where missing; these become black.
        wavelength
            In angstroms, for the colour table of each channel.
        turned
            Whether north is below.

        Raises
        ------
        DataError
            If a library for it is not installed.
        """
        try:
            import sunpy.visualization.colormaps  # noqa: F401 - it gives matplotlib more of them
            from astropy.visualization import ImageNormalize, LinearStretch, LogStretch, SqrtStretch
            from matplotlib import colormaps
            from PIL import Image

            from jsoc_fido.localsite.processing.plates import mean
        except ImportError as err:
            raise DataError(MISSING.format(err.name)) from err
        if self.size > 1:
            pixels = mean(pixels, min(self.size, *pixels.shape))
        low, high = self._limits(pixels)
        stretch = {"LOG": LogStretch, "SQRT": SqrtStretch}.get(self.scaling, LinearStretch)()
        known = np.isfinite(pixels)
        scaled = ImageNormalize(vmin=low, vmax=high, stretch=stretch, clip=True)(np.where(known, pixels, low))
        name = TABLES.get(self.table, "gray")
        if self.table == MIXED and wavelength is not None:
            name = TABLES.get(f"aia_{wavelength:.0f}.lut", name)
        colours = np.where(known[..., None], colormaps[name](np.asarray(scaled), bytes=True)[..., :3], 0)
        upright = colours[:, ::-1] if turned else colours[::-1]
        return Image.fromarray(np.ascontiguousarray(upright, dtype=np.uint8))

    def _limits(self, pixels: np.ndarray) -> tuple[float, float]:
        known = pixels[np.isfinite(pixels)]
        if self.scaling == "mag":
            given = [abs(value) for value in (self.low, self.high) if value is not None]
            most = max(given, default=STRONG) or STRONG
            return -most, most
        low = self.low if self.low is not None else float(known.min()) if known.size else 0.0
        high = self.high if self.high is not None else float(known.max()) if known.size else 1.0
        return low, high if high > low else low + 1.0


class Movie:
    """
    A movie that grows image by image.

    Parameters
    ----------
    path
        The file.
    kind
        One of `KINDS`.

    Raises
    ------
    DataError
        If the library for it is not installed, or has none of the codecs.
    """

    def __init__(self, path: Path, kind: str) -> None:
        try:
            import av
        except ImportError as err:
            raise DataError(MISSING.format(err.name)) from err
        container, codecs = KINDS[kind]
        codec = next((name for name in codecs if name in av.codecs_available), None)
        if codec is None:
            raise DataError(f"This site cannot make movies of the kind {kind}: PyAV has none of {', '.join(codecs)}.")
        self.path = path
        self._new_frame = av.VideoFrame.from_image
        self._file = av.open(str(path), "w", format=container)
        stream: Any = self._file.add_stream(codec, rate=RATE, options=OPTIONS.get(codec))
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        self._stream = stream
        self._size: tuple[int, int] | None = None

    def add(self, image: "Image") -> None:
        """
        Add an image. All become as large as the first.
        """
        from PIL import ImageOps

        if self._size is None:
            self._size = image.size
            self._stream.width, self._stream.height = map(_coded, image.size)
        if image.size != self._size:
            image = ImageOps.pad(image, self._size)
        whole = image.crop((0, 0, self._stream.width, self._stream.height))
        self._file.mux(self._stream.encode(self._new_frame(whole)))

    def close(self) -> None:
        """
        Finish the file.
        """
        if self._size is not None:
            self._file.mux(self._stream.encode())
        self._file.close()


def _coded(length: int) -> int:
    """
    The length of an edge that all codecs take: even, and, as MPEG-2 wants it, no multiple of 4096.
    """
    even = length + length % 2
    return even + 2 if even % 4096 == 0 else even


def _one_of(options: Any, text: str) -> str:
    found = next((option for option in options if option.lower() == text.lower()), None)
    if found is None:
        raise ValueError(f"it must be one of {', '.join(options)}")
    return str(found)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it must be a number")
    return value
