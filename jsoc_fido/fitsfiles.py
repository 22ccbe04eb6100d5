"""
Copies of FITS files with other headers; the pixels stay as they are stored, compressed or not.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from jsoc_fido.exceptions import DataError

__all__ = ["GENERATED", "TEXT", "image_hdu", "rewrite", "write_fits"]

#: Cards that an export writes anew each time.
GENERATED = ("RECNUM", "DRMS_ID", "PRIMARYK", "LICENSE", "HEADSUM", "LONGSTRN", "CHECKSUM", "DATASUM")
#: Cards of text, of which there may be any number.
TEXT = ("COMMENT", "HISTORY")


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


def write_fits(source: Path | BinaryIO, target: Path, header: fits.Header) -> None:
    """
    Copy a file and give its image the cards of a header. The pixels are copied as they are stored, compressed or not.

    Parameters
    ----------
    source
        The file as it is stored.
    target
        The file to write. It appears at once and complete, or not at all.
    header
        The cards, as `header` makes them. They replace stored cards of the same name; other stored cards stay.

    Raises
    ------
    DataError
        If the source is no FITS file or has no image, or the target cannot be written.
    """

    def add(stored: fits.Header) -> None:
        for name in {*header, *GENERATED} - {*TEXT, ""}:
            stored.remove(name, ignore_missing=True, remove_all=True)
        stored.extend(header, strip=False, unique=False, update=False, end=True)

    rewrite(source, target, add)


def rewrite(
    source: Path | BinaryIO, target: Path, change: Callable[[fits.Header], None], *, checksum: bool = True
) -> None:
    """
    Copy a file with another header and byte for byte the same pixels.

    Parameters
    ----------
    source
        The file as it is stored.
    target
        The file to write. It appears at once and complete, or not at all.
    change
        Changes the header of the image, which for a compressed image is the one of the table that holds it.
    checksum
        Whether to add checksums. These tell when they were made, so that two copies are not the same bytes.

    Raises
    ------
    DataError
        If the source is no FITS file or has no image, or the target cannot be written.
    """
    name = getattr(source, "name", source)
    target = Path(target)
    temporary = None
    try:
        with fits.open(source, disable_image_compression=True, do_not_scale_image_data=True, memmap=False) as hdus:
            hdus.verify("silentfix+ignore")
            change(image_hdu(hdus).header)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
                temporary = Path(file.name)
                hdus.writeto(file, checksum=checksum, output_verify="silentfix+ignore")
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as err:
        raise DataError(
            f"{name} cannot be copied to {target}: {err}. It must be a FITS file, the folder writable."
        ) from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
