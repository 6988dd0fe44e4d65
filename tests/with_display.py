"""Run a command on a screen: the one that is there, or a virtual one.

    python tests/with_display.py pytest

The tests of the plugin open real windows. On Linux without a screen that takes
Xvfb and a few libraries of the system; on Debian and Ubuntu, and as root, they
are installed here, otherwise the line to type is printed. Windows and macOS
always have a screen.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = [
    *("xvfb", "xauth", "libgl1", "libegl1", "libopengl0", "libgl1-mesa-dri", "libdbus-1-3", "libxkbcommon-x11-0"),
    *("libxcb-cursor0", "libxcb-icccm4", "libxcb-image0", "libxcb-keysyms1", "libxcb-render-util0"),
    *("libxcb-shape0", "libxcb-xinerama0"),
]
SCREEN = "-screen 0 1600x1000x24"


def main(command: list[str]) -> int:
    """Run the command; its exit status is ours."""
    if sys.platform != "linux" or os.environ.get("DISPLAY"):
        return subprocess.call(command)
    missing = _missing()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing a virtual screen: {' '.join(missing)}", flush=True)
        _install(missing)
        missing = _missing()
    if missing:
        print(f"A virtual screen is missing. Install it with\n\n    sudo apt-get install {' '.join(PACKAGES)}\n")
        return 1
    return subprocess.call(["xvfb-run", "--auto-servernum", f"--server-args={SCREEN}", *command])


def _missing() -> list[str]:
    if not shutil.which("dpkg-query"):  # another kind of Linux, with other names: only the program can be looked for
        return [] if shutil.which("xvfb-run") else ["xvfb"]
    return [name for name in PACKAGES if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Status}", package], capture_output=True, text=True)
    return asked.stdout.startswith("install ok installed")


def _install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", *packages], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
