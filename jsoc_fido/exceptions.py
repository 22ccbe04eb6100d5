"""
Everything that can go wrong, by name.

::

    JSOCError
    ├── QueryError (ValueError)      the question cannot be asked, or not so
    │   └── UnsupportedError (TypeError)   there is no such thing in this series, or at this site
    ├── DataError (ValueError)       a file, folder or reply that is not what it should be
    ├── SiteError                    the site, or the way to it
    │   ├── TransportError           nothing came back, or something that is no answer
    │   └── ServerError              the site answered, and refused
    └── ExportError                  a staged request
        ├── ExportTimeout            it took longer than the caller wanted to wait
        ├── NotExportedError         it is not finished yet
        └── NotRegisteredError (ValueError)   it needs an e-mail address the site knows

Messages say what went wrong, name the value, and say what would work.
"""

__all__ = [
    "DataError",
    "ExportError",
    "ExportTimeout",
    "JSOCError",
    "NotExportedError",
    "NotRegisteredError",
    "QueryError",
    "ServerError",
    "SiteError",
    "TransportError",
    "UnsupportedError",
]


class JSOCError(Exception):
    """
    Base of all errors of this package.
    """


class QueryError(JSOCError, ValueError):
    """
    The question cannot be asked, or DRMS would silently take it for another one.
    """


class UnsupportedError(QueryError, TypeError):
    """
    What is asked for does not exist in this series, or at this site.

    It is a `TypeError` too, as sunpy's own client raises one there.
    """


class DataError(JSOCError, ValueError):
    """
    A file, a folder or a reply is not what it should be.
    """


class SiteError(JSOCError):
    """
    A DRMS site could not be reached or did not do what it was asked.

    Parameters
    ----------
    message
        What happened and what would work.
    url
        The address that was asked, without any e-mail address in it.
    """

    def __init__(self, message: str, *, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class TransportError(SiteError):
    """
    No answer came back, or something that is no answer of a DRMS site.
    """


class ServerError(SiteError):
    """
    The site answered, and refused.

    Parameters
    ----------
    message
        The site's own words.
    url
        The address that was asked, without any e-mail address in it.
    status
        The ``status`` member of the reply (contract B.0, B.16).
    """

    def __init__(self, message: str, *, url: str | None = None, status: int | None = None) -> None:
        super().__init__(message, url=url)
        self.status = status


class ExportError(JSOCError):
    """
    A staged request failed.

    Parameters
    ----------
    message
        What happened and what would work.
    request_id
        The request's identifier, if it got one.
    status
        The status code of the reply (contract B.16).
    """

    def __init__(self, message: str, *, request_id: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.status = status


class ExportTimeout(ExportError):  # noqa: N818 - a time-out, as drms and sunpy name it
    """
    A staged request was not finished within the time the caller gave it.
    """


class NotExportedError(ExportError):
    """
    A staged request is not finished yet, so there is nothing to download.
    """


class NotRegisteredError(ExportError, ValueError):
    """
    Staging needs an e-mail address, and one that the site knows.
    """
