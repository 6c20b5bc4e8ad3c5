"""Pack the function for Lambda: zip_function.py ZIP PROGRAM LIBRARY...

All files lie side by side. Their times are left out, so that the same files make the same zip, and a
deployment without a change changes nothing.
"""

import stat
import sys
import zipfile
from pathlib import Path

EXECUTABLE = stat.S_IFREG | 0o755


def main(target: Path, files: list[Path]) -> None:
    with zipfile.ZipFile(target, "w") as package:
        for file in files:
            entry = zipfile.ZipInfo(file.name)
            entry.external_attr = EXECUTABLE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(file) for file in sys.argv[2:]])
