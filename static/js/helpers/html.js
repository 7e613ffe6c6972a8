// The only place where HTML from the server becomes part of the page. The browser enforces this:
// with `require-trusted-types-for` it refuses strings as HTML everywhere else.

const policy = globalThis.trustedTypes?.createPolicy("nextvoice", { createHTML: (html) => html });

/** Nodes from HTML that the server has sanitised (chats/markdown.py); never use it for others. */
export function nodesOf(safeHtml) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(safeHtml) : safeHtml;
  return template.content;
}
