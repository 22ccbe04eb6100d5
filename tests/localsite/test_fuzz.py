"""
Whatever is sent to a site, it answers; nothing of it reaches the database but as bound values, and nothing is written
outside the site's folder.
"""

import http.client
import json
import re
import socket
import string
import time
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest
import requests
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jsoc_fido import localsite
from jsoc_fido.localsite import schema
from jsoc_fido.localsite.app import BROKEN
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.interface import PROGRAMS

AJAX = "/cgi-bin/ajax"
ADDRESS = "ada@example.org"

#: All words of SQL that the site's own statements are made of.
WORDS = {
    *(
        "ABS",
        "AND",
        "AS",
        "ASC",
        "BETWEEN",
        "BIGINT",
        "BY",
        "CASE",
        "CAST",
        "COALESCE",
        "COUNT",
        "DESC",
        "DISTINCT",
        "ELSE",
        "END",
    ),
    *(
        "ESCAPE",
        "EXISTS",
        "FALSE",
        "FIRST",
        "FLOAT",
        "FROM",
        "GROUP",
        "IN",
        "INSERT",
        "INTEGER",
        "INTO",
        "IS",
        "JOIN",
        "LAST",
        "NULLIF",
    ),
    *("LEFT", "LENGTH", "LIKE", "LIMIT", "LOWER", "MAX", "MIN", "NOT", "NULL", "NULLS", "OFFSET", "ON", "OR", "ORDER"),
    *("OUTER", "RELEASE", "RETURNING", "ROUND", "SAVEPOINT", "SELECT", "SET", "SUM", "THEN", "TRUE", "UPDATE", "UPPER"),
    *("VALUES", "WHEN", "WHERE"),
}
_LABEL = re.compile(r"(?:[cox]|anon_|coalesce_|count_|max_|min_|param_|sa_savepoint_)\d+")
#: How PostgreSQL's driver marks the place of a value.
_BOUND = re.compile(r"%\(\w+\)s(?:::[A-Z]+(?: PRECISION)?)?")
_TOKEN = re.compile(r"\"[^\"]*\"|[A-Za-z_]\w*|\d[\w.]*|\?|[-+*/%&|~<>=!(),.]+|\s+")

few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzzed(make, tmp_path_factory, new_database):
    """
    A running site in a folder of its own, on each kind of database, whose statements are noted.
    """
    outside = tmp_path_factory.mktemp("fuzz")
    directory = outside / "site"
    with Catalogue.create(directory, new_database()) as catalogue:
        make.add_magnetograms(catalogue)
        make.add_harps(catalogue)
        make.add_linked(catalogue)
    with localsite.running(directory, register=[ADDRESS], staging_time=0.0) as site:
        engine = site.catalogue.engine
        names = identifiers(engine)
        statements: set[str] = set()

        def note(_connection, _cursor, statement, *_):
            statements.add(statement)

        sa.event.listen(engine, "before_cursor_execute", note)
        with closing(http.client.HTTPConnection(urlsplit(site.url).netloc)) as connection:
            yield SimpleNamespace(
                url=site.url,
                directory=directory,
                connection=connection,
                statements=statements,
                names=names,
                files=lambda: tree(outside),
            )
        sa.event.remove(engine, "before_cursor_execute", note)


def identifiers(engine):
    inspector = sa.inspect(engine)
    names = {*inspector.get_table_names(), *(table.name for table in schema.metadata.sorted_tables)}
    return names | {column["name"] for table in names for column in inspector.get_columns(table)}


def tree(folder):
    """
    What is in a folder, but for what a site may write.
    """
    return {str(path.relative_to(folder)) for path in folder.iterdir()} | {
        str(path.relative_to(folder)) for path in (folder / "site").iterdir()
    }


def foreign(statement, names):
    """
    Parts of a statement that the site does not write by itself.
    """
    found = []
    end = 0
    statement = _BOUND.sub("?", statement)
    for match in _TOKEN.finditer(statement):
        if match.start() != end:
            found.append(statement[end : match.start()])
        end = match.end()
        token = match[0]
        if token.startswith('"'):
            known = re.sub(r"_\d+$", "", token.strip('"')) in names or token.strip('"') in names
        elif token[0].isdigit():
            known = token in {"0", "1"}
        elif token[0].isalpha() or token[0] == "_":
            plain = re.sub(r"_\d+$", "", token)
            known = token.upper() in WORDS or token in names or plain in names or _LABEL.fullmatch(token)
        else:
            known = "--" not in token and "/*" not in token
        if not known:
            found.append(token)
    return [*found, statement[end:]] if end < len(statement) else found


