"""
From the bytes of a reply to a table, through this package or through drms and sunpy.

Run as a program it measures one of them in a fresh process: ``python bytes_to_table.py jsoc_fido|sunpy FOLDER`` prints
the CPU seconds, and the megabytes that come on top of the libraries and the bytes at the peak. The folder holds
``rs_list.json`` and ``series_struct.json``, which is all that a site would answer, and a folder ``few`` with short ones
of the same. It needs Linux.
"""

import json
import re
import sys
import time
from pathlib import Path

SERIES = "aia.lev1_euv_12s"
DAY = "2014-01-01", "2014-01-02"


class Answers:
    """
    In the place of the network: bytes that are there already.
    """

    def __init__(self, folder):
        self.struct, self.records = ((folder / f"{name}.json").read_bytes() for name in ("series_struct", "rs_list"))

    def to(self, url):
        return self.struct if "series_struct" in url else self.records


def jsoc_fido(answers):
    """
    A search of this package.
    """
    import requests
    from sunpy.net import attrs as a

    from jsoc_fido import JSOCClient
    from jsoc_fido.attrs import Segment, Series
    from jsoc_fido.site import site

    def get(url, **_):
        reply = requests.Response()
        reply.status_code, reply._content = 200, answers.to(url)
        return reply

    where = site("http://127.0.0.1:9")
    where.connection._session.get = get
    # sunpy's client remembers no definition either.
    where._definitions.clear()
    return JSOCClient(where.url).search(a.Time(*DAY), Series(SERIES), Segment("image"))


def sunpy(answers):
    """
    A search of sunpy's own client.
    """
    import drms.json
    from sunpy.net import attrs as a
    from sunpy.net.jsoc import JSOCClient
    from sunpy.net.jsoc.attrs import Segment, Series

    class Request(drms.json.HttpJsonRequest):
        def __init__(self, url, encoding, timeout=60):
            self._encoding, self._data_str, self._data = encoding, answers.to(url), None

    asked, drms.json.HttpJsonRequest = drms.json.HttpJsonRequest, Request
    try:
        return JSOCClient().search(a.Time(*DAY), Series(SERIES), Segment("image"))
    finally:
        drms.json.HttpJsonRequest = asked


WAYS = {"jsoc_fido": jsoc_fido, "sunpy": sunpy}


def few(answers):
    """
    The same answers about three records, with which a process loads all that it needs.
    """
    reply = json.loads(answers.records)
    for item in (*reply["keywords"], *reply["segments"]):
        item["values"] = item["values"][:3]
    reply |= {"count": 3, "recinfo": reply["recinfo"][:3]}
    return json.dumps(reply).encode()


def megabytes(name):
    # Not `resource.getrusage`, whose peak is inherited from the parent.
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def measure(name, folder):
    WAYS[name](Answers(folder / "few"))
    answers = Answers(folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, began = megabytes("VmRSS"), time.process_time()
    table = WAYS[name](answers)
    cpu, peak = time.process_time() - began, megabytes("VmHWM") - before
    return {"rows": len(table), "columns": len(table.colnames), "cpu": cpu, "megabytes": peak}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
