// Elements, and the little of Markdown that descriptions use. Text never becomes markup.

/** An element with attributes and children: nodes, texts, or nothing. Functions are event listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child || child === 0));
  return made;
}

/** A closed part of the page, whose content is made when it is first opened. */
export function unfolding(summary, attributes, content) {
  const made = element("details", attributes, element("summary", {}, summary));
  made.addEventListener("toggle", () => made.open && made.append(...[content()].flat()), { once: true });
  return made;
}

/** Paragraphs and lists of a text, with `code` and **strong** parts. */
export function markdown(text = "") {
  return text.split(/\n{2,}/).map((block) => {
    const lines = block.split("\n");
    if (!lines.every((line) => line.startsWith("- "))) return element("p", {}, inline(lines.join(" ")));
    return element("ul", {}, lines.map((line) => element("li", {}, inline(line.slice(2)))));
  });
}

/** One line of such a text. */
export function inline(text = "") {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    return part.startsWith("**") ? element("strong", {}, part.slice(2, -2)) : part;
  });
}
