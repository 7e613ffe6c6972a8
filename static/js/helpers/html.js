// The one place where HTML from the server becomes part of the page. The browser holds us to it:
// `require-trusted-types-for` refuses text as HTML from anywhere else.

const policy = globalThis.trustedTypes?.createPolicy("nextvoice", { createHTML: (html) => html });

/** Nodes of HTML that the server has made safe (chats/markdown.py); never of anything else. */
export function nodesOf(safeHtml) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(safeHtml) : safeHtml;
  return template.content;
}
