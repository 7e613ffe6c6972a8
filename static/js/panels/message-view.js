// One message of the thread.

import { find, fromTemplate, setText } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";
import { showTimes } from "../helpers/time.js";
import { showAttachments } from "./attachments-view.js";
import { RecordingPlayer } from "./recording-player.js";
import { toast } from "./toasts.js";
import { showCard } from "./tool-card.js";
import { showFormatted, showWords } from "./words.js";

// What the server has formatted of each answer in Markdown: {html, of: the text it is made of}.
const formatted = new WeakMap();

/** A new message element for something that is being said in the call `call`. */
export function makeMessage(caption, call) {
  const element = fromTemplate("message-template");
  element.dataset.itemId = caption.id;
  element.dataset.callId = call;
  element.dataset.fresh = "";
  find("[data-clock]", element).dateTime = caption.created ?? new Date().toISOString();
  showTimes(element);
  connectMessage(element);
  return element;
}

/** Bring an element to the state of a caption. */
export function showCaption(element, caption) {
  const { role, kind, status, unheard = "" } = caption;
  Object.assign(element.dataset, { role, kind, status });
  setText(find("[data-message-who]", element), t(role === "user" ? "who_user" : "who_assistant"));
  const words = find("[data-message-text]", element);
  const { html, of = "" } = formatted.get(element) ?? {};
  // Of an answer in Markdown the server has formatted the first part; the newest words follow it.
  if (html && kind === "typed" && caption.text.startsWith(of)) showFormatted(words, html, caption.text.slice(of.length));
  else showWords(words, caption);
  showAttachments(element, caption.attachments);
  setText(find("[data-message-unheard]", element), unheard);
}

/** Bring an element to the state that was stored. @param {object} saved `nextvoice.saved` */
export function showSaved(element, saved) {
  const { message_id: id, recording, text, html, card, unheard, status, position, attachments } = saved;
  element.dataset.message = id ?? "";
  if (position !== undefined) element.dataset.position = String(position);
  if (html) formatted.set(element, { html, of: text });
  // A row saved half-way is older than what the deltas have brought since.
  if (status && status !== "in_progress") {
    element.dataset.status = status;
    const words = find("[data-message-text]", element);
    // While it is being heard its caption shows it, word by word.
    if (html) showFormatted(words, html);
    else if (typeof text === "string" && !find(".words__now", words)) showWords(words, { text, kind: "typed" });
    if (typeof unheard === "string") setText(find("[data-message-unheard]", element), unheard);
  }
  showAttachments(element, attachments);
  showCard(element, card);
  if (recording?.url) showPlayer(element, recording);
  if (recording) find("[data-message-partial]", element).hidden = !recording.partial;
}

/** Bring an element to what is stored of a message of another tab's call. */
export function showStored(element, saved) {
  const { role, kind, status, text, html, unheard = "" } = saved;
  Object.assign(element.dataset, { role, kind, status });
  setText(find("[data-message-who]", element), t(role === "user" ? "who_user" : "who_assistant"));
  const words = find("[data-message-text]", element);
  if (html) showFormatted(words, html);
  else showWords(words, { text, kind: "typed" });
  setText(find("[data-message-unheard]", element), unheard);
  showSaved(element, saved);
}

/** Make the buttons of a message work. */
export function connectMessage(element) {
  find("[data-message-copy]", element)?.addEventListener("click", () => copy(element));
  const player = find("[data-player]", element);
  if (player) new RecordingPlayer(player);
}

function showPlayer(element, { url, duration_ms: durationMs }) {
  const place = find("[data-message-player]", element);
  if (find("audio", place)?.getAttribute("src") === url) return;
  const player = fromTemplate("player-template");
  find("audio", player).src = url;
  find("[data-player-time]", player).dataset.durationMs = String(durationMs ?? 0);
  place.replaceChildren(player);
  new RecordingPlayer(player);
}

async function copy(element) {
  try {
    await navigator.clipboard.write([new ClipboardItem(copyOf(element))]);
    toast(t("copied"));
  } catch {
    toast(t("copy_failed"));
  }
}

/** What is copied of a message: of one in Markdown that and what it looks like, else its words. */
function copyOf(element) {
  const words = find("[data-tool-result]", element) ?? find("[data-message-text]", element);
  const whole = "html" in words.dataset && !find("[data-rest]", words);
  const text = (whole && (formatted.get(element)?.of ?? words.dataset.source)) || words.innerText;
  const looks = whole ? { "text/html": new Blob([words.innerHTML], { type: "text/html" }) } : {};
  return { "text/plain": new Blob([text], { type: "text/plain" }), ...looks };
}
