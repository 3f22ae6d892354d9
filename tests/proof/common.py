"""What the parts share: a copy of the tree, results that are kept, and which lines of src a build with the preset coverage has
run so far."""
import collections
import datetime
import fcntl
import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results.json"


def copy_sources(folder):
    """All that a build reads, in place of what the folder has; newer than whatever was built of it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"), symlinks=True,
                    copy_function=shutil.copy)


def kept(part, otherwise, file=RESULTS):
    """What a part has come to before, on this machine or another."""
    return (json.loads(file.read_text()) if file.exists() else {}).get(part, otherwise)


def keep(part, results, file=RESULTS):
    """Two parts that run at once do not undo each other's."""
    with open(file, "a+", encoding="utf-8") as kept_in:
        fcntl.flock(kept_in, fcntl.LOCK_EX)
        kept_in.seek(0)
        every = json.loads(kept_in.read() or "{}") | {part: results}
        kept_in.truncate(0)
        kept_in.write(json.dumps(every, indent=1, sort_keys=True) + "\n")


def today():
    return datetime.date.today().strftime("%-d %B %Y")


def reset(build):
    for path in Path(build).rglob("*.gcda"):
        path.unlink()


def lines(build):
    """{source below src: {line: how often}}; of a header and of templates, what any of those who include it have run."""
    counts = collections.defaultdict(lambda: collections.defaultdict(int))
    notes = sorted((Path(build) / "src").rglob("*.gcno"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", "--hash-filenames", *map(str, notes)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for path in Path(folder).glob("*.gcov.json.gz"):
            for each in json.loads(gzip.decompress(path.read_bytes()))["files"]:
                source = (Path(build) / each["file"]).resolve() if not Path(each["file"]).is_absolute() else Path(each["file"])
                if source.is_relative_to(ROOT / "src"):
                    name = str(source.relative_to(ROOT / "src"))
                    for line in each["lines"]:
                        counts[name][line["line_number"]] += line["count"]
    return counts


def share(counts):
    """(lines that were run, lines)"""
    return sum(count > 0 for count in counts.values()), len(counts)


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3, 7"."""
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
