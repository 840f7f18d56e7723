"""As much of C++ as tidy.py needs: code without comments, includes, and functions' sizes."""

import re

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\\\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def code_of(text):
    """`text` with comments and the contents of literals blanked; every place stays the same."""

    def blank(match):
        token = match.group()
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]

    return TOKEN.sub(blank, text)


def includes(text, opening):
    """(line, target) of each #include written with `opening`: '"' or '<'."""
    closing = ">" if opening == "<" else '"'
    return [
        (number, match.group(1))
        for number, line in enumerate(text.split("\n"), 1)
        for match in [re.match(rf"\s*#\s*include\s*{opening}([^{closing}]+){closing}", line)]
        if match
    ]


def functions(text):
    """(name, line of its opening brace, lines of the body) of each outermost function body.

    Braces are told apart by what stands before them since the last statement: a type or a
    namespace, a parameter list, or an initializer, after whose end the statement goes on.
    """
    code = re.sub(
        r"^[ \t]*#(?:\\\n|[^\n])*",
        lambda m: re.sub(r"[^\n]", " ", m.group()),
        code_of(text),
        flags=re.MULTILINE,
    )
    found, stack, head, line = [], [], "", 1
    for char in code:
        line += char == "\n"
        if char == "{":
            stack.append((kind_of(head), head, line))
            head = ""
        elif char == "}" and stack:
            kind, before, first = stack.pop()
            inside = any(outer == "function" for outer, _, _ in stack)
            if kind == "function" and not inside:
                found.append((name_of(before), first, max(0, line - first - 1)))
            head = before + "{}" if kind == "initializer" else ""
        elif char == ";" and head.count("(") <= head.count(")"):
            head = ""
        else:
            head += char
    return found


def kind_of(head):
    head = re.sub(r"\s+", " ", head).strip()
    head = re.sub(r"^(?:public|private|protected) ?: ?", "", head)
    if re.match(
        r"(?:template ?<.*> ?)?(?:inline )?(?:namespace|class|struct|enum|union|extern)\b", head
    ) and not re.search(r"\) ?(?:const|noexcept|override)? ?$", head):
        return "type"
    head = re.sub(
        r"(?: ?\b(?:const|noexcept|override|final|mutable|try)\b| ?&+)+$", "", head
    ).strip()
    head = re.sub(r"\)[^()]*-> ?[^()]+$", ")", head)
    if head.endswith(")") and head.count("(") == head.count(")"):
        return "function"
    if head.endswith("}") and re.search(r"\) ?(?:noexcept ?)?: ", head):
        return "function"
    return "initializer" if head else "type"


def name_of(head):
    match = re.search(r"([\w:~]+|operator\s*\S+)\s*\(", head)
    return match.group(1) if match else "a lambda"
