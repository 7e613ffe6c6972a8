// The entry point of every page: connects the panels to the page, and the call to the panels.
// Modules that are not needed to read and to type are loaded later: the page prefetches them last,
// and they are imported when needed.

import { audioContext, switchOnSound } from "./audio/context.js";
import { Call } from "./call/call.js";
import { ConversationPage } from "./conversation.js";
import { find, findAll, setText } from "./helpers/dom.js";
import { fetchPage, whyNot } from "./helpers/http.js";
import { draftOf, forgetDrafts, joined, keepDraft, remember, remembered } from "./helpers/storage.js";
import { has, t } from "./helpers/strings.js";
import { showTimes } from "./helpers/time.js";
import { connectConversationList, putFirst, retitle } from "./panels/conversation-list.js";
import { connectFileInput } from "./panels/file-input.js";
import { connectCopyButtons, connectDrawer, connectMenus, connectThemeToggles } from "./panels/frame.js";
import { connectToasts, toast } from "./panels/toasts.js";
import { isOurPage, isVisit, Visits } from "./visits.js";

const TIMES_MS = 30_000;
const WRITTEN_IDLE_MS = 180_000; // then an idle text call is ended, since it holds a connection

const { captureWorklet, playerWorklet } = document.body.dataset;
const call = new Call({ capture: captureWorklet, player: playerWorklet });
const visits = new Visits(arrive, () => !call.active);
let fetching = null; // promise for the modules that are loaded later
let panel = null; // the CallPanel, once its modules have loaded
let panelComes = null; // promise for it
let approval = null; // the ApprovalPanel, loaded with it
let drawer = null; // the OptionsDrawer, once it has been opened
let titled = null; // {id, title} of the last conversation that was retitled during a call
let page = null; // the ConversationPage, or null on other pages
let writtenTimer;

function arrive() {
  const root = find("#page") ?? document.body;
  sayComplete();
  showTimes(document);
  connectThemeToggles(root);
  connectDrawer(root);
  connectConversationList(root);
  connectCopyButtons(root);
  connectToasts();
  connectParts(root).catch(sayIncomplete);
  page?.leave();
  page = find("[data-conversation-page]", root) ? new ConversationPage(root, call, thePanel) : null;
  panel?.arrived(page?.isHere ?? false);
  if (page) {
    thePanel();
    page.onoptions = () => openOptions(page.choice).catch(sayIncomplete);
  }
  // The page may have been requested before the title changed.
  if (call.active && titled?.id === call.options.conversation) showTitle();
  // Screen readers do not announce a page that the browser has not loaded itself.
  if (call.active) announce(document.title);
}

/** Resolves with the CallPanel once its modules have loaded; with null if they fail to load. */
function thePanel() {
  panelComes ??= connectPanel().catch(() => {
    sayIncomplete();
    panelComes = null;
    return null;
  });
  return panelComes;
}

async function connectPanel() {
  await later();
  const [{ CallPanel }, { ApprovalPanel }] = await Promise.all([
    import("./panels/call-panel.js"),
    import("./panels/approval-panel.js"),
    import("./call/sound.js"), // preloaded for the call
  ]);
  const root = find("[data-call-panel]");
  panel = new CallPanel(root, call);
  approval = new ApprovalPanel(find("[data-approval]"), call);
  panel.onoptions = () => openOptions(call.options.choice).catch(sayIncomplete);
  panel.onretry = () => (pageOfCall() ?? call).retry();
  panel.ontypeinstead = () => page?.composer.focusText();
  panel.onclose = (focused) => {
    if (focused && root.dataset.mode === "text") page?.composer.focusText();
    else if (focused) page?.composer.focusTalk();
  };
  panel.arrived(page?.isHere ?? false);
  approval.show();
  return panel;
}

async function openOptions(choice) {
  await later();
  const { OptionsDrawer } = await import("./panels/options-drawer.js");
  drawer ??= new OptionsDrawer(find("[data-options]"), call);
  drawer.open(choice);
}

