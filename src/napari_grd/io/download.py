"""Downloading a file from a server that may be broken, slow or hostile."""

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_BYTES = 4 << 30
"""Maximum size of a file in bytes; the largest models of the zoo have 2.5 billion."""
MAX_SECONDS = 2 * 3600
"""Maximum time of a download in seconds."""
SLOWEST = 1024
"""Minimum average rate in bytes per second; a slower download is aborted after :data:`PATIENCE` seconds."""
PATIENCE = 60
TIMEOUT = 30
"""Seconds to wait for a connection, or for the next bytes."""

_BLOCK = 1 << 16


class DownloadError(Exception):
    """Why a file was not downloaded; the end of a sentence."""


class BoundedDownloader:
    """A downloader for pooch with limits of size and time.

    Parameters
    ----------
    progress : object
        With ``total``, ``update(n)``, ``reset()`` and ``close()``; False for none.
    """

    def __init__(self, progress: Any = False) -> None:
        self._progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download a file over http or https; redirects to other protocols are not followed.

        Raises
        ------
        DownloadError
            If the server cannot be reached, refuses, sends too much, too little, or too slowly.
        OSError
            If the file cannot be written.
        """
        connection = _Connection(url)
        try:
            with Path(output_file).open("wb") as file:
                for block in connection.blocks():
                    file.write(block)
                    if self._progress:
                        self._progress.total = connection.declared or 0
                        self._progress.update(len(block))
        finally:
            connection.abandon()
        if self._progress:
            self._progress.close()


class _Connection:
    """Reads from a server in a thread of its own.

    A server that sends occasional bytes, of its header or of a redirect, can block a reader beyond any socket timeout.
    Therefore the reader is a thread that is abandoned at the time limit.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._received: queue.Queue[bytes | Exception] = queue.Queue(maxsize=16)
        self._abandoned = threading.Event()
        self.declared: int | None = None

    def blocks(self) -> Iterator[bytes]:
        """The received chunks."""
        threading.Thread(target=self._run, name="download", daemon=True).start()
        began, received = time.monotonic(), 0
        while True:
            lasted = time.monotonic() - began
            end = min(MAX_SECONDS, max(PATIENCE, received / SLOWEST))
            try:
                block = self._received.get(timeout=max(end - lasted, 0.001))
            except queue.Empty:
                raise DownloadError(f"it sent {received} bytes in {time.monotonic() - began:.0f} seconds") from None
            if isinstance(block, Exception):
                raise DownloadError(str(block)[:300] or type(block).__name__) from block
            if not block:
                return
            received += len(block)
            yield block
            if lasted > end:  # data arrive, but too slowly
                raise DownloadError(f"it sent {received} bytes in {lasted:.0f} seconds")

    def abandon(self) -> None:
        """Request the thread to end."""
        self._abandoned.set()

    def _run(self) -> None:
        import requests

        try:
            with requests.get(self._url, stream=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                for block in self._read(response):
                    self._put(block)
                    if self._abandoned.is_set():
                        return
            self._put(b"")
        except Exception as error:  # a malformed answer can raise any error
            self._put(error)

    def _put(self, block: bytes | Exception) -> None:
        while not self._abandoned.is_set():
            try:
                return self._received.put(block, timeout=1)
            except queue.Full:
                continue

    def _read(self, response: Any) -> Iterator[bytes]:
        self.declared = declared = _declared(response)
        if declared is not None and declared > MAX_BYTES:
            raise DownloadError(f"it announces {declared} bytes, but at most {MAX_BYTES} are downloaded")
        encoded = response.headers.get("content-encoding", "identity").lower() != "identity"
        most = MAX_BYTES if declared is None or encoded else declared
        received = 0
        while block := response.raw.read1(_BLOCK, decode_content=True):
            received += len(block)
            if received > most:
                raise DownloadError(f"it sends more than {most} bytes")
            yield block
        if declared is not None and not encoded and received < declared:
            raise DownloadError(f"it sent {received} of {declared} bytes")


def _declared(response: Any) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
