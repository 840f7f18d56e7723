"""docs/erd/README.md is what tools/erd.py draws of a fresh warehouse.

erd.py           the test
erd.py --update  writes it anew
"""

import difflib
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import sandbox  # noqa: E402
import tillrace  # noqa: E402

DRAWING = tillrace.SOURCE / "docs/erd/README.md"


def main():
    with sandbox.Sandbox() as box, tillrace.Up(box) as up:
        up.start()
        command = [sys.executable, "-B", str(tillrace.SOURCE / "tools/erd.py"), up.warehouse_url]
        drawn = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "--update" in sys.argv:
        DRAWING.write_text(drawn, encoding="utf-8")
        return
    kept = DRAWING.read_text(encoding="utf-8")
    changed = list(difflib.unified_diff(kept.splitlines(), drawn.splitlines(), "kept", "drawn"))
    print(f"{drawn.count('{')} tables drawn, {len(changed)} lines differ")
    sys.exit("\n".join(changed) if changed else 0)


if __name__ == "__main__":
    main()