/** Connect the parts that only few pages have and that work without scripts to some extent. */
async function connectParts(root) {
  const [test, presets, picker, canvas] = ["[data-connection-test]", "#provider-presets", "[data-picker-model]", "[data-strings]"].map(
    (part) => find(part, root),
  );
  if (test ?? presets ?? picker ?? canvas) await later();
  if (test) await import("./panels/connection-test.js");
  if (presets) (await import("./panels/provider-form.js")).connectProviderForm(root);
  if (picker) (await import("./panels/model-picker.js")).connectPicker(root);
  if (!canvas) return;
  const { LevelMeter } = await import("./panels/level-meter.js");
  new LevelMeter(canvas, () => ({ user: 0, assistant: 0 }));
}

/**
 * Fetch all modules that are loaded later. Await this before importing any of them: Firefox never
 * retries a module that failed to load once, so it would be missing until the call is over.
 */
function later() {
  fetching ??= Promise.all(findAll("link[as=fetch]").map(fetched)).then(sayComplete, (problem) => {
    fetching = null;
    throw problem;
  });
  return fetching;
}

/** Put a module into the HTTP cache. A 4xx status is left for the import to report. */
async function fetched({ href }) {
  const answer = await fetch(href);
  if (answer.status >= 500) throw new Error(`${answer.status} ${href}`);
  await answer.arrayBuffer();
}

/** Say that modules failed to load. They are requested again when needed. */
function sayIncomplete() {
  document.documentElement.dataset.incomplete = "";
}

function sayComplete() {
  delete document.documentElement.dataset.incomplete;
}

/** The current page, if it shows the call's conversation; else null. */
function pageOfCall() {
  return page?.isHere ? page : null;
}

/** The receiver of files that are dropped or pasted now, or null. */
function takerOfFiles() {
  if (panel?.takesFiles) return panel.files;
  return panel?.form === "full" && !panel.root.hidden ? null : (page?.composer ?? null);
}

function connectCall() {
  connectFileInput(takerOfFiles);
  call.addEventListener("state", ({ detail: { name } }) => {
    panel?.setHere(page?.isHere ?? false);
    if (name === "checking") panel?.begin();
    panel?.show();
    drawer?.show();
    page?.show(name);
    watchWritten();
  });
  call.addEventListener("ready", ({ detail }) => {
    panel?.ready(detail);
    pageOfCall()?.thread.beginCall(detail.call_id, { spoken: call.options.mode === "voice" });
  });
  call.addEventListener("cost", () => panel?.showCost());
  call.addEventListener("waiting", () => approval?.show());
  call.addEventListener("caption", ({ detail }) => {
    panel?.caption(detail, call.captions);
    pageOfCall()?.thread.put(detail, call.captions.items);
    const written = call.options.mode === "text" && detail.role === "assistant";
    // It was emptied meanwhile, or the same text would not be announced twice.
    if (written) announce(detail.status === "completed" ? detail.text : "");
  });
  call.addEventListener("saved", ({ detail }) => {
    if (detail.text) call.options.choice.said(detail.item_id);
    if (detail.text) putFirst(call.options.conversation);
    drawer?.show();
    pageOfCall()?.thread.saved(detail);
  });
  call.addEventListener("left", ({ detail }) => pageOfCall()?.thread.stored(detail, { earlier: true }));
  call.addEventListener("over", ({ detail }) => pageOfCall()?.thread.over(detail));
  call.addEventListener("removed", ({ detail }) => pageOfCall()?.thread.removed(detail));
  call.addEventListener("title", ({ detail: { title } }) => {
    titled = { id: call.options.conversation, title };
    showTitle();
    panel?.retitle(title);
  });
  call.addEventListener("unsent", ({ detail }) => giveBack(detail));
  call.addEventListener("notice", ({ detail }) => showNotice(detail));
  call.addEventListener("ended", ({ detail }) => {
    pageOfCall()?.thread.endCall(detail.durationMs);
    sayEnded({ ...detail, mode: call.options.mode });
    // Without a response nothing happens: the panel has said already what failed.
    if (detail.reason === "audio_failed") talkAnew().catch(() => {});
  });
}

/** Announce something to screen readers only, even while the panel is hidden. */
function announce(text) {
  setText(find("[data-call-announce]"), text);
}

/** Show why the call ended. A text call may end before the panel has loaded. */
function sayEnded(end) {
  if (panel) panel.ended(end);
  else thePanel().then((it) => it?.ended(end));
}

