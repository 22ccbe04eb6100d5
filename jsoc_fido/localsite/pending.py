"""
The program ``manage-request``: whether an address has a request that waits, and taking it back (contract B.8).
"""

from collections.abc import Mapping

import sqlalchemy as sa

from jsoc_fido.exceptions import JSOCError
from jsoc_fido.localsite import schema
from jsoc_fido.localsite.addresses import REGISTERED, Addresses, requester
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.replies import FAILED, QUEUED, RUNNING

__all__ = ["CANCELLED", "manage_request"]

#: What becomes of a request that was taken back.
CANCELLED = "The request was cancelled."

#: Statuses of the reply, which are texts.
UNKNOWN, NOT_PENDING, PENDING, TAKEN_BACK, BAD_ARGUMENT, NO_DATABASE = "0", "1", "2", "3", "-2", "-5"


def manage_request(catalogue: Catalogue, addresses: Addresses, parameters: Mapping[str, str]) -> dict[str, str]:
    """
    Answer a request.

    Parameters
    ----------
    catalogue
        The site.
    addresses
        The registered addresses.
    parameters
        ``address``, and ``operation``: ``check`` or ``cancel``.
    """
    address, operation = parameters.get("address", ""), parameters.get("operation", "")
    if operation not in {"check", "cancel"}:
        return _reply(BAD_ARGUMENT, f"{operation!r} is no operation; there are check and cancel.")
    known = addresses.answer(address)
    if known["status"] != REGISTERED:
        return _reply(BAD_ARGUMENT if known["status"] < 0 else UNKNOWN, known["msg"])
    table = schema.requests
    mine = table.c.requester == requester(address)
    with catalogue.engine.connect() as connection:
        waiting = sa.select(table.c.requestid).where(mine, table.c.status.in_([QUEUED, RUNNING]))
        requests = list(connection.scalars(waiting.order_by(table.c.submitted)))
    if not requests:
        return _reply(NOT_PENDING, f"There is no pending request of {address}.")
    if operation == "check":
        return _reply(PENDING, f"Pending requests of {address}: {', '.join(requests)}.")
    try:
        with catalogue.writing() as connection:
            # What is being staged already is left to finish.
            cancel = table.update().where(mine, table.c.status == QUEUED).values(status=FAILED, error=CANCELLED)
            cancelled = list(connection.scalars(cancel.returning(table.c.requestid)))
    except JSOCError as err:
        return _reply(NO_DATABASE, str(err))
    if not cancelled:
        return _reply(PENDING, f"Being staged at this moment, and not to be cancelled: {', '.join(requests)}.")
    return _reply(TAKEN_BACK, f"Cancelled: {', '.join(cancelled)}.")


def _reply(status: str, words: str) -> dict[str, str]:
    return {"status": status, "msg": words}
