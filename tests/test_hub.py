"""Models at addresses of the user's, fetched from a server in this process."""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import napari_grd.api as grd
from napari_grd.errors import ModelFileError
from napari_grd.hub import VARIABLE, builtin_paths, fetch_model, list_path, remote_models, resolve_model
from napari_grd.io import download

STUDENT = builtin_paths()["nuclei"]
SHA = hashlib.sha256(STUDENT.read_bytes()).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An address under which the built-in models lie."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(STUDENT.parent)))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty list of models; what is fetched goes below the test's folder."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.txt"))
    monkeypatch.setattr("napari_grd.hub.user_data_path", lambda *_, **__: tmp_path / "data")
    return tmp_path / "models.txt"


def test_without_a_list_there_is_none(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote_models() == {}
    with pytest.raises(ModelFileError, match="no model named 'mine'"):
        fetch_model("mine")
    monkeypatch.delenv(VARIABLE)
    assert list_path().name == "models.txt"


def test_a_model_is_fetched_when_asked_for_and_then_has_a_name(listed: Path, server: str) -> None:
    listed.write_text(f"# ours\n\nmine {SHA.upper()} {server}/{STUDENT.name}\n")
    assert not remote_models()["mine"].here
    with pytest.raises(ModelFileError, match=r"was not fetched from http.*Run: napari-grd fetch mine"):
        grd.load_model("mine")
    path = grd.fetch_model("mine")
    assert path.read_bytes() == STUDENT.read_bytes()
    assert resolve_model("mine") == path
    listed.write_text(f"mine {SHA} http://127.0.0.1:9/gone")
    assert fetch_model("mine") == path, "what is here is not fetched again"


def test_another_file_than_the_listed_one_is_not_kept(listed: Path, server: str) -> None:
    listed.write_text(f"mine {'0' * 64} {server}/{STUDENT.name}")
    with pytest.raises(ModelFileError, match="does not have the checksum"):
        fetch_model("mine")
    assert not [path for path in listed.parent.rglob("*") if path.is_file() and path != listed]


@pytest.mark.parametrize("address", ["{server}/nothing", "http://127.0.0.1:9/model"])
def test_what_cannot_be_reached_is_said(listed: Path, server: str, address: str) -> None:
    listed.write_text(f"mine {SHA} {address.format(server=server)}")
    with pytest.raises(ModelFileError, match=r"cannot be reached .*Try again"):
        fetch_model("mine")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mine", "1 words in line 1"),
        ("mine 12ab https://a.example/m", "not a SHA-256"),
        (f"mine {SHA} file:///etc/passwd", "is not an address"),
        (f"../mine {SHA} https://a.example/m", "invalid characters"),
        (f"nuclei {SHA} https://a.example/m", "is taken"),
        (f"a {SHA} https://a.example/m\na {SHA} https://a.example/m", "line 2"),
        ("\udcff", "cannot be read"),
        (f"a {SHA} http://[::1/x", "is not an address"),
        (f"a {SHA} http://a:b/x", "is not an address"),
        (f"a {SHA} http://:80/x", "is not an address"),
        (f"{'a' * 300} {SHA} https://a.example/m", "too long"),
        ("#" * (2 << 20), "longer than"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(listed: Path, line: str, words: str) -> None:
    listed.write_bytes(line.encode(errors="surrogateescape"))
    with pytest.raises(ModelFileError, match=words):
        remote_models()


ANSWERS = {
    "endless": b"HTTP/1.1 200 OK\r\n\r\n",
    "endless chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "nothing": b"",
    "rubbish": bytes(range(256)) * 20,
    "another scheme": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "bad redirect": b"HTTP/1.1 302 Found\r\nLocation: http://[::1/x\r\nContent-Length: 0\r\n\r\n",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "drip": b"HTTP/1.1 200 OK\r\n\r\n",
    "drip of a header": b"HTTP/1.1 200 OK\r\nServer: ",
    "drip of a status": b"HTTP/1.1 200 ",
    "drip of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    "drip of a redirect": b"HTTP/1.1 302 Found\r\nLocation: /",
}


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers anything with the bytes that the test names, and then has no end or hangs up."""
    name = request.param
    closing = threading.Event()

    def serve() -> None:
        while not closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(ANSWERS[name])
                while name.startswith("endless") and not closing.is_set():
                    connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n" if "chunks" in name else bytes(65536))
                while name.startswith("drip") and not closing.wait(0.05):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/model"
        closing.set()
        listener.close()
        thread.join()


@pytest.mark.parametrize("answering", ANSWERS, indirect=True)
def test_whatever_a_server_answers_ends_soon(listed: Path, answering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(download, "PATIENCE", 1)
    listed.write_text(f"mine {SHA} {answering}")
    began = time.monotonic()
    with pytest.raises(ModelFileError, match=r"cannot be reached|does not have the checksum"):
        fetch_model("mine")
    assert time.monotonic() - began < 8
    assert not [path for path in listed.parent.rglob("*") if path.is_file() and path != listed]