def check(site):
    """
    What reached the database was built from parsed parts.
    """
    statements = set(site.statements)
    site.statements.clear()
    for statement in statements:
        assert foreign(statement, site.names) == [], statement


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT series.name FROM series WHERE series.lower_name = 'x'",
        "SELECT series.name FROM series WHERE series.lower_name = ?; DROP TABLE series",
        "SELECT series.name FROM series WHERE ? OR 2 = 2",
        "SELECT series.name FROM series -- WHERE ?",
        "SELECT sql FROM sqlite_master",
        "SELECT load_extension(?)",
        'SELECT "x" FROM series',
        "SELECT series.name FROM series UNION SELECT units.sunum FROM units",
    ],
)
def test_foreign_parts_would_be_seen(fuzzed, statement):
    assert foreign(statement, fuzzed.names)


# What is sent

nasty = st.sampled_from(
    [
        "' OR '1'='1",
        "hmi.m_45s' OR 1=1 --",
        "hmi.m_45s; DROP TABLE series; --",
        '"; DROP TABLE series; --',
        "hmi.m_45s[? 1=1; DROP TABLE series ?]",
        "hmi.m_45s[? QUALITY=0 UNION SELECT name FROM sqlite_master ?]",
        "hmi.m_45s[? QUALITY IN (SELECT recnum FROM series) ?]",
        "hmi.m_45s[! (SELECT 1) !]",
        "hmi.m_45s[? load_extension('x') ?]",
        "hmi.m_45s[? QUALITY=0 -- ?]",
        "hmi.m_45s[? 'x' IS NULL ?]",
        "hmi.m_45s[? NULL IS NULL ?]",
        "hmi.m_45s[? QUALITY=0 /* ?]",
        "hmi.m_45s[? DATE = $(nonsense) ?]",
        "hmi.m_45s[? INSTRUME LIKE '%' ESCAPE 'ab' ?]",
        "hmi.m_45s[? QUALITY = 1e999 ?]",
        "hmi.m_45s[? " + "(" * 2000 + "QUALITY=0" + ")" * 2000 + " ?]",
        "hmi.m_45s[? " + "NOT " * 2000 + "QUALITY=0 ?]",
        "hmi.m_45s[? " + " OR ".join(["QUALITY=0"] * 700) + " ?]",
        "hmi.m_45s[? QUALITY = " + "9" * 400 + " ?]",
        "hmi.m_45s[:#" + "9" * 400 + "]",
        "hmi.m_45s[:#1-#99999999999999999999@99999999999999999999]",
        "hmi.m_45s[][" + ",".join(map(str, range(3000))) + "]",
        "hmi.m_45s[2014.01.01_TAI/" + "9" * 300 + "d@1e-300s]",
        "hmi.m_45s[99999999.99.99_TAI]",
        "hmi.m_45s[][0x" + "f" * 100 + "]",
        "hmi.m_45s[][\u0663]",
        "hmi.m_45s[JD_1e308]",
        "hmi.m_45s[nan]",
        "hmi.m_45s[] [] [] []",
        "[" * 3000,
        "{" * 3000,
        "@/etc/passwd",
        "*file*",
        "/etc/passwd",
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "\x00",
        "\ud7ff\uffff\U0010ffff",
        "%(a)s%s%n{0}{0.__class__}",
        "(" * 200 + "a+" * 200,
        "**ALL**,**NONE**",
        "*recnum*,*size*,*dirmtime*,*retain*",
        "mag:QUALITY,nowhere:X,:,::",
        "NAME[999999]",
        "9" * 5000,
        "-" + "9" * 30,
        "1e5",
        "\u0663",
        "n=\u0663|",
        "n=1|im_patch,t=\x00",
        '{"a":' * 900,
        "[[1,2,3]]",
        '{"im_patch": null}',
        '{"rebin": {"scale": 1e300}}',
        "n=0|rebin,scale=1e300",
        "0|Maproj,cols=" + "9" * 400 + ",rows=2",
        "0|im_patch,x=0,y=0,width=" + "9" * 400 + ",height=2",
        "JSOC_00000000_1",
        "JSOC_20140101_" + "1" * 500,
        "fits,compress Rice",
        "as-is",
        "url_quick",
        ADDRESS,
        "ada%2540example.org",
        "%" * 50,
        "NOT (",
        "(a|a)*" * 20 + "b",
        r"([\w.]+)+$x",
        "\\",
        "[[:alpha:]]",
    ]
)
parts = st.sampled_from(
    [
        "hmi.m_45s", "test.harp_720s", "test.linked", "[", "]", "[?", "?]", "[!", "!]", "[:#", "{", "}", "(", ")", "'",
        '"', ",", ";", "#", "$", "^", "@", "/", "-", "=", "<", "<>", " ", "%", "2014.01.01_TAI", "1d", "45s", "1",
        "0x1", "-3", "1.5e3", "QUALITY", "T_REC", "CAMERA", "USFLUX", "NOAA_ARS", "AND", "OR", "NOT", "IN", "LIKE",
        "BETWEEN", "IS NULL", "SELECT", "DRMS_MISSING_VALUE", "magnetogram", "**ALL**", "*recnum*",
        "drms.image_exists", "$(",
    ]
)  # fmt: skip
composed = st.lists(parts, max_size=14).map("".join)
spaced = st.lists(parts, max_size=14).map(" ".join)
filtered = spaced.map("hmi.m_45s[? {} ?]".format)
latin = st.binary(max_size=40).map(lambda data: data.decode("latin-1"))
texts = st.one_of(nasty, composed, filtered, st.text(max_size=60), latin)

