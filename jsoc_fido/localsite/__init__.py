"""
A DRMS site in a box: JSOC's web interface over a database of this machine (needs the extra ``site``).
"""

from pathlib import Path

from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.ingest import ingest
from jsoc_fido.localsite.server import RunningSite, running, serve
from jsoc_fido.localsite.synthesize import synthesize

__all__ = ["Catalogue", "RunningSite", "ingest", "init", "running", "serve", "synthesize"]


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
