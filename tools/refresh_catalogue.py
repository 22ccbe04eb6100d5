# ruff: noqa: INP001 - a script, no package
"""
Refresh the catalogue of series and segments behind ``a.jsoc.Series.<TAB>`` from what a site tells.

It asks for the list of series once, and for the definition of each once, as many at a time as the site allows. Series
that it no longer has are left out; descriptions are the site's. Run it in the folder of the project::

    python tools/refresh_catalogue.py --site jsoc
"""

import argparse
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jsoc_fido import JSOCClient
from jsoc_fido.exceptions import JSOCError
from jsoc_fido.series import Series

CATALOGUE = Path(__file__).parents[1] / "jsoc_fido" / "data" / "catalogue.json"

#: Projects whose series are of interest to everybody.
PATTERN = r"^(aia|hmi|iris|mdi)\."

#: Series of test runs, and those that a single person made.
LEFT_OUT = ("_test", "_mod", "_nrt2", "temp")


def collect(client: JSOCClient, pattern: str) -> list[Series]:
    """
    Definitions of the series whose names fit a regular expression, by name.

    A series that the site lists and cannot describe is told on standard error and left out.
    """

    def definition(name: str) -> Series | None:
        try:
            return client.info(name)
        except JSOCError as err:
            sys.stderr.write(f"{name} is left out: {err}\n")
            return None

    names = [name for name in client.series(pattern) if not name.lower().endswith(LEFT_OUT)]
    with ThreadPoolExecutor(client.site.limits.questions) as pool:
        found = [series for series in pool.map(definition, names) if series is not None]
    return sorted(found, key=lambda series: series.name.lower())


def catalogue(definitions: Iterable[Series]) -> dict[str, list[list[str]]]:
    """
    The catalogue as it is shipped: pairs of name and description, sorted.

    A segment that several series have is described as in the first of them that says something.
    """
    series: dict[str, str] = {}
    segments: dict[str, str] = {}
    for item in definitions:
        series[item.name.lower()] = _line(item.note)
        for segment in item.segments.values():
            segments[segment.name] = segments.get(segment.name) or _line(segment.note)
    return {
        "series": [list(pair) for pair in sorted(series.items())],
        "segments": [list(pair) for pair in sorted(segments.items())],
    }


def text(found: dict[str, list[list[str]]]) -> str:
    """
    The file: one line for each pair, so that a change can be read.
    """
    parts = [f'"{name}": [\n' + ",\n".join(map(json.dumps, pairs)) + "\n]" for name, pairs in found.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(note: str) -> str:
    return " ".join(note.split())


def main(arguments: list[str] | None = None) -> None:
    """
    Read the options, ask the site, write the file.
    """
    parser = argparse.ArgumentParser(description="Refresh the catalogue of series and segments from a site.")
    parser.add_argument("--site", default="jsoc", help="name or URL of the site")
    parser.add_argument("--pattern", default=PATTERN, help="regular expression for the names of series")
    parser.add_argument("--output", type=Path, default=CATALOGUE, help="the file to write")
    options = parser.parse_args(arguments)
    found = catalogue(collect(JSOCClient(site=options.site), options.pattern))
    if not found["series"]:
        parser.exit(1, f"{options.site} has no series like {options.pattern!r}; {options.output} is left as it is.\n")
    options.output.write_text(text(found), "utf-8")
    counts = f"{len(found['series'])} series and {len(found['segments'])} segments"
    sys.stdout.write(f"{counts} are in {options.output}.\n")


if __name__ == "__main__":
    main()
