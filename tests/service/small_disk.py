"""A disk that is soon full: a small tmpfs, with a file of ballast that takes the room and gives it back."""
import os, subprocess, sys, tempfile
from kit import Skip


class Small:
    """A file system of some MiB; needs the right to mount, of root or in a namespace of its own: may_mount."""

    def __init__(self, mib, options=""):
        self.at = tempfile.mkdtemp(prefix="upjob-small-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m{options}", "tmpfs", self.at], capture_output=True).returncode != 0:
            os.rmdir(self.at)
            raise Skip("nothing can be mounted here")
        self.ballast = os.path.join(self.at, "ballast")

    def fill(self, leave=0):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
            file.truncate(max(0, file.tell() - leave))

    def empty(self):
        os.unlink(self.ballast)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        subprocess.run(["umount", "-l", self.at], check=True)
        os.rmdir(self.at)


def may_mount():
    """To be called first: runs the program again in a namespace where it may mount, unless it is root."""
    if os.geteuid() != 0 and "--inside" not in sys.argv and subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode == 0:
        os.execvp("unshare", ["unshare", "-Urm", sys.executable, *sys.argv, "--inside"])
