"""Progress of a long job, step by step, for people: what runs now, and how long each step took."""
import sys
import time


class Steps:
    """Prints one line a finished step: seconds since the start, seconds of the step, its text.

    On a terminal the step that runs is shown too, and is overwritten when it ends.
    """

    def __init__(self, out=sys.stdout):
        self.out = out
        self.begun = self.last = time.monotonic()
        self.tty = out.isatty()

    def _clear(self):
        if self.tty:
            self.out.write("\r\x1b[K")

    def running(self, text):
        if self.tty:
            self._clear()
            self.out.write(f"  {time.monotonic() - self.begun:6.1f} s           … {text}"[:110])
            self.out.flush()

    def done(self, text):
        now = time.monotonic()
        self._clear()
        self.out.write(f"  {now - self.begun:6.1f} s  (+{now - self.last:5.1f})  {text}\n")
        self.out.flush()
        self.last = now

    def note(self, text):
        self._clear()
        self.out.write(f"                     {text}\n")
        self.out.flush()

    def elapsed(self):
        return time.monotonic() - self.begun
