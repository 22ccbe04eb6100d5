"""
What a site has stored, read without asking it.
"""

from pathlib import Path
from types import SimpleNamespace

import sqlalchemy as sa

from jsoc_fido import headers
from jsoc_fido.localsite import Catalogue, schema, values


def records(site: Catalogue, series: str) -> list[SimpleNamespace]:
    """
    All records of a series in the order of the prime keys: values by keyword, and files by segment.
    """
    holding = site.holding(series)
    columns = [*schema.prime_columns(holding.series, holding.table), holding.table.c.recnum]
    with site.engine.connect() as connection:
        rows = connection.execute(sa.select(holding.table).order_by(*columns)).mappings().all()
    found = []
    for row in rows:
        keywords = {
            keyword.name + name[len(keyword.name) :]: values.decode(keyword, row[name])
            for keyword in holding.series.keywords.values()
            for name in schema.stored_names(holding.series, keyword)
            if name in row
        }
        directory = site.slot_directory(row["sunum"], row["slotnum"])
        files = {
            segment.name: directory / row[f"sg_{number:03d}_file"]
            for number, segment in enumerate(holding.series.segments.values())
            if row.get(f"sg_{number:03d}_file")
        }
        found.append(
            SimpleNamespace(keywords=keywords, files=files, row=row, series=holding.series, recnum=row["recnum"])
        )
    return found


def exported(record: SimpleNamespace, segment: str, path: Path) -> Path:
    """
    The file of a segment with all cards.
    """
    header = headers.header(record.series, record.keywords, segment=segment, recnum=record.recnum)
    headers.write_fits(record.files[segment], path, header)
    return path
