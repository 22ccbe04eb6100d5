"""
Asking an exporter for files, and waiting for them.
"""

import time

ADA = "ada@example.org"
BOB = "bob@example.org"


def ask(exporter, ds, *, host="", **parameters):
    defaults = {"op": "exp_request", "ds": ds, "notify": ADA, "method": "url", "protocol": "fits"}
    return exporter.answer(defaults | parameters, host)


def status(exporter, requestid):
    return exporter.answer({"op": "exp_status", "requestid": requestid})


def finished(exporter, reply):
    """
    The last reply about a request that was taken.
    """
    assert reply["status"] in {2, 12}, reply
    return ended(exporter, reply["requestid"])


def ended(exporter, requestid):
    for _ in range(3000):
        found = status(exporter, requestid)
        if int(found["status"]) != 1:
            return found
        time.sleep(0.01)
    raise AssertionError("the request does not end")


def contents(catalogue, reply):
    """
    The folder of a finished request, and the names of what is in it.
    """
    directory = catalogue.directory / reply["dir"].lstrip("/")
    return directory, sorted(path.name for path in directory.iterdir())
