"""
The command ``jsoc-fido``.

It only says with options what the package says with words, and turns errors into one line and an exit status.
"""

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from jsoc_fido.exceptions import DataError, ExportError, JSOCError, QueryError
from jsoc_fido.version import version

if TYPE_CHECKING:
    from sunpy.net.attr import Attr

    from jsoc_fido.client import JSOCClient
    from jsoc_fido.response import JSOCResponse

__all__ = ["main"]

Command = TypeVar("Command", bound=Callable[..., Any])

_COMPARISON = re.compile(r"\s*(?P<name>[\w-]+)\s*(?P<operator><=|>=|!=|==|=|<|>)\s*(?P<value>.*\S)\s*")


class _OneLine(click.ClickException):
    """
    An error as it is shown to who typed the command.
    """

    def show(self, file: Any = None) -> None:
        click.echo(f"jsoc-fido: {' '.join(self.message.split())}", file=file, err=file is None)


class _Commands(click.Group):
    """
    A group whose errors are one line, unless ``--debug`` asks for all of it.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (JSOCError, OSError) as err:
            if ctx.params["debug"]:
                raise
            raise _OneLine(str(err) or type(err).__name__) from err


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version, prog_name="jsoc-fido")
@click.option("--debug", is_flag=True, help="Show where an error comes from, and what is done.")
def main(debug: bool) -> None:
    """
    Solar data from JSOC and other DRMS sites, through sunpy's Fido.
    """
    # Set before drms is imported, which otherwise lets everything be heard.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("jsoc_fido").setLevel(logging.DEBUG if debug else logging.WARNING)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("jsoc-fido-demo"))
def demo(directory: Path) -> None:
    """
    Show the main job on a site of its own in DIRECTORY, without the internet.

    Searches, fetches, stages and draws. Takes less than a minute; a second run is faster, because the site is kept.
    """
    _localsite()
    try:
        import sunpy.map  # noqa: F401 - only asked whether it is there
    except ImportError as err:
        _needs_extra("the demo", "all", err)
    from jsoc_fido.demo import run

    run(directory)


def _question(command: Command) -> Command:
    """
    Give a command the argument and the options that say what is searched.
    """
    for decorate in reversed(
        (
            click.argument("series", required=False),
            click.option(
                "--time", nargs=2, metavar="START END", help="From when to when, UTC unless it says otherwise."
            ),
            click.option("--wavelength", metavar="WAVELENGTH", help="In Angstrom, or with a unit: 30.4nm."),
            click.option(
                "--prime-key", "prime_keys", multiple=True, metavar="NAME=VALUE", help="Value of a prime key."
            ),
            click.option(
                "--keyword", "keywords", multiple=True, metavar="TEST", help="Test of a keyword: 'EXPTIME<2'."
            ),
            click.option("--segment", "segments", multiple=True, metavar="NAME", help="Segment to get."),
            click.option("--sample", metavar="STEP", help="One record every STEP, such as 10min."),
            click.option("--keys", metavar="NAME,...", help="Only these keywords."),
            click.option(
                "--site", metavar="SITE", help="Name or URL of the DRMS site; JSOC unless JSOC_FIDO_SITE says."
            ),
        )
    ):
        command = decorate(command)
    return command


@main.command()
@_question
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write all columns to .ecsv or .csv.")
def search(output: Path | None, **question: Any) -> None:
    """
    Print the table of the records of SERIES.
    """
    if not question["series"]:
        raise click.UsageError("Missing argument 'SERIES'.")
    if output is not None and output.suffix not in {".ecsv", ".csv"}:
        raise QueryError(f"A table is written as .ecsv or .csv, not as {output.name!r}.")
    _, response = _search(question)
    click.echo(f"{len(response)} records of {question['series']}")
    if len(response):
        shown = response.show(*(_names(question["keys"]) if question["keys"] else response.display_keys))
        click.echo("\n".join(shown.pformat(max_lines=-1, max_width=-1, show_unit=False)))
    if output is not None:
        response.write(output, format=f"ascii.{output.suffix[1:]}", overwrite=True)


@main.command()
@_question
@click.option("--notify", metavar="EMAIL", help="Address the site knows you by; with it, the files are staged.")
@click.option("--protocol", metavar="PROTOCOL", help="quick, fits (staged, with full headers) or as-is.")
@click.option("--path", type=click.Path(path_type=Path), help="Folder, or pattern with {file} and {KEYWORD}s.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done: files, bytes, requests, time.")
@click.option("--resume", is_flag=True, help="Finish what was interrupted, instead of searching.")
def fetch(
    notify: str | None, protocol: str | None, path: Path | None, dry_run: bool, resume: bool, **question: Any
) -> None:
    """
    Download the files of the records of SERIES, and print where they are.

    Instead of SERIES, the rows of a table that 'jsoc-fido search --output' wrote can be fetched: name the .ecsv file.
    """
    from jsoc_fido import attrs
    from jsoc_fido.client import JSOCClient

    if resume:
        options = {**question, "protocol": protocol, "dry_run": dry_run}
        said = [name for name, value in options.items() if value and name != "site"]
        if said:
            raise click.UsageError(f"--resume finishes what was begun; it takes no {said[0].replace('_', ' ')}.")
        _print_files(JSOCClient(site=question["site"]).resume(path=path, notify=notify))
        return
    if not question["series"]:
        raise click.UsageError("Missing argument 'SERIES'.")
    words: list[Attr] = [attrs.Notify(notify)] if notify else []
    words += [attrs.Protocol(protocol)] if protocol else []
    client, response = _saved(question) if question["series"].endswith(".ecsv") else _search(question, words)
    if not len(response):
        raise QueryError(f"There is no record of {question['series']} to fetch.")
    results = client.fetch(response, path=path, notify=notify, protocol=protocol, dry_run=dry_run)
    if dry_run:
        click.echo("\n".join(results.pformat(max_lines=-1, max_width=-1)))
        return
    _print_files(results)


@main.command()
def requests() -> None:
    """
    List the staged requests that were made, the newest first.
    """
    from jsoc_fido.client import JSOCClient

    table = JSOCClient().requests()
    click.echo(f"{len(table)} requests")
    if len(table):
        click.echo("\n".join(table.pformat(max_lines=-1, max_width=-1)))


@main.command()
@click.argument("series")
@click.option("--site", metavar="SITE", help="Name or URL of the DRMS site.")
def info(series: str, site: str | None) -> None:
    """
    Say what SERIES is: its prime keys, segments and keywords.
    """
    from jsoc_fido.client import JSOCClient

    click.echo(str(JSOCClient(site=site).info(series)))


@main.group()
def site() -> None:
    """
    A DRMS site of your own, in a folder.
    """


_directory = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
_database = click.option(
    "--database", metavar="URL", help="SQLAlchemy URL of the database, instead of SQLite in the folder."
)


@site.command()
@_directory
@_database
def init(directory: Path, database: str | None) -> None:
    """
    Make an empty site in DIRECTORY.
    """
    _localsite().init(directory, database=database)
    click.echo(f"An empty site is in {directory}; fill it with 'jsoc-fido site synthesize' or 'jsoc-fido site ingest'.")


@site.command()
@_directory
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--series", metavar="NAME", help="Series of the files, if they do not say it themselves.")
def ingest(directory: Path, files: tuple[Path, ...], series: str | None) -> None:
    """
    Make records of FITS FILES.
    """
    report = _localsite().ingest(directory, files, series=series)
    click.echo(f"{report.records} records from {report.files} files.")


@site.command()
@_directory
@click.argument("series")
@click.argument("start")
@click.argument("end")
@click.option(
    "--size", type=click.IntRange(min=8, max=4096), default=64, show_default=True, help="Pixels along an edge."
)
@click.option("--harp", type=click.IntRange(min=1), help="Number of one active region patch.")
@click.option("--wavelength", type=int, help="One channel of AIA, in angstroms; all of them by default.")
@click.option("--sample", metavar="STEP", help="One record every STEP, such as 6h; all by default.")
def synthesize(
    directory: Path,
    series: str,
    start: str,
    end: str,
    size: int,
    harp: int | None,
    wavelength: int | None,
    sample: str | None,
) -> None:
    """
    Compute the records of SERIES from START to END.

    Times are UTC unless they say otherwise. What exists already is left as it is.
    """
    step = _quantity("--sample", sample, "s") if sample else None
    options = {"size": size, "harp": harp, "wavelength": wavelength, "sample": step}
    records = _localsite().synthesize(directory, series, start, end, **options)
    click.echo(f"{records} records of {series}.")


@site.command()
@_directory
@click.argument("record_set")
def offline(directory: Path, record_set: str) -> None:
    """
    Say that the files of RECORD_SET are on tape only, so that they cannot be exported.
    """
    records = _localsite().set_online(directory, record_set, online=False)
    click.echo(f"{records} records are offline, with all in the same storage units.")


@site.command()
@_directory
@click.argument("record_set")
def online(directory: Path, record_set: str) -> None:
    """
    Say that the files of RECORD_SET are on disk again.
    """
    records = _localsite().set_online(directory, record_set, online=True)
    click.echo(f"{records} records are online, with all in the same storage units.")


def _limits(command: Command) -> Command:
    """
    Give a command an option for each limit of a site.
    """
    number, size = click.IntRange(min=1), click.FloatRange(min=0)
    for decorate in reversed(
        (
            click.option("--jsoc-limits", is_flag=True, help="Limit requests as JSOC does; single limits may differ."),
            click.option("--pending", type=number, help="Unfinished requests of one e-mail address. JSOC: 1."),
            click.option("--pending-host", type=number, help="Unfinished requests from one computer. JSOC: 10."),
            click.option("--pending-minutes", type=size, help="For how long these count.  [default: 60]"),
            click.option("--megabytes", type=size, help="Size of one request.  [default: 100000]"),
            click.option(
                "--megabytes-unpacked", type=size, help="The same, if it uncompresses files.  [default: 10000]"
            ),
            click.option("--megabytes-packed", type=size, help="The same, if it compresses files.  [default: 1000000]"),
            click.option("--record-set-length", type=number, help="Characters of a record set. JSOC: 4095."),
            click.option(
                "--repeat-hours", type=size, help="How long the same request gets the same files.  [default: 24]"
            ),
            click.option("--retain-days", type=size, help="How long exported files stay; 0 is for ever.  [default: 7]"),
            click.option(
                "--record-numbers/--no-record-numbers", default=None, help="Whether to export by record number."
            ),
        )
    ):
        command = decorate(command)
    return command


@site.command()
@_directory
@click.argument("addresses", nargs=-1, metavar="[EMAIL]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; a free one by default.")
@click.option(
    "--register", multiple=True, metavar="EMAIL", help="Let this address (and further ones) export, and no other."
)
@_database
@click.option("--read-only", is_flag=True, help="Write nothing; files cannot be staged then.")
@click.option(
    "--log",
    "request_log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for a line about each request: time, method, operation, status, bytes, seconds.",
)
@click.option("--root-path", metavar="PATH", default="", help="Path below which a proxy shows the site, such as /drms.")
@_limits
def serve(
    directory: Path, addresses: tuple[str, ...], register: tuple[str, ...], retain_days: float | None, **options: Any
) -> None:
    """
    Serve the site in DIRECTORY; its URL is the first line that is printed.
    """
    if addresses and not register:
        raise click.UsageError(f"Got unexpected arguments ({' '.join(addresses)}); e-mail addresses follow --register.")
    given = {name: value for name, value in options.items() if value is not None}
    if retain_days is not None:
        given["retain_days"] = retain_days or None
    _localsite().serve(directory, register=[*register, *addresses] or None, **given)


def _print_files(results: Any) -> None:
    for file in results:
        click.echo(file)
    for error in results.errors:
        click.echo(f"jsoc-fido: {error.url}: {error.exception}", err=True)
    if results.errors:
        raise ExportError(f"{len(results.errors)} of {len(results) + len(results.errors)} files did not arrive.")


def _saved(question: dict[str, Any]) -> "tuple[JSOCClient, JSOCResponse]":
    from jsoc_fido.client import JSOCClient
    from jsoc_fido.response import JSOCResponse

    said = [name for name, value in question.items() if value and name not in {"series", "site"}]
    if said:
        raise QueryError(f"{question['series']} is a saved table; --{said[0].replace('_', '-')} cannot change it.")
    client = JSOCClient(site=question["site"])
    try:
        return client, JSOCResponse.read(question["series"], client=client)
    except OSError as err:
        raise DataError(f"{question['series']} cannot be read: {err.strerror or err}.") from err


def _search(question: dict[str, Any], words: Iterable["Attr"] = ()) -> "tuple[JSOCClient, JSOCResponse]":
    from jsoc_fido.client import JSOCClient

    client = JSOCClient(site=question["site"])
    return client, client.search(*_words(question), *words)


def _words(question: dict[str, Any]) -> "list[Attr]":
    """
    The attrs that say what the options say.
    """
    from sunpy.net import attrs as a

    from jsoc_fido import attrs

    words: list[Attr] = [attrs.Series(question["series"])]
    if question["time"]:
        words.append(_understood(lambda: a.Time(*question["time"]), "--time", " ".join(question["time"])))
    if question["wavelength"]:
        words.append(a.Wavelength(_quantity("--wavelength", question["wavelength"], "Angstrom")))
    for pair in question["prime_keys"]:
        name, equals, value = pair.partition("=")
        if not equals:
            raise QueryError(f"--prime-key takes NAME=VALUE, such as HARPNUM=4864, not {pair!r}.")
        words.append(attrs.PrimeKey(name.strip(), value.strip()))
    words += [_comparison(test) for test in question["keywords"]]
    words += [attrs.Segment(name) for name in question["segments"]]
    if question["sample"]:
        words.append(attrs.Sample(_quantity("--sample", question["sample"], "s")))
    if question["keys"]:
        words.append(attrs.Keys(*_names(question["keys"])))
    return words


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _comparison(test: str) -> "Attr":
    from jsoc_fido.attrs import KeywordComparison

    match = _COMPARISON.fullmatch(test)
    if match is None:
        raise QueryError(f"--keyword takes a test, such as 'EXPTIME<2', not {test!r}.")
    value: str | float = match["value"].strip("'\"")
    if value == match["value"]:  # what is not quoted may be a number
        for read in (int, float):
            try:
                value = read(value)
                break
            except ValueError:
                continue
    return KeywordComparison(match["name"], match["operator"].replace("==", "="), value)


def _quantity(option: str, text: str, unit: str) -> Any:
    import astropy.units as u

    quantity = _understood(lambda: u.Quantity(text), option, text)
    quantity = quantity * u.Unit(unit) if quantity.unit == u.dimensionless_unscaled else quantity
    return _understood(lambda: quantity.to(unit, equivalencies=u.spectral()), option, text)


def _understood(read: Callable[[], Any], option: str, text: str) -> Any:
    """
    Read a value with another library, whose errors do not know about options.
    """
    try:
        return read()
    except (ValueError, TypeError) as err:
        raise QueryError(f"{option} {text}: {str(err) or type(err).__name__}") from err


def _columns(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    table = list(rows)
    if not table:
        return
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    click.echo(f"\n{title}:")
    for row in table:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _localsite() -> ModuleType:
    try:
        from jsoc_fido import localsite
    except ImportError as err:
        _needs_extra("a site of your own", "site", err)
    return localsite


def _needs_extra(what: str, extra: str, err: ImportError) -> NoReturn:
    if err.name is None or err.name.partition(".")[0] == "jsoc_fido":
        raise err  # not a missing library, a mistake
    raise DataError(
        f"{what} needs {err.name}, which is not installed; install it with: pip install 'jsoc-fido[{extra}]'"
    ) from err