#: Values that make sense, so that what is wrong is wrong alone.
SENSIBLE = {
    "op": ["series_struct", "rs_summary", "rs_list", "exp_request", "exp_status", "exp_repeat", "exp_su"],
    "ds": ["hmi.m_45s", "hmi.m_45s[^]", "test.harp_720s[101]", "test.linked[1]"],
    "key": ["T_REC", "**ALL**", "QUALITY,*recnum*"],
    "seg": ["magnetogram", "**ALL**"],
    "link": ["mag", "**ALL**"],
    "n": ["1", "-2", "0"],
    "R": ["1"],
    "notify": [ADDRESS],
    "method": ["url", "url_quick", "url-tar"],
    "protocol": ["fits", "as-is"],
}
UNKNOWN = (
    "unknown", "dbhost", "f", "l", "o", "B", "format", "file", "sunum", "max_recs", "requestor", "process%3Dn",
    "process", "processing",
)  # fmt: skip


def values(name):
    sensible = SENSIBLE.get(name)
    return texts if sensible is None else st.sampled_from(sensible) | texts


def queries(program):
    names = [parameter.name for parameter in PROGRAMS[program].parameters]
    pairs = st.sampled_from([*names, *UNKNOWN]).flatmap(lambda name: st.tuples(st.just(name), values(name)))
    # What asks for something has mostly to be there, or nothing is looked at.
    needed = [st.tuples(st.just(name), values(name)) for name in ("op", "ds", "notify") if name in names]
    return st.tuples(*needed, st.lists(pairs, max_size=4)).map(lambda drawn: [*drawn[:-1], *drawn[-1]])


#: Stand for themselves in a query; a percent sign too, so that its encoding may be broken.
PLAIN = string.ascii_letters + string.digits + "%[](){}?!*,.;:'\"/@$^-_=<>|"


def raw(text):
    """
    Text as bytes of a query, with no more encoded than has to be.
    """
    return quote(text.replace("&", "%26"), safe=PLAIN.replace('"', "").replace("<", "").replace(">", ""))


def careful(text):
    return quote(text, safe="")


def latin1(text):
    return quote(text, safe="", encoding="latin-1", errors="replace")


encodings = st.sampled_from([careful, raw, latin1])
ways = st.sampled_from(["GET", "urlencoded", "multipart"])


def exchange(site, *request):
    try:
        site.connection.request(*request)
        reply = site.connection.getresponse()
        return reply, reply.read()
    except BaseException:
        # The next one begins anew.
        site.connection.close()
        raise


