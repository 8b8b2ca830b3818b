"""Files of images that a user names at a shell: patterns to files, files to names."""

import glob
import os
import pathlib
import re

from absl import app


def find(flag, patterns):
    """Return the sorted files that the patterns of a flag mean, each once."""
    if not patterns:
        raise app.UsageError(f"--{flag} is missing.")
    files = {}
    for pattern in patterns:
        path = os.path.expanduser(pattern)
        found = [path] if os.path.isfile(path) else [f for f in glob.glob(path, recursive=True) if os.path.isfile(f)]
        if not found:
            raise ValueError(f"{flag}={pattern!r}: there is no such file.")
        files.update(dict.fromkeys(found))
    return sorted(files)


def labels(files):
    """Return a name for each file, safe as part of a file name, no two the same."""
    seen, found = {}, []
    for file in files:
        name = re.sub(r"[^\w.-]+", "_", pathlib.Path(file).stem) or "image"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found
