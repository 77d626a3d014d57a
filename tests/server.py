"""A local HTTP server for tests, which misbehaves on request and counts what it is asked."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aigc_course.plumbing import fetch

FAULTS = {
    "404": "answers 404",
    "500": "answers 500",
    "silent": "takes the request and never answers",
    "stall": "sends half of the file, then nothing more, and keeps the connection",
    "drip": "sends a byte every 50 ms",
    "truncate": "promises the whole file, sends half and closes",
    "short": "promises half of the file, and sends that",
    "long": "sends the file and 100 bytes more",
    "alter": "changes one byte in the middle",
    "cut": "resets the connection in the middle",
    "page": "answers 200 with a login page, as captive portals do",
    "gzip": "sends the right bytes and calls the gzip a Content-Encoding",
    "compress": "compresses the file for the way, and says so",
    "bomb": "says that it compresses the file, and sends 20 MB of zeros, compressed",
    "brotli": "says that it compresses in a way that nobody asked for",
    "endless": "sends the file, and goes on for ever, without a length",
    "headers": "sends a header a letter every 50 ms",
    "later": "answers 429 and wants to be asked again in an hour",
    "escape": "answers 404 with a reason that holds a terminal's escape codes",
    "proxy": "answers 407, as a proxy that wants a password",
    "delay": "waits for a second, then serves",
    "redirect": "sends elsewhere, with a body that never ends",
}
BOMB = gzip.compress(bytes(20_000_000))


class Server:
    """Serves `files` {path: content} at `url`, from a thread, in a with block.

    `faults` maps a path, or "*" for all, to a key of FAULTS, or to a list of them for the first requests. `gets` lists
    the paths asked for.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        handler: Callable[[Server], type[BaseHTTPRequestHandler]] | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        self.files = files
        self.faults: dict[str, str | list[str]] = {}
        self.gets: list[str] = []
        self.sent = 0  # bytes of bodies without an end
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), (handler or _handler)(self))
        self._http.daemon_threads = True
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._http.server_port}"
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)

    def __enter__(self) -> Server:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def begin(self, path: str) -> str:
        """Count a request; the fault that it meets, or ""."""
        with self._lock:
            self.gets.append(path)
            fault = self.faults.get(path, self.faults.get("*", ""))
            if isinstance(fault, list):
                fault = fault.pop(0) if fault else ""
        if fault and fault not in FAULTS:
            raise ValueError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
        return fault


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = server.begin(self.path)
            content = server.files.get(self.path)
            half = len(content or b"") // 2
            if fault == "silent":
                server.closing.wait(60)
                return
            if fault == "delay":
                server.closing.wait(1)
            if fault == "headers":
                self.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 1000)
                return
            if fault == "escape":
                self.send_error(404, "\x1b[31mred\x1b[0m \x07" + "long" * 1000)
                return
            if fault == "later":
                self.send_response(429)
                self.send_header("Retry-After", "3600")
                self.end_headers()
                return
            if fault == "redirect":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                while not server.closing.is_set():
                    self.wfile.write(bytes(1_000_000))
                    server.sent += 1_000_000
            if content is None or fault in ("404", "500", "proxy"):
                self.send_error({"500": 500, "proxy": 407}.get(fault, 404))
                return
            if fault == "page":
                content = b"<html>Please log in</html>"
            if fault == "alter":
                content = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
            if fault == "short":
                content = content[:half]
            if fault == "long":
                content += bytes(100)
            if fault in ("compress", "bomb"):
                content = gzip.compress(content) if fault == "compress" else BOMB
            if fault == "brotli":
                content = content[::-1]
            self.send_response(200)
            if fault != "endless":
                self.send_header("Content-Length", str(len(content)))
            if fault in ("gzip", "compress", "bomb", "brotli"):
                self.send_header("Content-Encoding", "br" if fault == "brotli" else "gzip")
            self.end_headers()
            if fault == "drip":
                self.drip(content)
            elif fault == "endless":
                while not server.closing.is_set():
                    self.wfile.write(content)
                    server.sent += len(content)
            elif fault in ("stall", "truncate", "cut"):
                self.wfile.write(content[:half])
                self.wfile.flush()
                if fault == "stall":
                    server.closing.wait(60)
                if fault == "cut":  # closing without lingering sends a reset
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
            else:
                self.wfile.write(content)

        def drip(self, content: bytes) -> None:
            for i in range(len(content)):
                self.wfile.write(content[i : i + 1])
                if server.closing.wait(0.05):
                    return

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # the client has gone, or was cut off

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                pass

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def write_registry(path: Path, url: str, files: dict[str, bytes]) -> None:
    """A registry of a server's files {"/<dataset>/<file>": content}, which lie at url."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(fetch.Row._fields)
        for name, content in files.items():
            _, dataset, file_name = name.split("/")
            digest = hashlib.sha256(content).hexdigest()
            out.writerow([dataset, file_name, len(content), digest, f"{url}{name}", "none", "none"])


def alone_with(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a server the upstream address of its files: no other source, an empty cache in folder, no stand-in."""
    for name in ("AIGC_DATA_MIRROR", "AIGC_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"CACHE": str(folder / "cache"), "STANDIN": "0", "TIMEOUT": "0.5", "QUIET": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AIGC_{name}", value)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in {"PAUSE": 0.01, "used": {}, "unkept": {}, "_failures": set()}.items():
        monkeypatch.setattr(fetch, name, value)
    write_registry(folder / "registry.csv", server.url, server.files)
    monkeypatch.setattr(fetch, "REGISTRY", folder / "registry.csv")
