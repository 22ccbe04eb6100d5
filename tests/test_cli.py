"""
The command: what it prints, and how it fails.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import astropy.table
import pytest
from click.testing import CliRunner

from jsoc_fido.cli import main

localsite = pytest.importorskip("jsoc_fido.localsite")

HOUR = ("--time", "2014-01-01T00:00", "2014-01-01T01:00")
MINUTES = ("--time", "2014-01-01T00:00", "2014-01-01T00:02")


@pytest.fixture
def url(local_site):
    return local_site.url


@pytest.fixture
def command(tmp_path, monkeypatch):
    """
    Run the command in an empty folder.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def one_line(result):
    """
    The line that an error is, and no more.
    """
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("jsoc-fido: ")
    return lines[0].removeprefix("jsoc-fido: ")


def test_help_is_there_for_every_command(command):
    for words in (
        [],
        ["demo"],
        ["search"],
        ["fetch"],
        ["info"],
        ["site"],
        *(["site", name] for name in main.commands["site"].commands),
    ):
        assert "Usage:" in command(*words, "--help").stdout


def test_version(command):
    assert re.match(r"jsoc-fido, version \d", command("--version").stdout)


def test_search_prints_the_table(command, url):
    output = command("search", "hmi.v_45s", *HOUR, "--sample", "9min", "--site", url).stdout
    assert "7 records of hmi.v_45s" in output
    assert "2014.01.01_00:54:45_TAI" in output


def test_search_takes_tests_and_prime_keys(command, url):
    words = ("search", "hmi.v_45s", *HOUR, "--site", url)
    assert (
        "81 records"
        in command(*words, "--prime-key", "CAMERA=2", "--keyword", "CAMERA > 1", "--segment", "Dopplergram").stdout
    )
    assert "0 records" in command(*words, "--keyword", "INSTRUME=='MWO'").stdout


def test_search_shows_the_keys_that_are_named(command, url):
    output = command("search", "hmi.v_45s", *MINUTES, "--keys", "T_REC,CRLN_OBS", "--site", url).stdout
    assert "CRLN_OBS" in output
    assert "TELESCOP" not in output


@pytest.mark.parametrize("suffix", ["ecsv", "csv"])
def test_search_writes_the_table(command, url, suffix):
    command("search", "hmi.v_45s", *MINUTES, "--site", url, "--output", f"table.{suffix}")
    table = astropy.table.Table.read(f"table.{suffix}", format=f"ascii.{suffix}")
    assert len(table) == 3
    assert {"T_REC", "CAMERA", "CRLN_OBS"} <= set(table.colnames)


def test_fetch_prints_where_the_files_are(command, url):
    output = command(
        "fetch", "hmi.v_45s", *MINUTES, "--site", url, "--notify", "solar@example.com", "--path", "files/{file}"
    ).stdout
    files = [Path(line) for line in output.splitlines()]
    assert len(files) == 3
    assert all(file.is_file() for file in files)


def test_fetch_takes_a_saved_table(command, url):
    command("search", "hmi.v_45s", *MINUTES, "--site", url, "--output", "table.ecsv")
    plan = command("fetch", "table.ecsv", "--dry-run").stdout
    assert "quick" in plan
    assert "Mbyte" in plan
    files = [Path(line) for line in command("fetch", "table.ecsv", "--path", "files").stdout.splitlines()]
    assert len(files) == 3
    assert all(file.is_file() for file in files)


def test_info_lists_prime_keys_segments_and_keywords(command, url):
    output = command("info", "hmi.v_45s", "--site", url).stdout
    assert "Prime keys: T_REC, CAMERA" in output
    assert "Dopplergram" in output
    assert "CRLN_OBS" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "no.series", *HOUR), "no.series"),
        (("search", "hmi.v_45s", "--time", "2014-01-01T00:00", "yesterday"), "yesterday"),
        (("search", "hmi.v_45s", *HOUR, "--prime-key", "HARPNUM=1"), "T_REC"),
        (("search", "hmi.v_45s", *HOUR, "--prime-key", "CAMERA"), "NAME=VALUE"),
        (("search", "hmi.v_45s", *HOUR, "--keyword", "EXPTIME"), "EXPTIME<2"),
        (("search", "hmi.v_45s", *HOUR, "--keyword", "NOSUCH<2"), "NOSUCH"),
        (("search", "hmi.v_45s", *HOUR, "--wavelength", "3kg"), "3kg"),
        (("search", "hmi.v_45s", *HOUR, "--sample", "ten"), "ten"),
        (("search", "hmi.v_45s", *HOUR, "--segment", "image"), "Dopplergram"),
        (("search", "hmi.v_45s", *HOUR, "--output", "table.xls"), ".ecsv or .csv"),
        (("search", "hmi.v_45s"), "PrimeKey"),
        (("fetch", "hmi.v_45s", *MINUTES, "--protocol", "fits"), "email"),
        (("fetch", "nothing.ecsv"), "nothing.ecsv cannot be read"),
        (("fetch", "nothing.ecsv", "--sample", "1min"), "is a saved table; --sample cannot change it"),
        (("fetch", "hmi.v_45s", *MINUTES, "--notify", "nobody"), "'@'"),
        (
            ("fetch", "hmi.v_45s", "--time", "2001-01-01T00:00", "2001-01-01T00:01", "--notify", "a@example.com"),
            "no record",
        ),
        (("info", "no.series"), "no.series"),
    ],
)
def test_bad_questions_are_one_line(command, url, monkeypatch, arguments, message):
    monkeypatch.delenv("JSOC_EMAIL", raising=False)
    assert message in one_line(command(*arguments, "--site", url, code=1))


