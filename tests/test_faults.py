"""
Staging and downloading survive whatever happens between here and the site: every file comes whole and once.
"""

import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from astropy.io import fits
from faults import proxy as net
from faults.proxy import Fault, Proxy
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, fitsfiles, localsite
from jsoc_fido import site as site_module
from jsoc_fido.connection import Limits
from jsoc_fido.exceptions import JSOCError
from jsoc_fido.journal import Journal
from jsoc_fido.localsite import schema

EMAIL = "solar@example.com"
MINUTES = a.Time("2014-01-01T00:00", "2014-01-01T00:04")
FILES = 5

#: JSOC's manners, at another pace.
MANNERS = Limits(connections=1, questions=2, poll=(0.005, 0.04), tries=4, pause=0.005)

#: Seconds after which a silent site is given up: usually, and where it is known to be silent.
PATIENCE, HURRY = 20.0, 0.4

#: Cards that say when a file was made, and what follows from them.
PASSING = re.compile(r"DATE$|CHECKSUM|DATASUM|HEADSUM|HISTORY")

#: How a job asks for its files, and which operations that takes.
WAYS = {
    "fits": ("checkAddress", "exp_request", "exp_status", "file"),
    "as-is": ("checkAddress", "exp_request", "file"),
    "quick": ("rs_list", "file"),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("faults") / "site"
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.v_45s", MINUTES.start, MINUTES.end, size=16)
    for path in directory.rglob("*.fits"):
        # So that damage can be seen.
        fitsfiles.rewrite(path, path, lambda header: None, checksum=True)
    return directory


@pytest.fixture(scope="module")
def archive(directory) -> Iterator[localsite.RunningSite]:
    with localsite.running(directory, register=[EMAIL], staging_time=0.01, jsoc_limits=True) as running:
        yield running


@pytest.fixture(scope="module")
def through(archive) -> Iterator[Proxy]:
    with pytest.MonkeyPatch.context() as patch, Proxy(archive.url) as proxy:
        patch.setattr(site_module, "LOCAL", MANNERS)
        site_module._site_at.cache_clear()
        connection = site_module.site(proxy.url).connection
        for adapter in connection._session.adapters.values():
            adapter.max_retries = adapter.max_retries.new(backoff_factor=0.01)
        yield proxy
        site_module._site_at.cache_clear()


@pytest.fixture(scope="module")
def rows(through):
    return JSOCClient(through.url).search(MINUTES, a.jsoc.Series("hmi.v_45s"))[:FILES]


@pytest.fixture(scope="module")
def expected(rows, tmp_path_factory) -> dict[str, dict[str, list[tuple[list[str], bytes]]]]:
    """
    What comes when nothing goes wrong, for each way.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSOC_FIDO_STATE", str(tmp_path_factory.mktemp("state")))
        result = {}
        for way in WAYS:
            folder = tmp_path_factory.mktemp(way)
            assert not fetch(rows, folder, way).errors
            result[way] = contents(folder)
        return result


@pytest.fixture
def job(request, through, archive, rows, expected, tmp_path, monkeypatch) -> "Job":
    """
    A job that nobody has begun, of a person of whom neither the site nor this machine knows anything.
    """
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))

    def wait_at_most(seconds: float) -> None:
        monkeypatch.setenv("PARFIVE_SOCK_READ_TIMEOUT", str(seconds))
        monkeypatch.setattr(site_module.site(through.url).connection, "timeout", seconds)

    wait_at_most(HURRY if "stalled" in request.node.name else PATIENCE)
    return Job(through, archive, rows, expected, tmp_path / "files")


def fetch(rows, folder: Path, way: str, **options):
    return JSOCClient().fetch(
        rows,
        path=folder,
        progress=False,
        protocol=None if way == "quick" else way,
        notify=None if way == "quick" else EMAIL,
        **options,
    )


def contents(folder: Path) -> dict[str, list[tuple[list[str], bytes]]]:
    """
    Everything in a folder: of files, all bytes of the data and all cards but those that tell the time.
    """
    return {path.name: parts(path) for path in sorted(folder.iterdir())}


def assert_same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, wanted in expected.items():
        for (cards, data), (wanted_cards, wanted_data) in zip(found[name], wanted, strict=True):
            assert cards == wanted_cards
            assert data == wanted_data


def parts(path: Path) -> list[tuple[list[str], bytes]]:
    content = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as hdus:
        places = [(hdu.header, hdu.fileinfo()) for hdu in hdus]
    return [
        (
            [str(card) for card in header.cards if not PASSING.match(card.keyword)],
            content[place["datLoc"] : place["datLoc"] + place["datSpan"]],
        )
        for header, place in places
    ]


class Job:
    """
    A fetch that something happens to, and what must be true after it.
    """

    def __init__(self, proxy: Proxy, archive, rows, expected, folder: Path) -> None:
        self.proxy, self.archive, self.rows, self.folder = proxy, archive, rows, folder
        self._expected = expected
        self.forget()

    def forget(self) -> None:
        """
        Let the site and the client forget what was asked.
        """
        self.settle()
        with self.archive.catalogue.engine.begin() as connection:
            connection.execute(sa.delete(schema.requests))
        site_module.site(self.proxy.url)._registered.clear()
        self.proxy.reset()

    def settle(self) -> None:
        """
        Wait until the site has nothing left to do.
        """
        while any(row.status in {1, 2} for row in self.exports()):
            time.sleep(0.005)

    def exports(self) -> list[sa.Row]:
        """
        What the site was asked to stage, and took.
        """
        with self.archive.catalogue.engine.connect() as connection:
            return list(connection.execute(sa.select(schema.requests)))

    def run(self, way: str) -> bool:
        """
        Fetch; whether all files came. Only this package's errors may come out of it.
        """
        try:
            results = fetch(self.rows, self.folder, way)
        except JSOCError:
            return False
        assert len(results) + len(results.errors) == FILES
        assert all(isinstance(error.exception, JSOCError) for error in results.errors)
        return not results.errors

    def check(self, way: str, *, exports: int | None = None, processes: int = 1, machines: int = 1) -> None:
        """
        All is there, whole and once; the site was asked once, and politely.

        Processes do not know of each other's questions, and machines not of each other's downloads.
        """
        assert_same(contents(self.folder), self._expected[way])
        assert len(self.exports()) == ((way == "fits") if exports is None else exports)
        whole = Counter(seen.path for seen in self.proxy.seen if seen.whole)
        assert not {path: times for path, times in whole.items() if times > 1}
        assert self.proxy.peak["file"] <= MANNERS.connections * machines
        assert self.proxy.peak["question"] <= MANNERS.questions * processes
        assert all(seen.headers["User-Agent"].startswith("jsoc_fido/") for seen in self.proxy.seen)
        assert not Journal().jobs()
        assert not re.search(EMAIL, Journal().path.read_bytes().decode("latin-1"))


# Each alone

#: What can happen to any request.
ANYWHERE: dict[str, Fault] = {
    "reset, not heard": net.reset_before,
    "reset, heard": net.reset_after,
    "closed, not heard": net.hang_up_before,
    "closed, heard": net.hang_up_after,
    "crash": net.crash,
    "stalled, not heard": net.stall_before,
    "stalled, heard": net.stall_after,
    "stalled in the body": net.stall_in_body,
    "cut": net.cut,
    "cut in chunks": net.cut_chunks,
    "reset in the body": net.reset_in_body,
    "slow": net.drip,
    "length too long": net.too_long,
    "length too short": net.too_short,
    "empty": net.empty,
    "html": net.html,
    "html, cut": net.html_cut,
    "429": net.status(429),
    "429, now": net.status(429, Retry_After="0"),
    "429, nonsense": net.status(429, Retry_After="soon"),
    "500": net.status(500),
    "502": net.status(502),
    "503": net.status(503),
    "504": net.status(504),
    "404": net.status(404),
    "403": net.status(403),
}

#: What can happen to the reply of a program.
PROGRAMS: dict[str, Fault] = {
    "JSON, cut short": net.text(lambda body: body[: len(body) // 2]),
    "JSON, other bytes": net.text(lambda body: b"\xff\xfe" + body),
    "JSON, a list": net.text(lambda body: b"[" + body + b"]"),
    "JSON, null": net.text(lambda _: b"null"),
    "JSON, nothing in it": net.text(lambda _: b"{}"),
    "JSON, status of letters": net.says(asked=True, status="none"),
    "JSON, status null": net.says(asked=True, status=None),
    "JSON, status negative": net.says(asked=True, status=-1),
}

#: What can happen to staged requests, by operation.
EXPORTS: dict[str, dict[str, Fault]] = {
    "exp_request": {
        "status 3": net.says(status=3, error="Request exceeds max byte limit of 100000MB", requestid="VOID"),
        "status 4": net.says(status=4, error="Cannot process your request."),
        "status 4, passing": net.says(status=4, error="Cant save new export-request hash"),
        "status 4, passing, taken": net.says(asked=True, status=4, error="Cant save new export-request hash"),
        "status 6": net.says(asked=True, status=6),
        "status 7, own": net.busy_with_own,
        "status 7, a stranger": net.busy("JSOC_20140101_001"),
        "status 7, strangers": net.busy("JSOC_20140101_001", "JSOC_20140101_002_IN"),
        "status 7, nobody": net.busy(),
        "status 12": net.says(asked=True, status=12),
        "status 25": net.says(status=25, error="One or more data files are offline; JSOC_20140101_003"),
    },
    "exp_status": {
        "status 3": net.says(asked=True, status=3, error="too large"),
        "status 4": net.says(asked=True, status=4, error="RecordSet specified does not exist"),
        "status 4, passing": net.says(asked=True, status=4, error="cannot connect to the database, try again"),
        "status 5": net.says(asked=True, status=5, error="Request was completed but is now deleted"),
        "status 6": net.says(asked=True, status=6),
        "status 7": net.says(asked=True, status=7),
        "status 12": net.says(asked=True, status=12),
        "status 25": net.says(asked=True, status=25, error="offline"),
        "status 99": net.says(asked=True, status=99),
        "done, no data": net.says(asked=True, status=0, data=[]),
        "done, null data": net.says(asked=True, status=0, data=None, dir="/SUM0/D1/S00000"),
    },
    "checkAddress": {
        "not registered": net.says(status=3, msg="Email address is valid; registration pending."),
    },
}

#: What can happen to a file.
DAMAGE: dict[str, Fault] = {
    "corrupt": net.corrupt,
    "corrupt, by its digest": net.with_digest(net.damaged),
    "cut, by its digest": net.with_digest(lambda body: body[: len(body) // 2]),
    "longer, by its digest": net.with_digest(lambda body: body + b"\0"),
    "416": net.not_satisfiable,
    "another part": net.other_range,
    "half of the blocks": net.text(lambda body: body[: len(body) // 5760 * 2880]),
    "much more than the file": net.text(lambda body: body + bytes(8640)),
}


def alone() -> Iterator[tuple[str, str, str, Fault]]:
    for way, operations in WAYS.items():
        for operation in operations:
            faults = dict(ANYWHERE)
            if operation == "file":
                faults |= DAMAGE
            else:
                faults |= PROGRAMS | EXPORTS.get(operation, {})
            if way == "as-is":
                # The same code as for full headers: what differs is the answer to the request, and the files' names.
                faults = {name: faults[name] for name in ("reset, heard", "cut", "html", "503", "404")}
            for name, fault in faults.items():
                yield way, operation, name, fault


FAULTS = list(alone())

#: Requests that the site takes where it takes another number than one: what it calls too large is asked for in halves.
PARTS = {("exp_request", "status 3"): 2, ("exp_status", "status 3"): 3}


@pytest.mark.parametrize(("way", "operation", "name", "fault"), FAULTS, ids=[" - ".join(item[:3]) for item in FAULTS])
def test_one_fault(job, way, operation, name, fault):
    # Of files it is the second: something was done already.
    first = 2 if operation == "file" else 1
    job.proxy.plan(operation, fault, name, first=first)
    runs = 1
    while not job.run(way):
        runs += 1
        assert runs <= 2
    assert job.proxy.done == [name]
    job.check(way, exports=PARTS.get((operation, name)))


LOST = ["reset, heard", "closed, not heard", "stalled, heard", "cut", "html", "JSON, cut short", "JSON, null"]


@pytest.mark.parametrize(("way", "operation"), [("fits", "checkAddress"), ("fits", "exp_status"), ("quick", "rs_list")])
@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_is_lost_is_asked_for_again(job, way, operation, name):
    # Of these questions nothing changes at the site, so no second run is needed.
    job.proxy.plan(operation, (ANYWHERE | PROGRAMS)[name], name)
    assert job.run(way)
    assert job.proxy.done == [name]
    job.check(way)


@pytest.mark.parametrize("status", [404, 410])
def test_files_that_the_site_has_removed_are_staged_anew(job, status):
    job.proxy.plan("file", net.status(status), "gone", times=FILES)
    assert not job.run("fits")
    assert [entry.state for entry in Journal().requests()] == ["expired"]
    asked = job.proxy.count("exp_request")
    assert job.run("fits")
    assert job.proxy.count("exp_request") == asked + 1


# A file that is gone on with

RESUMED = {
    "no ranges": net.without_ranges,
    "416": net.not_satisfiable,
    "another part": net.other_range,
    "changed since": net.changed_since,
    "html": net.html,
    "cut again": net.cut,
    "503": net.status(503),
    "corrupt": net.corrupt,
}


@pytest.mark.parametrize("way", ["fits", "quick"])
@pytest.mark.parametrize("name", RESUMED)
def test_a_fault_when_a_file_is_gone_on_with(job, way, name):
    job.proxy.plan("file", net.cut, "cut", first=2)
    job.proxy.plan("file", RESUMED[name], name, first=3)
    assert job.run(way)
    assert job.proxy.done == ["cut", name]
    job.check(way)
    assert [seen.headers.get("Range", "")[:6] for seen in job.proxy.seen if seen.operation == "file"][2] == "bytes="


def test_what_has_come_is_not_asked_for_again(job):
    job.proxy.plan("file", net.cut, "cut", first=2)
    assert job.run("fits")
    asked = [seen for seen in job.proxy.seen if seen.operation == "file"]
    assert len(asked) == FILES + 1
    first, rest = asked[1:3]
    assert rest.headers["Range"] == f"bytes={first.sent}-"
    assert not rest.whole
    job.check("fits")


@pytest.mark.parametrize("first", [1, 3])
def test_a_file_that_is_another_one_when_it_is_gone_on_with(job, first):
    # What had come fits no more to what comes now.
    job.proxy.plan("file", net.cut, "cut", first=first)
    job.proxy.plan("file", net.text(lambda body: bytes(len(body))), "changed", first=first + 1)
    assert job.run("fits")
    job.check("fits")


@pytest.mark.parametrize("way", ["fits", "quick"])
@pytest.mark.parametrize("name", ["corrupt", "html", "503", "cut", "reset, heard", "404"])
def test_one_file_that_never_comes(job, way, name):
    """
    It is reported, the others come; when it is there again, the second run asks for this one only.
    """
    faults = ANYWHERE | DAMAGE

    def always(exchange):
        if exchange.seen.path == bad[0]:
            faults[name](exchange)
        else:
            exchange.send(exchange.ask())

    bad = [""]

    def choose(exchange):
        bad[0] = exchange.seen.path
        faults[name](exchange)

    job.proxy.plan("file", choose, name, first=2)
    job.proxy.plan("file", always, name, first=3, times=1000)
    assert not job.run(way)
    assert len([path for path in job.folder.iterdir() if path.suffix == ".fits"]) == FILES - 1
    job.proxy.script.clear()
    before = job.proxy.count("file")
    assert job.run(way)
    assert job.proxy.count("file") == before + 1
    job.check(way)


# Manners


@pytest.mark.parametrize(
    "fault", [net.status(429, Retry_After="1"), net.status(503, Retry_After="1")], ids=["429", "503"]
)
@pytest.mark.parametrize("operation", ["file", "exp_request"])
def test_a_server_that_wants_to_be_left_alone_is(job, operation, fault):
    job.proxy.plan(operation, fault, "later", first=1)
    assert job.run("fits")
    one, two = [seen.began for seen in job.proxy.seen if seen.operation == operation][:2]
    assert two - one >= 1
    job.check("fits")


def test_a_date_after_which_to_come_again(job):
    job.proxy.plan("file", net.retry_at_date, "later", first=1)
    assert job.run("fits")
    job.check("fits")


@pytest.mark.parametrize("way", WAYS)
def test_not_more_at_a_time_than_the_site_allows(job, way):
    job.proxy.plan("*", net.drip, "slow", times=1000)
    assert job.run(way)
    job.check(way)
    assert job.proxy.peak["file"] == 1


def test_a_request_of_the_same_person_that_was_made_elsewhere(job):
    elsewhere = site_module.site(job.archive.url).drms_client()
    other = elsewhere.export("hmi.v_45s[2014.01.01_00:03:45_TAI]", method="url", protocol="fits", email=EMAIL)
    assert job.run("fits")
    assert next(row.requestid for row in job.exports()) == other.id
    job.check("fits", exports=2)
    first, second = sorted(job.exports(), key=lambda row: row.submitted)
    assert first.finished <= second.submitted


def test_a_whole_answer_that_is_too_large(job):
    refused = []

    def too_large(exchange):
        if len(refused) < 2:
            refused.append(exchange.seen.parameters["ds"])
            EXPORTS["exp_request"]["status 3"](exchange)
        else:
            exchange.send(exchange.ask())

    job.proxy.plan("exp_request", too_large, "too large", times=1000)
    whole = JSOCClient(job.proxy.url).search(MINUTES, a.jsoc.Series("hmi.v_45s"))
    results = fetch(whole, job.folder, "fits")
    assert not results.errors
    assert len(results) == len(whole)
    assert not any(":#" in text for text in refused[:1])
    taken = [tuple(row.recnums) for row in job.exports()]
    assert sorted(number for numbers in taken for number in numbers) == sorted(whole["Recnum"].tolist())


# Many, in any order

RANDOM = 200


@pytest.mark.parametrize("seed", range(RANDOM))
def test_a_random_sequence(job, seed):
    random_numbers = random.Random(seed)
    way = random_numbers.choice(["fits", "fits", "quick", "as-is"])
    # A stall takes as long as the patience of the one who waits; the single faults have it.
    slow = {name for name in ANYWHERE if name.startswith("stalled")}
    for _ in range(random_numbers.randint(1, 5)):
        operation = random_numbers.choice(WAYS[way])
        faults = ANYWHERE | (DAMAGE if operation == "file" else PROGRAMS | EXPORTS.get(operation, {}))
        name = random_numbers.choice(sorted(set(faults) - slow))
        first, times = random_numbers.randint(1, 6), random_numbers.choice([1, 1, 2, 6])
        job.proxy.plan(operation, faults[name], name, first=first, times=times)
    if not job.run(way):
        job.proxy.script.clear()
        assert job.run(way), job.proxy.done
    exports = job.exports()
    assert len({row.hash for row in exports}) == len(exports)
    if "status 3" not in job.proxy.done:
        assert len(exports) == (way == "fits")
    job.check(way, exports=len(exports))


# Processes


@pytest.fixture(scope="module")
def launcher() -> Iterator[Callable[..., dict]]:
    """
    Takes a command and tasks, see there.
    """
    program = Path(net.__file__).with_name("launcher.py")
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert json.loads(process.stdout.readline())["ready"]

        def command(name: str, *tasks: dict, **options: object) -> dict:
            process.stdin.write(json.dumps({"command": name, "tasks": tasks, **options}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield command
        process.stdin.close()


@pytest.fixture
def task(job, tmp_path) -> dict:
    rows = tmp_path / "rows.ecsv"
    job.rows.write(rows, format="ascii.ecsv")
    return {
        "state": str(tmp_path / "state"),
        "rows": str(rows),
        "folder": str(job.folder),
        "protocol": "fits",
        "notify": EMAIL,
        "log": str(tmp_path / "log"),
    }


@pytest.mark.parametrize("machines", [1, 2])
def test_two_processes_of_one_person(job, task, launcher, tmp_path, machines):
    """
    On one machine they stand in one queue; on two, the one whom the site sends away comes again.
    """
    one = {**task, "part": (0, 3)}
    two = {**task, "part": (3, FILES), "state": str(tmp_path / "state 2") if machines == 2 else task["state"]}
    assert launcher("run", one, two)["codes"] == [0, 0], Path(task["log"]).read_text()
    job.check("fits", exports=2, processes=2, machines=machines)
    first, second = sorted(job.exports(), key=lambda row: row.submitted)
    assert first.finished <= second.submitted
    if machines == 1:
        assert job.proxy.count("exp_request") == 2


def test_two_processes_that_want_the_same(job, task, launcher, tmp_path):
    other = {**task, "folder": str(tmp_path / "other")}
    assert launcher("run", task, other)["codes"] == [0, 0], Path(task["log"]).read_text()
    assert len(job.exports()) == 1
    assert job.proxy.count("exp_request") == 1
    for folder in (task["folder"], other["folder"]):
        assert_same(contents(Path(folder)), job._expected["fits"])


def test_two_processes_into_one_folder(job, task, launcher):
    assert launcher("run", task, task, task)["codes"] == [0, 0, 0], Path(task["log"]).read_text()
    assert len(job.exports()) == 1
    assert_same(contents(job.folder), job._expected["fits"])


@pytest.mark.filterwarnings("ignore:This download has been started in a thread")
@pytest.mark.parametrize("way", ["fits", "quick"])
def test_two_threads_into_one_folder(job, way):
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(job.run, way) for _ in range(3)]
    assert all(result.result() for result in done)
    assert job.proxy.peak["file"] <= MANNERS.connections
    assert len(job.exports()) == (way == "fits")
    assert_same(contents(job.folder), job._expected[way])


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("exp_request", net.stall_before),
        ("exp_status", net.stall_after),
        ("exp_status", net.says(asked=True, status=1)),
        ("file", net.stall_before),
        ("file", net.stall_in_body),
    ],
    ids=["asking", "looking", "waiting", "a file", "in a file"],
)
def test_ctrl_c(job, task, launcher, tmp_path, operation, fault, monkeypatch):
    """
    It ends the program, which says how to go on; and a second run does.
    """
    now = tmp_path / "now"

    def act(exchange):
        now.touch()
        fault(exchange)

    job.proxy.plan(operation, act, "waits", first=2 if operation == "file" else 1, times=10000)
    answer = launcher("interrupt", task, when=str(now))
    job.proxy.script.clear()
    said = Path(task["log"]).read_text()
    assert answer["codes"] == [130], said
    assert answer["seconds"] < net.FOREVER / 2
    assert "jsoc-fido fetch --resume" in said
    job.settle()
    assert launcher("run", {**task, "resume": True})["codes"] == [0]
    job.check("fits")


# Killed

KILLED = 50
MANY = 200


@pytest.fixture(scope="module")
def many(through, archive, directory):
    localsite.synthesize(directory, "hmi.v_45s", "2014-01-02T00:00", "2014-01-02T02:30", size=16)
    response = JSOCClient(through.url).search(
        a.Time("2014-01-02T00:00", "2014-01-02T02:30"), a.jsoc.Series("hmi.v_45s")
    )
    assert len(response) >= MANY
    return response[:MANY]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment(job, many, launcher, tmp_path, seed):
    rows = tmp_path / "rows.ecsv"
    many.write(rows, format="ascii.ecsv")
    common = {"rows": str(rows), "protocol": "as-is", "method": "url", "notify": EMAIL, "log": str(tmp_path / "log")}

    def task(number: int | str) -> dict:
        folder = tmp_path / f"{number}"
        return {**common, "folder": str(folder / "files"), "state": str(folder / "state")}

    def digests(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    began = time.monotonic()
    assert launcher("run", task("whole"))["codes"] == [0], Path(common["log"]).read_text()
    lasts = time.monotonic() - began
    expected = digests(task("whole")["folder"])
    assert len(expected) == MANY
    random_numbers = random.Random(seed)
    for number in range(KILLED // 5):
        job.forget()
        this = task(number)
        killed = launcher("kill", this, after=random_numbers.uniform(0, lasts))
        there, before = set(killed["there"]), len(job.proxy.seen)
        assert launcher("run", {**this, "resume": number % 2 == 0})["codes"] == [0], Path(common["log"]).read_text()
        assert digests(this["folder"]) == expected
        assert len(job.exports()) == 1
        again = {seen.path.rpartition("/")[2] for seen in job.proxy.seen[before:] if seen.operation == "file"}
        assert not again & there
        shutil.rmtree(tmp_path / f"{number}")
