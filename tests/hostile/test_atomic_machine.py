"""Any order of writing, failing, killing and sweeping leaves each name with what was last written to it, whole."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from napari_grd.errors import OutputError
from napari_grd.io import atomic, leftovers
from napari_grd.io.atomic import atomic_folder, atomic_path, atomic_paths
from napari_grd.io.leftovers import sweep_now

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked")

FILES = ["a.txt", "b.txt", "ä b.ome.tif", "n" * 251 + ".txt", "no suffix"]
FOLDERS = ["a.zarr", "f" * 255]
MODES = [0o600, 0o640, 0o644]


class AtomicWrites(RuleBasedStateMachine):
    """What should be there is kept beside what is."""

    @initialize(exchange=st.booleans())
    def begin(self, exchange: bool) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.expected: dict[str, str] = {}
        self.modes: dict[str, int] = {}
        self.count = 0
        self.exchange = exchange
        (self.folder / "theirs").mkdir()
        (self.folder / "theirs" / ".grd-tmp-notes").write_text("mine")

    def content(self) -> str:
        self.count += 1
        return str(self.count) * (1 + self.count % 3)

    def forked(self, write: Callable[[], None], dies_at: int) -> None:
        """Write in a process that is killed at one of its calls that change names."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        left = dies_at

        def step() -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), 9)
            left -= 1

        for name in ("replace", "rename", "unlink", "mkdir", "touch"):
            call = getattr(Path, name)

            def around(*given: object, _call: object = call, **named: object) -> object:
                step()
                return _call(*given, **named)  # type: ignore[operator]

            setattr(Path, name, around)
        try:
            write()
        finally:
            os._exit(0)

    def settled(self, names: list[str], text: str) -> None:
        """After a kill: all of the old ones or all of the new ones."""
        sweep_now(self.folder)
        found = {name: self.read(name) for name in names}
        old = {name: self.expected.get(name) for name in names}
        assert found in (old, dict.fromkeys(names, text))
        for name, is_now in found.items():
            if is_now is not None:
                self.expected[name] = is_now

    def read(self, name: str) -> str | None:
        path = self.folder / name
        if path.is_dir():
            path = path / "content"
        return path.read_text() if path.exists() else None

    @rule(name=st.sampled_from(FILES))
    def write(self, name: str) -> None:
        text = self.content()
        with atomic_path(self.folder / name) as temporary:
            temporary.write_text(text)
        self.expected[name] = text

    @rule(names=st.lists(st.sampled_from(FILES), min_size=2, max_size=3, unique=True), opened=st.booleans())
    def write_together(self, names: list[str], opened: bool) -> None:
        text = self.content()
        with atomic_paths(*(self.folder / name for name in names), opened=opened) as temporaries:
            for temporary in temporaries:
                temporary.write_text(text)
        self.expected |= dict.fromkeys(names, text)

    @rule(name=st.sampled_from(FOLDERS))
    def write_folder(self, name: str) -> None:
        text = self.content()
        self.fill_folder(name, text)
        self.expected[name] = text

    def fill_folder(self, name: str, text: str) -> None:
        exchange = atomic._exchange
        if not self.exchange:
            atomic._exchange = lambda *_: False
        try:
            with atomic_folder(self.folder / name, replace=True) as temporary:
                (temporary / "content").write_text(text)
        finally:
            atomic._exchange = exchange

    @rule(name=st.sampled_from(FILES), mode=st.sampled_from(MODES))
    def set_mode(self, name: str, mode: int) -> None:
        if name in self.expected:
            (self.folder / name).chmod(mode)
            self.modes[name] = mode

    @rule(name=st.sampled_from(FILES))
    def fail(self, name: str) -> None:
        try:
            with atomic_path(self.folder / name) as temporary:
                temporary.write_text("half")
                raise OSError(28, "No space left on device")
        except OutputError:
            return
        raise AssertionError("no error")

    @rule(name=st.sampled_from(FILES))
    def protect(self, name: str) -> None:
        if name not in self.expected:
            return
        mode = (self.folder / name).stat().st_mode
        (self.folder / name).chmod(0o444)
        with pytest.raises(OutputError, match="write-protected"), atomic_path(self.folder / name):
            raise AssertionError("the block has run")
        (self.folder / name).chmod(mode)

    @rule(names=st.lists(st.sampled_from(FILES), min_size=1, max_size=3, unique=True), at=st.integers(0, 14))
    def kill(self, names: list[str], at: int) -> None:
        text = self.content()

        def write() -> None:
            with atomic_paths(*(self.folder / name for name in names)) as temporaries:
                for temporary in temporaries:
                    temporary.write_text(text)

        self.forked(write, at)
        self.settled(names, text)

    @rule(name=st.sampled_from(FOLDERS), at=st.integers(0, 10))
    def kill_folder(self, name: str, at: int) -> None:
        text = self.content()
        self.forked(lambda: self.fill_folder(name, text), at)
        self.settled([name], text)

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        if not hasattr(self, "folder"):
            return
        assert {name: self.read(name) for name in self.expected} == self.expected
        assert {path.name for path in self.folder.iterdir()} == {*self.expected, "theirs"}
        assert (self.folder / "theirs" / ".grd-tmp-notes").read_text() == "mine"
        for name, mode in self.modes.items():
            assert (self.folder / name).stat().st_mode & 0o777 == mode

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            leftovers._swept.pop(self.folder, None)
            shutil.rmtree(self.folder)


def test_any_order_of_writes(hostile_long: bool) -> None:
    examples, steps = (300, 50) if hostile_long else (6, 15)
    run_state_machine_as_test(
        AtomicWrites, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )
