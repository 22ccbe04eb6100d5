"""
Large tables: from the bytes of a reply to the table, and on the screen.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bytes_to_table
import numpy as np
import pytest

from jsoc_fido import localsite
from jsoc_fido.localsite import info, listing

ROWS = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """
    What a site answers about a day of AIA's EUV images: 50,407 records, 94 MB.
    """
    folder = tmp_path_factory.mktemp("replies")
    site = tmp_path_factory.mktemp("day") / "site"
    localsite.init(site)
    localsite.synthesize(site, bytes_to_table.SERIES, *bytes_to_table.DAY, size=8)
    keys = "**ALL**,*recnum*,*online*,*size*"
    with localsite.Catalogue.open(site) as catalogue:
        records = listing.rs_list(catalogue, f"{bytes_to_table.SERIES}[]", key=keys, seg="image", recinfo=True)
        (folder / "rs_list.json").write_bytes(bytes(records))
        (folder / "series_struct.json").write_text(json.dumps(info.series_struct(catalogue, bytes_to_table.SERIES)))
    shutil.rmtree(site)
    (folder / "few").mkdir()
    (folder / "few" / "rs_list.json").write_bytes(bytes_to_table.few(bytes_to_table.Answers(folder)))
    shutil.copy(folder / "series_struct.json", folder / "few")
    return folder


def bench_bytes_to_table(folder, report):
    """
    CPU time and peak memory, in fresh processes that take turns.
    """
    program = Path(bytes_to_table.__file__)
    found = {name: [] for name in bytes_to_table.WAYS}
    for _ in range(3):
        for name, runs in found.items():
            words = [sys.executable, program, name, folder]
            runs.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    for runs in found.values():
        assert {run["rows"] for run in runs} == {50407}
    for what, unit in (("cpu", "s"), ("megabytes", "MB")):
        ours, theirs = (statistics.median(run[what] for run in found[name]) for name in bytes_to_table.WAYS)
        report(f"bytes to table, 50,407 records, {what}", ours, theirs, unit)


@pytest.fixture(scope="module")
def tables(folder):
    """
    Tables of 100,000 rows, ours and sunpy's.
    """
    answers = bytes_to_table.Answers(folder)
    rows = np.arange(ROWS) % 50407
    return {name: way(answers)[rows] for name, way in bytes_to_table.WAYS.items()}


#: How to print, and how many rows sunpy gets of it.
PRINTERS = {
    "str": (str, ROWS),
    "_repr_html_": (lambda table: table._repr_html_(), ROWS),
    # All columns of 100,000 rows take sunpy three minutes.
    "str(show())": (lambda table: str(table.show()), 5000),
}


@pytest.mark.parametrize("way", PRINTERS)
def bench_print(tables, report, way):
    """
    What a terminal or a notebook shows of a large table.
    """
    show, rows = PRINTERS[way]
    seconds = []
    for table in (tables["jsoc_fido"], tables["sunpy"][:rows]):
        began = time.perf_counter()
        show(table)
        seconds.append(time.perf_counter() - began)
    report(f"{way}, {ROWS:,} rows beside {rows:,}", *seconds, "s")
