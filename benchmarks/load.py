"""
Many clients at once, that search a site and download from it: how many answers a second, how late, and how many failed.

    python benchmarks/load.py DIRECTORY [--clients 64] [--seconds 60]

DIRECTORY is a site, which is served by a process of its own while this runs, to its log in ``requests.log``.
"""

import argparse
import json
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import defaultdict
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from jsoc_fido.localsite import Catalogue

SERVE = "import sys; from jsoc_fido.cli import main; main(['site', 'serve', *sys.argv[1:]])"


class Client(threading.Thread):
    """
    Searches and downloads by turns, on one connection, until it is told to stop.
    """

    def __init__(self, url: str, series: str, count: int, seed: int, stopping: threading.Event) -> None:
        super().__init__()
        self.place = urllib.parse.urlsplit(url).netloc
        self.series = series
        self.count = count
        self.chance = random.Random(seed)
        self.stopping = stopping
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self.bytes = 0

    def run(self) -> None:
        self.connection = HTTPConnection(self.place, timeout=60)
        while not self.stopping.is_set():
            paths = self.search()
            for path in self.chance.sample(paths, min(3, len(paths))):
                self.ask("file", path)
        self.connection.close()

    def search(self) -> list[str]:
        first, length = self.chance.randrange(self.count), self.chance.choice((1, 10, 100))
        query = {"op": "rs_list", "ds": f"{self.series}[:#{first + 1}/{length}]", "key": "**ALL**", "seg": "**ALL**"}
        if self.chance.random() < 0.2:
            query = {"op": self.chance.choice(("rs_summary", "series_struct")), "ds": self.series}
        body = self.ask(query["op"], f"/cgi-bin/ajax/jsoc_info?{urllib.parse.urlencode(query)}")
        if not body:
            return []
        reply = json.loads(body)
        if reply["status"] != 0:
            self.failures.append(f"{query['op']}: {reply}")
        paths = [path for segment in reply.get("segments", ()) for path in segment.get("values", ())]
        return [path for path in paths if path.startswith("/SUM")]

    def ask(self, what: str, path: str) -> bytes:
        began = time.perf_counter()
        try:
            self.connection.request("GET", path)
            reply = self.connection.getresponse()
            body = reply.read()
        except (OSError, HTTPException) as err:
            self.failures.append(f"{what}: {err!r}")
            self.connection.close()
            return b""
        self.seconds[what].append(time.perf_counter() - began)
        self.bytes += len(body)
        if reply.status != 200:
            self.failures.append(f"{what}: {reply.status}")
            return b""
        return body


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with Catalogue.open(options.directory) as catalogue:
        series = catalogue.series_names()[0]
        with catalogue.engine.connect() as connection:
            count = connection.exec_driver_sql(f'SELECT max(recnum) FROM "{series.lower()}"').scalar()
    words = [sys.executable, "-c", SERVE, options.directory, "--log", options.directory / "requests.log"]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            stopping = threading.Event()
            clients = [Client(url, series, count, seed, stopping) for seed in range(options.clients)]
            for client in clients:
                client.start()
            time.sleep(options.seconds)
            stopping.set()
            for client in clients:
                client.join()
        finally:
            process.terminate()
    failures = [failure for client in clients for failure in client.failures]
    print(f"{options.clients} clients, {options.seconds:g} s, {count} records of {series}")
    for what in sorted({what for client in clients for what in client.seconds}):
        took = sorted(seconds for client in clients for seconds in client.seconds[what])
        last = took[min(len(took) - 1, round(0.99 * len(took)))]
        print(f"{what:15} {len(took):7} median {took[len(took) // 2]:7.3f} s, 99 of 100 within {last:7.3f} s")
    print(f"{sum(client.bytes for client in clients) / 1e6:.1f} MB, {len(failures)} failed")
    for failure in failures[:10]:
        print(" ", failure)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
