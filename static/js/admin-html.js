// Django's admin makes nodes of text, by jQuery. What is written so on its pages is cleaned here
// first: no scripts, no handlers, no addresses that run, whatever the text was made of.
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

  // What has no markup needs no cleaning, and table rows would not survive it outside of a table.
  trustedTypes.createPolicy("default", {
    createHTML: (html) => (/\bon|script|srcdoc|data:|<(iframe|object|embed|base|meta|link|style|frame)/i.test(html) ? clean(html) : html),
  });
})();
