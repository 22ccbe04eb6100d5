"""
Runs fetches in processes that may be killed: everything is imported once, then a child is forked for each.

It takes orders as lines of JSON, and answers each with one. No thread may run here before a fork.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import jsoc_fido
from jsoc_fido import site as site_module
from jsoc_fido.connection import Limits

MANNERS = Limits(connections=1, questions=2, poll=(0.005, 0.04), tries=4, pause=0.005)


def work(task: dict) -> None:
    """
    What a child does.
    """
    os.environ["JSOC_FIDO_STATE"] = task["state"]
    site_module.LOCAL = MANNERS
    client = jsoc_fido.JSOCClient()
    options = {"notify": task["notify"], "progress": False}
    if task.get("resume"):
        client.resume(**options)
    table = jsoc_fido.JSOCResponse.read(task["rows"], client=client)
    start, stop = task.get("part", (0, len(table)))
    results = client.fetch(
        table[start:stop], path=task["folder"], protocol=task["protocol"], method=task.get("method"), **options
    )
    for error in results.errors:
        print(error.exception, file=sys.stderr)
    if results.errors:
        raise SystemExit(1)


def fork(task: dict) -> int:
    """
    Start a child; its number.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work(task)
        code = 0
    except SystemExit as err:
        code = int(err.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - the one way to learn of it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # As at the end of a program: threads that are not daemons are waited for.
        import threading

        if code == 130:
            threading._shutdown()
        os._exit(code)


def end(child: int) -> int:
    """
    Wait for a child; its exit code, negative for a signal.
    """
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def listing(folder: Path) -> list[str]:
    """
    The files that have their names.
    """
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def obey(order: dict) -> dict:
    tasks = order["tasks"]
    if order["command"] == "run":
        children = [fork(task) for task in tasks]
        return {"codes": [end(child) for child in children]}
    (task,) = tasks
    child = fork(task)
    if order["command"] == "kill":
        time.sleep(order["after"])
        os.kill(child, signal.SIGKILL)
        return {"codes": [end(child)], "there": listing(Path(task["folder"]))}
    # Interrupt when a file says that it is time.
    while not Path(order["when"]).exists():
        time.sleep(0.005)
    began = time.monotonic()
    os.kill(child, signal.SIGINT)
    code = end(child)
    return {"codes": [code], "seconds": time.monotonic() - began, "there": listing(Path(task["folder"]))}


if __name__ == "__main__":
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)
