"""Fetching a file from a server that may be broken, slow or hostile."""

import time
from pathlib import Path
from typing import Any

MAX_BYTES = 4 << 30
"""Bytes of a file that is fetched; the largest models of the zoo have 2.5 billion."""
MAX_SECONDS = 2 * 3600
"""Seconds that fetching a file takes at most."""
SLOWEST = 1024
"""Bytes a second, on average, below which a server is given up after :data:`PATIENCE` seconds."""
PATIENCE = 60
TIMEOUT = 30
"""Seconds to wait for a connection, or for the next bytes."""

_BLOCK = 1 << 16


class DownloadError(Exception):
    """Why a file was not fetched; the end of a sentence."""


class BoundedDownloader:
    """What pooch fetches with: no more bytes than were declared or are sane, and no longer than is sane.

    Parameters
    ----------
    progress : object
        With ``total``, ``update(n)``, ``reset()`` and ``close()``; False for none.
    """

    def __init__(self, progress: Any = False) -> None:
        self._progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch a file over http or https; redirects to anything else are not followed.

        Raises
        ------
        DownloadError
            If the server cannot be reached, says no, sends too much, too little, or too slowly.
        OSError
            If the file cannot be written.
        """
        import requests
        import urllib3

        with Path(output_file).open("wb") as file:
            try:
                with requests.get(url, stream=True, timeout=TIMEOUT) as response:
                    response.raise_for_status()
                    blocks = _blocks(response)
                    while True:
                        block = next(blocks, b"")
                        if not block:
                            break
                        _write(file, block)
                        if self._progress:
                            self._progress.total = _declared(response) or 0
                            self._progress.update(len(block))
            except _NotWritten as error:
                raise error.reason from None
            # A server chooses what it answers: ValueError is what addresses and lengths that are none come to.
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise DownloadError(str(error)[:300]) from error
        if self._progress:
            self._progress.close()


class _NotWritten(Exception):
    def __init__(self, reason: OSError) -> None:
        super().__init__()
        self.reason = reason


def _write(file: Any, block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise _NotWritten(error) from error


def _blocks(response: Any) -> Any:
    """What a server sends, as it comes."""
    declared = _declared(response)
    if declared is not None and declared > MAX_BYTES:
        raise DownloadError(f"it announces {declared} bytes, and no more than {MAX_BYTES} are fetched")
    encoded = response.headers.get("content-encoding", "identity").lower() != "identity"
    most = MAX_BYTES if declared is None or encoded else declared
    began, received = time.monotonic(), 0
    while block := response.raw.read1(_BLOCK, decode_content=True):
        received += len(block)
        lasted = time.monotonic() - began
        if received > most:
            raise DownloadError(f"it sends more than {most} bytes")
        if lasted > MAX_SECONDS or (lasted > PATIENCE and received < SLOWEST * lasted):
            raise DownloadError(f"it sent {received} bytes in {lasted:.0f} seconds")
        yield block
    if declared is not None and not encoded and received < declared:
        raise DownloadError(f"it sent {received} of {declared} bytes")


def _declared(response: Any) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
