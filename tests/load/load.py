"""What the tests of many messages share: how many there are to be, and the peak memory of what is run."""
import itertools
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "cli"))
from support import Case

MESSAGES = int(os.environ.get("MESSAGES", 200))
SANITIZED = "PILLARBOX_SANITIZE" in os.environ     # then memory says nothing
PATIENCE = 600


class LoadCase(Case):
    numbers = itertools.count()

    def metered(self, name, *words, **more):
        """What was run, as run_as gives it, and its peak memory in KiB."""
        file = self.folder / f"peak{next(self.numbers)}"
        run = subprocess.run([sys.executable, "-I", "-S", HERE / "meter.py", file, self.bin / name, *map(str, words)], capture_output=True,
                             timeout=PATIENCE, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, check=False, **more)
        return run, int(file.read_text())

    def assert_flat(self, few, many, growth):
        """Peaks in KiB."""
        print(f"peak memory: {few} KiB with few, {many} KiB with {MESSAGES} messages")
        if not SANITIZED:
            self.assertLess(many - few, growth)
