"""
A PostgreSQL server for tests: made in a new folder, reached by a socket in it, and gone with the tests.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

#: The oldest that is supported.
OLDEST = 15

#: Safety against power cuts takes most of the time that tests have.
HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=200")


def programs() -> Path:
    """
    The folder with ``initdb`` and ``postgres``.

    Raises
    ------
    LookupError
        If there is none, or only of a version that is too old.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    path = Path(on_path).resolve() if on_path else found[-1] if found else None
    if path is None or not path.with_name("postgres").exists():
        raise LookupError("there is no PostgreSQL here (initdb and postgres)")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.search(r"\d+", version)[0]) < OLDEST:
        raise LookupError(f"{version.strip()} is older than {OLDEST}")
    return path.parent


@contextmanager
def server() -> Iterator[sa.URL]:
    """
    Run a server.

    Yields
    ------
    sqlalchemy.URL
        Its address, as its superuser.

    Raises
    ------
    LookupError
        If there is no PostgreSQL that could.
    """
    folder = programs()
    # The path of a socket has to be short, and its folder open to who runs the server, which root may not do.
    root = Path(tempfile.mkdtemp(prefix="pg"))
    other = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
    data = root / "data"
    settings = [word for setting in HASTY for word in ("-c", setting)]
    try:
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", "site", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=root,
            **other,
        )
        with (
            (root / "log").open("w") as log,
            subprocess.Popen(
                [folder / "postgres", "-D", data, "-k", root, *settings], stdout=log, stderr=log, cwd=root, **other
            ) as process,
        ):
            try:
                yield _ready(root, process)
            finally:
                process.send_signal(signal.SIGINT)  # without waiting for clients
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _ready(root: Path, process: subprocess.Popen) -> sa.URL:
    url = sa.URL.create("postgresql+psycopg", username="site", database="postgres", query={"host": str(root)})
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            if process.poll() is not None:
                raise AssertionError((root / "log").read_text()) from None
            time.sleep(0.02)
        else:
            return url