def test_a_site_that_is_down_is_one_line(command):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers
        site = f"http://127.0.0.1:{busy.getsockname()[1]}"
        assert site in one_line(command("search", "hmi.v_45s", *HOUR, "--site", site, code=1))


def test_debug_shows_where_an_error_comes_from(command):
    with pytest.raises(ValueError, match="NAME=VALUE"):
        command("--debug", "search", "hmi.v_45s", "--prime-key", "CAMERA", "--site", "jsoc", code=1)


def test_wrong_options_are_a_usage_error(command):
    assert "Usage" in command("search", code=2).stderr
    assert "follow --register" in command("site", "serve", "somewhere", "me@example.com", code=2).stderr


def test_site_from_nothing_to_records(command):
    assert "empty site" in command("site", "init", "archive").stdout
    output = command(
        "site", "synthesize", "archive", "hmi.m_720s", "2014-01-01T00:00", "2014-01-01T01:00", "--size", 16
    ).stdout
    assert output.startswith("6 records of hmi.m_720s")
    output = command(
        "site", "synthesize", "archive", "hmi.m_45s", "2014-01-01T00:00", "2014-01-01T01:00", "--size", 16,
        "--sample", "10min",
    ).stdout  # fmt: skip
    assert output == "7 records of hmi.m_45s.\n"
    from sunpy.data.test import get_test_filepath

    output = command(
        "site", "ingest", "archive", get_test_filepath("aia_171_level1.fits"), "--series", "aia.lev1"
    ).stdout
    assert output == "1 records from 1 files.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("synthesize", "nothing", "hmi.m_720s", "2014-01-01", "2014-01-02"), "nothing"),
        (("synthesize", "archive", "no.series", "2014-01-01", "2014-01-02"), "no.series"),
        (("synthesize", "archive", "hmi.m_720s", "2014-01-02", "2014-01-01"), "2014"),
        (("synthesize", "archive", "hmi.m_720s", "yesterday", "2014-01-01"), "yesterday"),
        (("synthesize", "archive", "hmi.m_720s", "2014-01-01", "2014-01-02", "--sample", "often"), "--sample often"),
        (("synthesize", "archive", "hmi.m_720s", "2014-01-01", "2014-01-02", "--sample", "0s"), "0 s would do"),
        (("ingest", "archive", "letter.txt", "--series", "aia.lev1"), "letter.txt"),
        (("ingest", "archive", "missing.fits", "--series", "aia.lev1"), "missing.fits"),
        (("serve", "nothing"), "nothing"),
    ],
)
def test_bad_sites_are_one_line(command, arguments, message):
    command("site", "init", "archive")
    Path("letter.txt").write_text("Dear Sun,\n", "utf-8")
    assert message in one_line(command("site", *arguments, code=1))


def test_a_port_in_use_is_one_line(command):
    command("site", "init", "archive")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert str(port) in one_line(command("site", "serve", "archive", "--port", port, code=1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_one_line(command, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "closed" in one_line(command("site", "init", closed / "archive", code=1))


def test_a_file_in_the_place_of_the_site_is_one_line(command):
    Path("file").write_text("", "utf-8")
    assert "file" in one_line(command("site", "init", "file/archive", code=1))


def test_serve_says_where_it_is_first(command, tmp_path):
    command("site", "init", "archive")
    words = [sys.executable, "-c", "from jsoc_fido.cli import main; main()"]
    with subprocess.Popen(
        [*words, "site", "serve", "archive", "--register", "a@example.com", "b@example.com"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            url = server.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            assert "no.series" in one_line(command("info", "no.series", "--site", url, code=1))
        finally:
            server.terminate()
            server.wait(timeout=20)


def test_a_missing_extra_is_one_line(tmp_path):
    """
    Without the extra the commands that need it say what to install.
    """
    program = (
        "import sys\n"
        "sys.modules['fastapi'] = None; sys.modules['sqlalchemy'] = None\n"  # as if they were not installed
        "from jsoc_fido.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "site", "init", "archive"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"jsoc-fido: .*pip install 'jsoc-fido\[site\]'\n", done.stderr)
    assert not (tmp_path / "archive").exists()


def test_requests_are_listed_and_resumed(command, url, tmp_path, monkeypatch):
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    assert "0 requests" in command("requests").stdout
    words = ("fetch", "hmi.v_45s", *MINUTES, "--site", url, "--notify", "solar@example.com", "--path", "files")
    assert len(command(*words).stdout.splitlines()) == 3
    output = command("requests").stdout
    assert "1 requests" in output
    assert "JSOC_" in output
    assert "solar@example.com" not in output
    assert command("fetch", "--resume").stdout == ""
    assert "takes no series" in command("fetch", "hmi.v_45s", "--resume", code=2).stderr
    assert "Missing argument" in command("fetch", code=2).stderr
    assert "Missing argument" in command("search", code=2).stderr