/** If the site was updated since this page loaded, reload it ready to talk, if nothing is lost. */
async function talkAnew() {
  const { page: now } = await fetchPage(location.pathname);
  const { dataset } = now.body;
  const same = dataset.captureWorklet === captureWorklet && dataset.playerWorklet === playerWorklet;
  if (same || call.active || !pageOfCall()?.composer.empty) return;
  location.replace(`${location.pathname}?call=1`);
}

function showTitle() {
  retitle(titled.id, titled.title);
  pageOfCall()?.retitle(titled.title);
}

/** Put text that was not sent back into the text box of its conversation. */
function giveBack({ text, attachments }) {
  const { conversation } = call.options;
  if (pageOfCall()) page.composer.restore(text, attachments);
  else keepDraft(conversation, joined(text, draftOf(conversation)));
}

function showNotice({ code, message, remedy }) {
  const text = [message || (has(code) ? t(code) : ""), remedy].filter(Boolean).join(" ");
  if (!text) return;
  if (call.options.mode === "voice") panel?.notice(text, code);
  else toast(text);
}

function watchWritten() {
  clearTimeout(writtenTimer);
  if (!call.live || call.options.mode !== "text") return;
  writtenTimer = setTimeout(() => call.hangUp(), WRITTEN_IDLE_MS);
}

function connectVisits() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || !call.active || !isVisit(link, event)) return;
    const ours = isOurPage(new URL(link.href));
    // Leaving a text call loses nothing.
    if (!ours && call.options.mode !== "voice") return;
    event.preventDefault();
    if (ours) visits.go(link.href).catch(tell);
    // Navigating to a page outside of `Visits` would end the call.
    else window.open(link.href, "_blank", "noopener");
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog") return;
    if (form.matches("[data-sign-out]")) signOut();
    // When the person deletes the conversation here, there is no need to say that it is gone.
    if (form.matches("[data-delete]")) page?.leave();
    if (form.matches("[data-start-talking]") && event.submitter?.name === "call") startTalking(event);
    else if (call.active && isOurPage(new URL(form.action))) submitDuringCall(event);
  });
}

/** Clear what is kept for this person: the next one to sign in may be somebody else. */
function signOut() {
  forgetDrafts();
  remember("signed-out", String(Date.now()));
}

/** Update a page that the browser restored from the back/forward cache. */
function showAgain() {
  if (Number(remembered("signed-out")) > performance.timeOrigin) {
    document.body.hidden = true;
    location.reload();
  } else if (find("[data-page=home]")) {
    // People usually return from a conversation that they have just started or deleted.
    visits.again();
  } else page?.renew();
}

/** One tap on the front page: a new conversation, and a call in it. */
async function startTalking(event) {
  event.preventDefault();
  const form = event.target;
  switchOnSound();
  event.submitter.disabled = true;
  try {
    await visits.go(form.action, { fields: new FormData(form) });
    page?.talk();
  } catch (problem) {
    event.submitter.disabled = false;
    tell(problem);
  }
}

function submitDuringCall(event) {
  const form = event.target;
  const fields = new FormData(form, event.submitter);
  event.preventDefault();
  if (form.method === "get") {
    visits.go(`${form.action}?${new URLSearchParams(fields)}`).catch(tell);
    return;
  }
  // The call cannot outlive its conversation.
  if (pageOfCall() && form.matches("[data-delete]")) call.hangUp();
  visits.go(form.action, { fields }).catch(tell);
}

function tell(problem) {
  toast(whyNot(problem));
}

/** Expose read-only counters for tests. */
function exposeCounters() {
  Object.defineProperty(window, "__nextvoice", {
    get: () => Object.freeze({ ...call.counters }),
  });
}

connectMenus();
connectCall();
connectVisits();
exposeCounters();
later().catch(() => {}); // retried when a module is needed
visits.begin();
setInterval(() => {
  showTimes(document);
  page?.thread.showDays();
}, TIMES_MS);
window.addEventListener("pagehide", ({ persisted }) => {
  page?.choice.flush();
  if (!persisted) call.hangUp();
});
window.addEventListener("pageshow", ({ persisted }) => persisted && showAgain());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && call.live && call.options.mode === "voice") audioContext();
});
