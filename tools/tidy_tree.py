"""The project's files as tidy.py sees them: what git tracks or would track, each read once."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import tidy_cpp

# Written by people as text; of the rest (corpora, data, images) every byte is its own business.
PROSE = re.compile(
    r".*\.(h|cc|py|sh|sql|cmake|md|toml|yml|yaml|js|css|html|json|service)|"
    r"(.*/)?(CMakeLists\.txt|Dockerfile|LICENSE|run|\.clang-format|\.clang-tidy|\.gitignore)"
)
DATA = re.compile(r"tests/fuzz/corpus/|(.*/)?(data|fixtures)/")


class Finding(NamedTuple):
    path: str
    line: int
    message: str
    check: str = ""


class Tree:
    def __init__(self, files, committed=None):
        """`files`: path -> text; `committed`: the same of the last commit, as far as it matters."""
        self._files = files
        self._committed = committed or {}
        self._code = {}
        self._includers = None

    @classmethod
    def of_folder(cls, root):
        files = {}
        for path in sorted(listed(root)):
            data = (root / path).read_bytes() if (root / path).is_file() else None
            if data is not None:
                files[path] = data.decode("utf-8", errors="replace")
        exceptions = "tools/tidy_exceptions.txt"
        return cls(files, {exceptions: git(root, "show", f"HEAD:{exceptions}") or ""})

    def paths(self):
        return self._files.keys()

    def match(self, pattern):
        """The paths that match as a whole."""
        compiled = re.compile(pattern)
        return [path for path in self._files if compiled.fullmatch(path)]

    def prose(self):
        return [path for path in self._files if PROSE.fullmatch(path) and not DATA.match(path)]

    def text(self, path):
        """Empty for a file that is not there."""
        return self._files.get(path, "")

    def lines(self, path):
        return (
            self.text(path).split("\n")[:-1]
            if self.text(path).endswith("\n")
            else self.text(path).split("\n")
            if self.text(path)
            else []
        )

    def code(self, path):
        """A C++ file without comments and the contents of strings."""
        if path not in self._code:
            self._code[path] = tidy_cpp.code_of(self.text(path))
        return self._code[path]

    def line_of(self, path, position):
        return self.text(path).count("\n", 0, position) + 1

    def includers(self, header):
        """The files that include `header`, by way of others too, sorted."""
        if self._includers is None:
            self._includers = {}
            for path in self.match(r".*\.(h|cc)"):
                for _, target in tidy_cpp.includes(self.text(path), '"'):
                    self._includers.setdefault(f"src/{target}", set()).add(path)
        reached, todo = set(), [header]
        while todo:
            new = self._includers.get(todo.pop(), set()) - reached
            reached |= new
            todo += new
        return sorted(reached)

    def exists(self, path):
        return path in (".", *self._files) or any(
            name.startswith(path + "/") for name in self._files
        )

    def mentioned(self, path):
        """Whether another file names this one: by its name, or a Python file by its module's."""
        name = Path(path).name
        pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)")
        if name.endswith(".py"):
            pattern = re.compile(
                rf"{pattern.pattern}|^(import|from) {re.escape(name[:-3])}\b", re.MULTILINE
            )
        return any(pattern.search(text) for other, text in self._files.items() if other != path)

    def committed_lines(self, path):
        return len([line for line in self._committed.get(path, "").split("\n") if line.strip()])


def git(root, *arguments):
    """git's answer, or None where there is no git, or no repository."""
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return None


def listed(root):
    """Tracked files and new ones not ignored; without git, all but what a build leaves."""
    names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if names is not None:
        return [name for name in names.split("\0") if name]
    every = (path.relative_to(root) for path in Path(root).rglob("*") if path.is_file())
    left = {"build", ".git", ".ccache", "__pycache__", "tillrace-data"}
    return [path.as_posix() for path in every if not left & set(path.parts)]
