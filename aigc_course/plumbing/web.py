"""What an address sends, bounded in bytes and in time; each thing that goes wrong in its own words, with its remedy."""

import io
import threading
import time
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, Any

from aigc_course.plumbing.settings import public

SLOWEST = 4_000  # bytes per second: a server slower than this has stalled


class Trouble(Exception):
    """What an address or a file did, in words that follow its name; whether asking again may help; a remedy, or ""."""

    def __init__(self, text: str, again: bool = True, remedy: str = ""):
        printable = "".join(letter if letter.isprintable() else " " for letter in text)  # it may quote a server
        super().__init__(" ".join(printable.split())[:300])
        self.again, self.remedy, self.where = again, remedy, ""
        self.reply: Any = None  # what a server that refused sent: a requests.Response


def ask(
    url: str, most: int, silence: float, told: Callable[[int], object] = lambda n_bytes: None,
    into: IO[bytes] | None = None, auth: Any = None,
) -> tuple[bytes, str]:  # fmt: skip
    """What url sends, cut a little after `most` bytes, and its Content-Encoding; Trouble where it sends nothing of use.

    In each `silence` seconds, the first included, SLOWEST bytes a second must come, or all: whatever takes the time (a
    name server, headers that drip), this returns. told: called again and again with the number of bytes so far; what it
    raises ends this. into: a file for the content, which is not returned then. auth: as requests takes it.
    """
    import requests

    content, n_bytes, result, given_up = bytearray(), [0], [], threading.Event()

    def unread(reply: Any, **_: Any) -> None:
        if reply.is_redirect:  # what comes with it may have no end
            reply.close()
            reply.raw = io.BytesIO()

    def read() -> None:
        try:
            limits, headers = (min(silence, 5), silence), {"Accept-Encoding": "identity"}
            options = {"stream": True, "timeout": limits, "headers": headers, "auth": auth}
            with requests.get(url, hooks={"response": unread}, **options) as reply:
                reply.raise_for_status()
                reply.raw.enforce_content_length = False  # a short file is reported by what it lacks
                while not given_up.is_set() and (chunk := reply.raw.read1(1 << 16, decode_content=False)):
                    (into.write if into else content.extend)(chunk)
                    n_bytes[0] += len(chunk)
                    if n_bytes[0] > most:
                        break
                result.append(reply.headers.get("Content-Encoding", "").lower())
        except Exception as error:
            disk = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
            result.append(error if disk and into else _trouble(error, url, silence))
            result[0].reply = getattr(error, "response", None)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    n_before, since, alive = 0, time.monotonic(), True
    try:
        while alive:
            thread.join(0.1)
            alive = thread.is_alive()
            told(n_bytes[0])  # once more when all has come
            if alive and time.monotonic() - since > silence:
                if (n_new := n_bytes[0] - n_before) < SLOWEST * silence:
                    what = f"only {n_new:,} bytes" if n_new else "nothing"
                    raise Trouble(f"stalled: {what} came in {silence:g} s")
                n_before, since = n_bytes[0], time.monotonic()
    finally:
        given_up.set()
    if isinstance(result[0], Exception):
        raise result[0]
    return bytes(content), result[0]


def _trouble(error: Exception, url: str, silence: float) -> Trouble:
    """What requests raised, in words."""
    import requests
    import urllib3

    socks = "SOCKS" in str(error) and "it is one of SOCKS, which needs: python -m pip install pysocks"
    odd = socks or (isinstance(error, requests.exceptions.InvalidProxyURL) and "it is no address")
    if isinstance(error, ValueError) and not odd:  # its own words may hold a password
        return Trouble("is no address that can be asked", again=False)
    if isinstance(error, requests.exceptions.SSLError):
        remedy = "set REQUESTS_CA_BUNDLE to your network's certificates, or correct the clock"
        return Trouble(f"has a certificate that is not trusted ({cause(error)})", False, remedy)
    code = error.response.status_code if isinstance(error, requests.HTTPError) else 0
    proxy = public(requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)) or "")
    if proxy and (odd or code == 407 or isinstance(error, requests.exceptions.ProxyError | requests.ConnectTimeout)):
        why = odd or ("it wants a password" if code else cause(error))
        remedy = "correct or unset HTTP_PROXY and HTTPS_PROXY, or name the server in NO_PROXY"
        return Trouble(f"was not reached, because the proxy {proxy} is of no use ({why})", False, remedy)
    way = f" through the proxy {proxy}" if proxy else ""
    if code:
        phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "a code that HTTP does not know"
        later = error.response.headers.get("Retry-After", "")
        wait = f"; it wants no more questions for {later} s" if later else ""
        return Trouble(f"answered {code} ({phrase}{wait}){way}", not later and (code >= 500 or code == 429))
    if isinstance(error, requests.ConnectTimeout):
        return Trouble(f"did not answer within {min(silence, 5):g} s", again=False)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return Trouble(f"stalled: nothing came in {silence:g} s{way}")
    return Trouble(f"could not be read ({cause(error)}){way}")


def cause(error: BaseException) -> str:
    """The innermost words of an error: "Connection refused"."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__


def unzip(content: bytes, most: int) -> bytes:
    """What a gzip file holds; Trouble where it is broken, or holds more than `most` bytes: a few can hold gigabytes."""
    reader = zlib.decompressobj(wbits=47)  # gzip or zlib
    try:
        found = reader.decompress(content, most + 1)
    except zlib.error as error:
        raise Trouble(f"is no gzip file ({error})") from None
    if len(found) > most or not reader.eof:
        raise Trouble(f"holds more than {most:,} bytes" if len(found) > most else "is a gzip file without its end")
    return found
