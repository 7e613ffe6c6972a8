// Django's admin lets jQuery turn strings into HTML. Here that HTML is sanitised first, whatever
// its origin: no scripts, no event handlers, no URLs that run code.
(() => {
  if (!globalThis.trustedTypes) return;
  const RUNS = /^(script|iframe|object|embed|base|meta|link|style|frame|template|noscript)$/i;
  const asIs = trustedTypes.createPolicy("nextvoice-admin", { createHTML: (html) => html });

  function clean(html) {
    const inert = document.implementation.createHTMLDocument("");
    inert.body.innerHTML = asIs.createHTML(html);
    for (const element of [...inert.body.querySelectorAll("*")]) {
      if (RUNS.test(element.localName)) element.remove();
      for (const { name, value } of [...element.attributes]) {
        const address = value.replace(/[\u0000-\u0020]+/g, "");
        if (/^on/i.test(name) || name === "srcdoc" || /^(javascript|data|vbscript):/i.test(address)) {
          element.removeAttribute(name);
        }
      }
    }
    return inert.body.innerHTML;
  }

  // Harmless HTML is passed as it is: table rows, for example, would be lost if they were parsed
  // outside a table.
  trustedTypes.createPolicy("default", {
    createHTML: (html) => (/\bon|script|srcdoc|data:|<(iframe|object|embed|base|meta|link|style|frame)/i.test(html) ? clean(html) : html),
  });
})();
