// Elements without ceremony. Nothing here takes HTML from a text.

/** element("a", {href: "#x", class: "y"}, "text", child, [more]): null and false children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

/** The inline part of Markdown that the document uses: `code` and **strong**. */
export function inline(text = "") {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return element("strong", {}, part.slice(2, -2));
    return part;
  });
}

/** Paragraphs and lists of "- " lines. */
export function prose(text = "") {
  return text.split("\n\n").map((block) => {
    if (!block.startsWith("- ")) return element("p", {}, inline(block));
    const items = block.split(/^- /m).filter(Boolean);
    return element("ul", {}, items.map((item) => element("li", {}, inline(item.trim()))));
  });
}

/** A block of code that the keyboard can scroll. */
export function code(text, label) {
  return element("pre", {tabindex: "0", role: "region", "aria-label": label}, element("code", {}, text));
}

export function badge(text, kind) {
  return element("span", {class: `badge ${kind}`}, text);
}

/** Of a status: "2", "4" ... for its colour. */
export function statusBadge(status) {
  return badge(status, `status-${String(status)[0]}`);
}
