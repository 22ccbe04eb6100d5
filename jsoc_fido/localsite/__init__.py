"""
A DRMS site in a box: JSOC's web interface over a database of this machine (needs the extra ``site``).
"""

from pathlib import Path

from jsoc_fido import recordset
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.ingest import ingest
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.server import RunningSite, running, serve
from jsoc_fido.localsite.synthesize import synthesize

__all__ = ["Catalogue", "RunningSite", "ingest", "init", "running", "serve", "set_online", "synthesize"]


def init(directory: Path | str, database: str | None = None) -> None:
    """
    Make a site, empty at first; a site that is there already is left as it is.

    Parameters
    ----------
    directory
        The site's directory; it is made if need be.
    database
        URL of its database, in SQLAlchemy's form; a file in the directory by default.

    Raises
    ------
    DataError
        If the directory or the database cannot be written.
    """
    Catalogue.create(Path(directory), database).close()


def set_online(directory: Path | str, record_set: str, *, online: bool) -> int:
    """
    Say whether the files of records are on disk, or only on tape, where somebody has to fetch them first.

    Files that are not on disk cannot be exported (status 25, contract B.16). Nothing happens to the files themselves.

    Parameters
    ----------
    directory
        The site's directory.
    record_set
        The records. Others in the same storage units share their fate.
    online
        Whether the files are there.

    Returns
    -------
    int
        The number of records that were named.

    Raises
    ------
    DataError
        If the directory holds no site.
    QueryError
        If the record set cannot be read, or does not fit its series.
    """
    with Catalogue.open(Path(directory)) as catalogue:
        selection = Selection(catalogue, recordset.parse(record_set))
        recnums = [recnum for (recnum,) in selection.rows([selection.table.c.recnum])]
        catalogue.set_online(selection.series.name, recnums, online=online)
    return len(recnums)
