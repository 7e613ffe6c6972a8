// The one place where HTML from the server becomes part of the page.

/** Nodes of HTML that the server has made safe (chats/markdown.py); never of anything else. */
export function nodesOf(safeHtml) {
  const template = document.createElement("template");
  template.innerHTML = safeHtml;
  return template.content;
}