def send(site, program, pairs, encode, way):
    """
    Ask a CGI, and check that it answers.
    """
    query = "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)
    headers = {}
    body = None
    target = f"{AJAX}/{program}"
    if way == "urlencoded" or (way == "GET" and len(query) > 30_000):
        body, headers = query.encode("ascii"), {"Content-Type": "application/x-www-form-urlencoded"}
    elif way == "GET":
        target += f"?{query}"
    else:
        fields = [(name.encode(errors="replace"), value.encode(errors="replace")) for name, value in pairs]
        body = b"".join(
            b'--limit\r\nContent-Disposition: form-data; name="' + re.sub(rb'["\r\n]', b"_", name) + b'"\r\n\r\n'
            + re.sub(rb"--limit", b"", value) + b"\r\n"
            for name, value in fields
        ) + b"--limit--\r\n"  # fmt: skip
        headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    reply, content = exchange(site, "GET" if body is None else "POST", target, body, headers)
    assert reply.status == 200, (reply.status, content[:200])
    if not content.startswith(b"status="):  # format=txt
        assert reply.headers["Content-Type"].startswith(("application/json", "text/html")), content[:200]
        assert content.isascii()
        answer = json.loads(content)
        assert isinstance(answer.get("status", answer.get("errMsg")), int | str)
        assert BROKEN not in answer.values(), (target, body)
        return answer
    return {}


def fuzz(site, program, pairs, encode, way):
    before = site.files()
    send(site, program, pairs, encode, way)
    check(site)
    assert site.files() - before <= {
        "site/staging",
        "site/site.sqlite-wal",
        "site/site.sqlite-shm",
        "site/site.sqlite-journal",
    }


@pytest.mark.parametrize("program", list(PROGRAMS))
@few
@given(st.data(), encodings, ways)
def test_everything_is_answered(fuzzed, program, data, encode, way):
    fuzz(fuzzed, program, data.draw(queries(program)), encode, way)


@pytest.mark.slow
@pytest.mark.parametrize("program", list(PROGRAMS))
@many
@given(st.data(), encodings, ways)
def test_really_everything_is_answered(fuzzed, program, data, encode, way):
    fuzz(fuzzed, program, data.draw(queries(program)), encode, way)


@few
@given(ds=st.one_of(composed, filtered, nasty), n=st.sampled_from(["0", "3", "-3"]))
def test_record_sets_reach_the_database_as_values(fuzzed, ds, n):
    pairs = [("op", "rs_list"), ("ds", ds), ("key", "**ALL**,*recnum*"), ("seg", "**ALL**"), ("n", n)]
    fuzz(fuzzed, "jsoc_info", pairs, careful, "urlencoded")


@few
@given(
    text=st.text(string.ascii_letters + string.digits + "';\"-/*() =%", min_size=1, max_size=30),
    operator=st.sampled_from(["=", "<>", "LIKE"]),
)
@example(text="' OR 1=1 --", operator="=")
@example(text="x'); DROP TABLE series; --", operator="LIKE")
def test_literals_are_bound(fuzzed, text, operator):
    literal = text.replace("'", "''")
    ds = f"hmi.m_45s[? INSTRUME {operator} '{literal}' ?]"
    fuzz(fuzzed, "jsoc_info", [("op", "rs_summary"), ("ds", ds)], careful, "urlencoded")


segments_of_paths = st.lists(
    st.sampled_from(
        ["..", ".", "", "SUM0", "D1", "D2", "S00000", "magnetogram.fits", "notes.txt", "etc", "passwd", "%2e%2e", "%2f",
         "%00", "~", "site.sqlite", "\\", "é", "a" * 300]
    ) | st.text(max_size=8),
    max_size=8,
)  # fmt: skip


@few
@given(
    root=st.sampled_from(["/SUM0/", "/quicklook/", "/quicklook/SUM0/", "/page/", "/"]),
    names=segments_of_paths,
    encode=st.sampled_from([raw, careful, latin1]),
    size=st.none() | texts,
)
@example(root="/SUM0/", names=["..", "site.sqlite"], encode=raw, size=None)
@example(root="/quicklook/SUM0/", names=["..", "..", "..", "..", "etc", "passwd"], encode=careful, size=None)
def test_only_stored_files_are_served(fuzzed, root, names, encode, size):
    target = root + "/".join(encode(name) if encode is not raw else quote(name, safe="%\\~") for name in names)
    if size is not None:
        target += f"?size={careful(size)[:20000]}"
    reply, content = exchange(fuzzed, "GET", target)
    assert reply.status in {200, 400, 404, 415, 422}, (target, reply.status, content[:200])
    assert not content.startswith(b"SQLite format")
    assert b"root:" not in content
    check(fuzzed)


