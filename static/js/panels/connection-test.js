// Connection test: shows each step as soon as the server has done it. Used on the site and in the
// admin; without JavaScript the form shows the same result on a page of its own.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-connection-test]")) return;
  event.preventDefault();
  new ConnectionTest(form).run();
});

/** One run of the test. */
class ConnectionTest {
  #form;
  #place;
  #list;
  #verdict;
  #button;

  constructor(form) {
    this.#form = form;
    this.#place = form.closest(".connection-test");
    this.#list = this.#place.querySelector("[data-steps]");
    this.#verdict = this.#place.querySelector("[data-verdict]");
    this.#button = form.querySelector("[type=submit]");
  }

  async run() {
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    const fields = new URLSearchParams(new FormData(this.#form));
    this.#begin();
    try {
      const answer = await fetch(this.#form.action, {
        method: "POST",
        headers: { Accept: "application/x-ndjson" },
        body: fields,
      });
      if (answer.ok) await this.#follow(answer);
      else this.#conclude(false, await refusal(answer, this.#form.dataset.lost));
    } catch {
      this.#conclude(false, this.#form.dataset.lost);
    } finally {
      this.#button.removeAttribute("aria-disabled");
      this.#place.removeAttribute("aria-busy");
    }
  }

  #begin() {
    this.#list.replaceChildren();
    this.#list.hidden = false;
    this.#button.setAttribute("aria-disabled", "true");
    this.#place.setAttribute("aria-busy", "true");
    this.#verdict.className = "connection-test__verdict is-running";
    this.#verdict.textContent = this.#form.dataset.running;
  }

  async #follow(answer) {
    let ended = false;
    for await (const line of lines(answer.body)) {
      const told = JSON.parse(line);
      if ("works" in told) {
        ended = true;
        this.#conclude(told.works, told.verdict);
      } else {
        this.#list.append(this.#step(told));
      }
    }
    if (!ended) this.#conclude(false, this.#form.dataset.lost);
  }

  #step(told) {
    const step = this.#place.querySelector("[data-step]").content.firstElementChild.cloneNode(true);
    const part = (name) => step.querySelector(`[data-part=${name}]`);
    step.classList.add(told.ok ? "is-fine" : "is-wrong");
    for (const name of ["label", "detail", "message", "said", "remedy"]) {
      part(name).textContent = told[name];
    }
    part("sign").textContent = told.ok ? part("sign").dataset.fine : part("sign").dataset.wrong;
    part("time").textContent = told.ms === null ? "" : `${told.ms} ms`;
    part("said_line").hidden = !told.said;
    return step;
  }

  #conclude(works, text) {
    this.#verdict.className = `connection-test__verdict ${works ? "is-fine" : "is-wrong"}`;
    this.#verdict.textContent = text;
  }
}

/** The lines of a byte stream, each as soon as it is complete. */
export async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : parts.pop();
    yield* parts.filter((line) => line !== "");
    if (done) return;
  }
}

async function refusal(answer, otherwise) {
  try {
    return (await answer.json()).message ?? otherwise;
  } catch {
    return otherwise;
  }
}
