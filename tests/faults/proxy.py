"""
A proxy in front of a site, which does to its replies what networks, servers and people do to them.

It stands on real sockets. What it does, and to which request, is said in a script; what it saw is kept.
"""

import http.client
import json
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, urlsplit

#: Between two parts of a reply that comes slowly.
DRIP = 0.01

#: Longest stall; whoever waits so long has no deadline.
FOREVER = 30.0

#: What belongs to one connection, and not to the reply that goes over it.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Reply:
    """
    What is answered.

    Parameters
    ----------
    length
        What ``Content-Length`` says, if not the truth; None leaves it out and sends the body in chunks.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    length: int | None = -1

    @property
    def head(self) -> bytes:
        headers = dict(self.headers)
        if self.length is None:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(self.body) if self.length < 0 else self.length)
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass
class Seen:
    """
    A request, as the proxy saw it.

    Parameters
    ----------
    whole
        Whether the answer was a file, whole and undamaged.
    """

    operation: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    began: float
    fault: str | None = None
    whole: bool = False
    sent: int = 0


class _GoneError(Exception):
    """
    The connection is to be closed.
    """


class Exchange:
    """
    One request, and what can be done about it.
    """

    def __init__(self, proxy: "Proxy", connection: socket.socket, method: str, target: str, seen: Seen, body: bytes):
        self.proxy = proxy
        self.seen = seen
        self._connection = connection
        self._method, self._target, self._body = method, target, body
        self._reply: Reply | None = None

    def ask(self, **headers: str | None) -> Reply:
        """
        Ask the site, once; headers may be changed, or left out with None.
        """
        if self._reply is None:
            parts = urlsplit(self.proxy.site)
            sent = {name: value for name, value in self.seen.headers.items() if name.lower() not in HOP_BY_HOP}
            sent = {name: value for name, value in {**sent, **headers}.items() if value is not None}
            with socket_of(http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)) as upstream:
                upstream.request(self._method, self._target, self._body or None, sent)
                answer = upstream.getresponse()
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
                self._reply = Reply(answer.status, kept, answer.read())
        return self._reply

    def send(self, reply: Reply, *, share: float = 1.0, drip: bool = False) -> None:
        """
        Answer, or send a share of the answer and then hang up.
        """
        body = reply.body[: int(share * len(reply.body))]
        data = body if reply.length is not None else b"%x\r\n%b\r\n" % (len(body), body)
        if reply.length is None and share == 1 and body:
            data += b"0\r\n\r\n"
        whole = reply is self._reply and share == 1
        # What comes last is sent when this request no longer counts: the next one may be there at once. Of a refusal
        # nobody needs to read more than the head.
        if reply.status >= 300:
            self.proxy.over(self)
        announced = reply.length if reply.length is not None and 0 <= reply.length < len(data) else len(data)
        message, end = reply.head + data, len(reply.head) + announced
        rest, last = message[: end - 1], message[end - 1 :]
        step = max(1, len(rest) // 10) if drip else len(rest)
        for start in range(0, len(rest), step):
            self._connection.sendall(rest[start : start + step])
            if drip:
                time.sleep(DRIP)
        self.seen.sent = len(body)
        self.seen.whole = whole and self.seen.operation == "file" and reply.status == 200 and self._method == "GET"
        self.proxy.over(self)
        self._connection.sendall(last)
        if share < 1 or (reply.length is not None and 0 <= reply.length != len(body)):
            raise _GoneError

    @property
    def is_given_up(self) -> bool:
        """
        Whether the other side has closed the connection: who has read enough does not wait for the rest.
        """
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def hang_up(self) -> None:
        """
        Close the connection politely.
        """
        self.proxy.over(self)
        raise _GoneError

    def reset(self) -> None:
        """
        Close the connection as a program does that crashed.
        """
        self.proxy.over(self)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _GoneError

    def stall(self) -> None:
        """
        Say nothing until the other side has had enough.
        """
        self.proxy.over(self)
        deadline = time.monotonic() + FOREVER
        with suppress(OSError, ValueError):
            while time.monotonic() < deadline and not self.proxy.closing.is_set():
                readable, _, _ = select.select([self._connection], [], [], 0.02)
                if readable and not self._connection.recv(1, socket.MSG_PEEK):
                    break
        raise _GoneError


#: What happens to one request.
Fault = Callable[[Exchange], None]


class socket_of:  # noqa: N801 - reads as the function that it is
    """
    Close a connection of `http.client` in the end.
    """

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def __enter__(self) -> http.client.HTTPConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


@dataclass
class Planned:
    """
    A fault in a script: what happens to which requests of an operation, of which the first is number 1.
    """

    operation: str
    act: Fault
    name: str
    first: int = 1
    times: int = 1


@dataclass
class Proxy:
    """
    The proxy; it serves from entering to leaving its context.
    """

    site: str
    script: list[Planned] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._busy: dict[Exchange, str] = {}
        self.reset()
        # A second socket keeps the port while nobody listens there.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self._address = self._holder.getsockname()
        self._wake, self._woken = socket.socketpair()
        self._down = 0.0
        self._is_down = threading.Event()
        self._listener = self._listen()
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._wake.sendall(b"x")
        self._thread.join()
        self._hang_up_all()
        for sock in (self._holder, self._wake, self._woken):
            sock.close()

    @property
    def url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    def reset(self) -> None:
        """
        Forget the script, and what was seen.
        """
        with self._lock:
            self.script, self.seen = [], []
            self._numbers: Counter[str] = Counter()
            #: Most requests at the same time: downloads, and the others.
            self.peak: Counter[str] = Counter()

    def plan(self, operation: str, act: Fault, name: str, *, first: int = 1, times: int = 1) -> None:
        """
        Add a fault to the script. ``"*"`` is every operation.
        """
        self.script.append(Planned(operation, act, name, first, times))

    def count(self, operation: str) -> int:
        """
        How often an operation was asked for.
        """
        return sum(seen.operation == operation for seen in list(self.seen))

    @property
    def done(self) -> list[str]:
        """
        The faults that happened.
        """
        return [seen.fault for seen in list(self.seen) if seen.fault is not None]

    def crash(self, seconds: float) -> None:
        """
        Drop all connections and refuse new ones for some time.
        """
        self._is_down.clear()
        self._down = seconds
        self._wake.sendall(b"x")
        self._is_down.wait()
        self._hang_up_all()

    # How it works

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        listener.listen(64)
        return listener

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                self._woken.recv(1)
                self._listener.close()
                self._is_down.set()
                if self.closing.is_set():
                    return
                time.sleep(self._down)
                self._listener = self._listen()
                continue
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="proxied", daemon=True).start()

    def _hang_up_all(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream, suppress(OSError, _GoneError):
                while line := stream.readline():
                    method, target, _ = line.decode("latin-1").split()
                    headers = dict(http.client.parse_headers(stream).items())
                    body = stream.read(int(headers.get("Content-Length", 0)))
                    self._answer(connection, method, target, headers, body)
        finally:
            with self._lock:
                self._open.discard(connection)

    def _answer(
        self, connection: socket.socket, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        parts = urlsplit(target)
        query = parts.query + ("&" + body.decode("latin-1") if method == "POST" else "")
        parameters = dict(parse_qsl(query))
        program = parts.path.rpartition("/")[2].removesuffix(".sh")
        operation = parameters.get("op", program) if "/cgi-bin/" in parts.path else "file"
        seen = Seen(operation, parts.path, parameters, headers, time.monotonic())
        exchange = Exchange(self, connection, method, target, seen, body)
        kind = "file" if operation == "file" else "question"
        with self._lock:
            self.seen.append(seen)
            self._numbers[operation] += 1
            self._numbers["*"] += 1
            self._busy[exchange] = kind
            busy = sum(other == kind and not asked.is_given_up for asked, other in self._busy.items())
            self.peak[kind] = max(self.peak[kind], busy)
            planned = next(
                filter(self._is_due, (item for item in self.script if item.operation in {operation, "*"})), None
            )
        try:
            if planned is None:
                exchange.send(exchange.ask())
            else:
                seen.fault = planned.name
                planned.act(exchange)
        finally:
            self.over(exchange)

    def _is_due(self, planned: Planned) -> bool:
        return planned.first <= self._numbers[planned.operation] < planned.first + planned.times

    def over(self, exchange: Exchange) -> None:
        """
        Called when a request does not keep the site busy any more.
        """
        with self._lock:
            self._busy.pop(exchange, None)


# What can go wrong, from the socket up


def reset_before(exchange: Exchange) -> None:
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    exchange.ask()
    exchange.reset()


def hang_up_before(exchange: Exchange) -> None:
    exchange.hang_up()


def hang_up_after(exchange: Exchange) -> None:
    exchange.ask()
    exchange.hang_up()


def crash(exchange: Exchange) -> None:
    exchange.proxy.crash(0.02)
    exchange.reset()


def stall_before(exchange: Exchange) -> None:
    exchange.stall()


def stall_after(exchange: Exchange) -> None:
    exchange.ask()
    exchange.stall()


def stall_in_body(exchange: Exchange) -> None:
    reply = exchange.ask()
    with suppress(_GoneError):
        exchange.send(reply, share=0.5)
    exchange.stall()


def cut(exchange: Exchange) -> None:
    exchange.send(exchange.ask(), share=0.5)


def cut_chunks(exchange: Exchange) -> None:
    exchange.send(replace(exchange.ask(), length=None), share=0.5)


def reset_in_body(exchange: Exchange) -> None:
    reply = exchange.ask()
    with suppress(_GoneError):
        exchange.send(reply, share=0.5)
    exchange.reset()


def drip(exchange: Exchange) -> None:
    exchange.send(exchange.ask(), drip=True)


def too_long(exchange: Exchange) -> None:
    """
    Less comes than was announced.
    """
    reply = exchange.ask()
    exchange.send(replace(reply, length=len(reply.body) + 100))


def too_short(exchange: Exchange) -> None:
    """
    More comes than was announced; it is lost.
    """
    reply = exchange.ask()
    exchange.send(replace(reply, length=len(reply.body) // 2))


def empty(exchange: Exchange) -> None:
    exchange.send(replace(exchange.ask(), body=b""))


# HTTP


def status(code: int, **headers: str) -> Fault:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.send(Reply(code, said, b"<html><body>Sorry.</body></html>"))


def retry_at_date(exchange: Exchange) -> None:
    """
    Too many requests; come again at a time, which is a whole second.
    """
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))
    exchange.send(Reply(429, {"Retry-After": date}, b""))


def html(exchange: Exchange) -> None:
    body = b"<!DOCTYPE html><html><body>The site is down for maintenance.</body></html>"
    exchange.send(Reply(200, {"Content-Type": "text/html"}, body))


def html_cut(exchange: Exchange) -> None:
    """
    Half a page, which must not become the beginning of a file.
    """
    body = b"<!DOCTYPE html><html><body>The site is down for maintenance.</body></html>"
    exchange.send(Reply(200, {"Content-Type": "text/html"}, body), share=0.5)


# Files


def corrupt(exchange: Exchange) -> None:
    """
    One byte of the data is another one.
    """
    reply = exchange.ask()
    exchange.send(replace(reply, body=damaged(reply.body)))


def damaged(body: bytes) -> bytes:
    # The last unit of a FITS file has data at its beginning; the very end is only there to fill the block.
    place = max(0, (len(body) - 1) // 2880 * 2880)
    return body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :]


def with_digest(change: Callable[[bytes], bytes]) -> Fault:
    """
    A digest of the true file goes with what is sent (RFC 9530).
    """

    def act(exchange: Exchange) -> None:
        import base64
        import hashlib

        reply = exchange.ask()
        digest = base64.b64encode(hashlib.sha256(reply.body).digest()).decode()
        headers = {**reply.headers, "Repr-Digest": f"sha-256=:{digest}:"}
        exchange.send(replace(reply, headers=headers, body=change(reply.body)))

    return act


def without_ranges(exchange: Exchange) -> None:
    reply = exchange.ask(Range=None)
    exchange.send(replace(reply, headers={k: v for k, v in reply.headers.items() if k.lower() != "accept-ranges"}))


def not_satisfiable(exchange: Exchange) -> None:
    exchange.send(Reply(416, {"Content-Range": "bytes */17"}, b""))


def other_range(exchange: Exchange) -> None:
    """
    A part of the file that nobody asked for.
    """
    reply = exchange.ask(Range=None)
    body = reply.body[100:]
    said = {**reply.headers, "Content-Range": f"bytes 100-{len(reply.body) - 1}/{len(reply.body)}"}
    exchange.send(Reply(206, said, body))


def changed_since(exchange: Exchange) -> None:
    """
    The rest of a file that was written anew after its beginning had come: as long, and other bytes.
    """
    reply = exchange.ask()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600))
    exchange.send(Reply(reply.status, {**reply.headers, "last-modified": date}, damaged(reply.body)))


# Replies of the CGIs


def text(change: Callable[[bytes], bytes]) -> Fault:
    def act(exchange: Exchange) -> None:
        reply = exchange.ask()
        exchange.send(replace(reply, body=change(reply.body)))

    return act


def says(*, asked: bool = False, **members: object) -> Fault:
    """
    A reply of the site's, but with other members; ``asked`` says whether the site hears of the request.
    """

    def act(exchange: Exchange) -> None:
        reply = json.loads(exchange.ask().body) if asked else {}
        exchange.send(Reply(200, {"Content-Type": "application/json"}, json.dumps({**reply, **members}).encode()))

    return act


def busy_with_own(exchange: Exchange) -> None:
    """
    The site took the request and then says that it is busy with it.
    """
    own = json.loads(exchange.ask().body).get("requestid", "")
    busy(own)(exchange)


def busy(*identifiers: str) -> Fault:
    words = (
        f"User solar@example.com has 1 pending export requests ({', '.join(identifiers)}); please wait until at least "
    )
    if not identifiers:
        words = "There are too many requests from 127.0.0.1; please wait until at least "
    return says(status=7, error=f"{words}one request has completed before submitting a new one.")