formats = st.lists(
    st.sampled_from(
        ["{seriesname}", "{recnum:%d}", "{recnum:%999999999d}", "{segment}", "{T_REC:A}", "{QUALITY:%s%s%n}",
         "{nonsense}", "{", "}", "..", "/", "\\", "{recnum:%*d}", "{recnum:%.99999999f}", "\x00", "~", "a" * 400, "#",
         "{INSTRUME}", ".fits"]
    ) | st.text(max_size=10),
    max_size=6,
).map("".join)  # fmt: skip


@settings(few, max_examples=25)
@given(text=formats, protocol=st.sampled_from(["as-is", "fits"]), method=st.sampled_from(["url", "url-tar"]))
@example(text="../../../../escaped", protocol="fits", method="url")
@example(text="/var/escaped", protocol="as-is", method="url")
@example(text="{recnum:%999999999d}", protocol="as-is", method="url")
@example(text="..", protocol="as-is", method="url-tar")
def test_exports_stay_in_the_storage(fuzzed, text, protocol, method):
    before = fuzzed.files()
    pairs = [
        ("op", "exp_request"),
        ("ds", "hmi.m_45s[^]"),
        ("notify", ADDRESS),
        ("method", method),
        ("protocol", protocol),
        ("filenamefmt", text),
    ]
    answer = send(fuzzed, "jsoc_fetch", pairs, careful, "urlencoded")
    if answer["status"] == 2:
        answer = finished(fuzzed, answer["requestid"])
    assert str(answer["status"]) in {"0", "4"}, answer
    for item in answer.get("data", []):
        path = (fuzzed.directory / answer["dir"].lstrip("/") / item["filename"]).resolve()
        if method == "url":
            assert path.is_relative_to(fuzzed.directory / "SUM0"), item
            assert path.is_file()
    assert fuzzed.files() - before <= {"site/staging"}
    check(fuzzed)


def finished(site, requestid):
    end = time.monotonic() + 60
    while True:
        answer = send(site, "jsoc_fetch", [("op", "exp_status"), ("requestid", requestid)], careful, "GET")
        if answer["status"] not in {1, 2}:
            return answer
        assert time.monotonic() < end, answer
        time.sleep(0.005)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /cgi-bin/ajax/jsoc_info?op=rs_summary&ds=\xe9\xff HTTP/1.1",
        b"GET /cgi-bin/ajax/show_series?filter=%E9%FF HTTP/1.1",
        b"GET /cgi-bin/ajax/show_series?filter=%zz%f%\xe9 HTTP/1.1",
        b"GET /SUM0/%ff%fe\xe9 HTTP/1.1",
        b"GET /quicklook/SUM0/\xe9%zz HTTP/1.1",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1",
        b"GET //// HTTP/1.1",
        b"\x00\x01\x02",
        b"POST /cgi-bin/ajax/jsoc_info HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: 3",
        b"POST /cgi-bin/ajax/jsoc_info HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x; charset=no",
        b"POST /cgi-bin/ajax/jsoc_info HTTP/1.1\r\nContent-Type: \xff\xfe\r\nContent-Length: 3",
    ],
)
def test_broken_requests_break_nothing(fuzzed, line):
    parts = urlsplit(fuzzed.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\nx=y")
        status = connection.recv(100)
    assert re.match(rb"HTTP/1.1 (200|400|404|414|431) ", status), status
    assert requests.get(f"{fuzzed.url}{AJAX}/show_series").json()["n"] == 3
    check(fuzzed)


# The description, and whether the site keeps to it


@pytest.fixture(scope="module")
def described(fuzzed):
    return schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def keeps_to_its_description(site, description, example):
    for found in description.get_all_operations():
        operation = found.ok()

        @example
        @given(operation.as_strategy())
        def ask(case):
            case.call_and_validate(base_url=site.url, checks=CHECKS)
            check(site)

        ask()


def test_the_site_keeps_to_its_description(fuzzed, described):
    keeps_to_its_description(fuzzed, described, settings(few, max_examples=20))


@pytest.mark.slow
def test_the_site_really_keeps_to_its_description(fuzzed, described):
    keeps_to_its_description(fuzzed, described, settings(many, max_examples=150))
