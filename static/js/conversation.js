// The page of one conversation: its thread, its composer, and the call if it belongs to it.

import { leaveAudio, switchOnSound } from "./audio/context.js";
import { CallChoice } from "./call/choice.js";
import { Watch } from "./call/watch.js";
import { find, isComposing, jsonOf, setText, show } from "./helpers/dom.js";
import { fetchPage, post, whyNot } from "./helpers/http.js";
import { draftOf, keepDraft } from "./helpers/storage.js";
import { t, timeZone } from "./helpers/strings.js";
import { connectAttachments } from "./panels/attachments.js";
import { Composer } from "./panels/composer.js";
import { renewList, retitle } from "./panels/conversation-list.js";
import { stopRecordings } from "./panels/message-view.js";
import { Thread } from "./panels/thread.js";
import { toast } from "./panels/toasts.js";

const TEXT_STATUS = {
  connecting: "text_connecting",
  thinking: "text_waiting",
  reconnecting: "text_reconnecting",
};

export class ConversationPage {
  onoptions = null; // () the person wants to open the call options
  thread;
  composer;
  #root;
  #call;
  #panel;
  choice;
  #config;
  #watch = null; // of calls that other tabs make in this conversation
  #left = false;
  #elsewhere = null; // a call that runs in another tab: {id, spoken}

  /**
   * @param {ParentNode} root  @param {object} call a Call
   * @param {() => Promise} panel resolves with a CallPanel or null
   */
  constructor(root, call, panel) {
    this.#root = root;
    this.#call = call;
    this.#panel = panel;
    this.#config = jsonOf("call-config") ?? { models: [] };
    this.thread = new Thread(root);
    // The choices of a running call are reused when the person leaves the page and returns.
    this.choice = this.isHere ? call.options.choice : this.#newChoice();
    this.composer = new Composer(root, () => ({ ...this.#upload, sees: this.choice.model?.sees ?? false }));
    connectAttachments(root);
    this.composer.onoptions = () => this.onoptions?.();
    this.composer.ontalk = () => this.talk();
    this.composer.onstop = () => this.#call.stopSpeaking();
    this.composer.begin(draftOf(this.id));
    this.composer.ondraft = (text) => keepDraft(this.id, text);
    this.composer.onsend = (text, attachments) => this.write(text, attachments);
    find("[data-take-over]", root).addEventListener("click", () => this.talk());
    this.#connectTranscript();
    this.#connectRename();
    this.#follow();
    if (this.isHere) this.#catchUp();
    const query = new URLSearchParams(location.search);
    if (query.has("call")) this.#invite();
    // In an empty conversation the next step is to type.
    else if (this.thread.empty && !this.#callIsHere) this.composer.focusText();
  }

  get id() {
    return this.thread.conversation;
  }

  /** Whether the call, running or ended, belongs to this conversation. */
  get isHere() {
    return this.#call.options?.conversation === this.id;
  }

  get #callIsHere() {
    return this.isHere && this.#call.active;
  }

  get title() {
    return find("[data-conversation-title]", this.#root).textContent.trim();
  }

  /** Begin a spoken call, once its panel has loaded. Call this inside a user gesture. */
  async talk() {
    switchOnSound();
    this.#unfollow();
    if (this.#config.models.length > 0) this.#call.dial(this.#config.ws_url);
    const panel = await this.#panel();
    if (panel && !this.#left) this.#talkIn(panel);
    this.#call.undial();
    // If no call started, release the audio context and watch other tabs again.
    if (!this.#callIsHere) leaveAudio(this);
    this.#follow();
  }

  #talkIn(panel) {
    stopRecordings();
    this.thread.toEnd();
    // Messages that still wait for a connection are sent in the new call.
    const sent = this.isHere ? this.#call.withdraw() : [];
    // End a call of another conversation first: its end would close the panel of the new one.
    this.#call.hangUp();
    panel.open({ title: this.title, href: location.pathname });
    const begun = this.#begin("voice");
    for (const { text, attachments, answer } of sent) this.#call.say(text, attachments, { answer });
    if (!begun) return;
    const attached = this.composer.tray.busy ? [] : this.composer.tray.take();
    if (attached.length > 0) this.#call.say("", attached, { answer: false });
  }

  /** Retry the call that ended. Call this inside a user gesture. */
  retry() {
    if (this.#call.options.mode === "voice") this.talk();
    // What could not be sent is in the text box again.
    else if (!this.composer.send()) this.#call.retry();
  }

  /** Send typed text: into the call that runs here, else into a new text call. */
  write(text, attachments = []) {
    if (this.#elsewhere?.spoken) {
      // Writing here would end the call there, which nobody expects.
      this.composer.restore(text, attachments);
      toast(t("busy_in_other_tab"));
      return;
    }
    if (this.#call.active && !this.isHere && this.#call.options.mode === "voice") {
      // Writing here would end the call there, which nobody expects.
      this.composer.restore(text, attachments);
      toast(t("busy_elsewhere"));
      return;
    }
    this.thread.toEnd();
    const begun = this.#callIsHere || this.#begin("text");
    if (begun) this.#call.say(text, attachments);
    else this.composer.restore(text, attachments);
  }

  /** After a restore from the back/forward cache: update the title and the list. */
  async renew() {
    const { page } = await fetchPage(location.href).catch(() => ({ page: null }));
    const title = page && find("[data-conversation-title]", page)?.textContent.trim();
    if (!title || this.#left) return;
    if (title !== this.title) this.retitle(title);
    renewList(this.#root, page);
  }

  /** Stop watching: the person leaves the page. */
  leave() {
    this.#left = true;
    this.#unfollow();
  }

  /** Update the composer for the state of a text call. */
  show(state) {
    this.#follow();
    const written = this.isHere && this.#call.options.mode === "text";
    const key = written && state !== "ended" ? TEXT_STATUS[state] : null;
    this.composer.status(key ? t(key) : "");
    this.composer.answering(written && this.#call.answering);
  }

  /** Show a new title everywhere on the page. */
  retitle(title) {
    setText(find("[data-conversation-title]", this.#root), title);
    find("[data-rename] input[name=title]", this.#root).defaultValue = title;
    // A function, since "$&" in a replacement string has a special meaning.
    document.title = document.title.replace(/^.*(?= · )/s, () => title);
    retitle(this.id, title);
    if (this.isHere) this.#panel().then((panel) => panel?.retitle(title));
  }

  /** Start the call. Returns false if there is no model to talk with. */
  #begin(mode) {
    if (this.#config.models.length === 0) {
      this.#sayEnded("no_model", mode);
      return false;
    }
    const { dataset } = document.body;
    this.#call.start({
      conversation: this.id,
      url: this.#config.ws_url,
      mode,
      choice: this.choice,
      upload: this.#upload,
      // Tests compare samples, which the browser's audio processing would change.
      rawMicrophone: dataset.rawMic !== undefined || new URLSearchParams(location.search).has("rawmic"),
    });
    return true;
  }

  /** Watch for calls in other tabs, unless the call runs here. */
  #follow() {
    const { watch_url: url } = this.#config;
    const mine = this.#callIsHere;
    if (mine) {
      this.#unfollow();
      this.#showElsewhere(null);
    }
    if (mine || this.#watch || this.#left || !url) return;
    this.#watch = new Watch(url);
    this.#watch.oncall = (call) => this.#showElsewhere(call);
    this.#watch.ongone = () => this.#sayGone();
    this.#watch.onback = () => this.#panel().then((panel) => panel?.takeBack("not_found"));
    this.#watch.onover = (event) => this.thread.over(event);
    this.#watch.onevent = (event) => {
      if (event.type === "nextvoice.saved") this.thread.stored(event);
      if (event.type === "nextvoice.removed") this.thread.removed(event);
      if (event.type === "nextvoice.title") this.retitle(event.title);
    };
  }

  #unfollow() {
    this.#watch?.close();
    this.#watch = null;
  }

  #sayGone() {
    // The panel is in use by a call of another conversation.
    if (this.#call.active) toast(t("not_there"));
    else this.#sayEnded("not_found", "text");
  }

  #sayEnded(reason, mode) {
    this.#panel().then((panel) => panel?.ended({ reason, durationMs: 0, mode }));
  }

  #showElsewhere(call) {
    // The call that this page has just ended is still reported for a moment.
    this.#elsewhere = call?.id === this.#call.callId ? null : call;
    show(find("[data-elsewhere]", this.#root), this.#elsewhere?.spoken ?? false);
  }

  get #upload() {
    const { upload_url: url, upload_most: most } = this.#config;
    return { url, most };
  }

  #newChoice() {
    const { settings_url: url } = this.#config;
    const choice = new CallChoice(this.#config, (fields) => post(url, fields));
    choice.onchange = () => {
      this.composer.tray.refresh();
      if (this.#call.options?.choice === choice) this.#call.applyChoice();
    };
    return choice;
  }

  #catchUp() {
    this.thread.beginCall(this.#call.callId, { spoken: false });
    for (const caption of this.#call.captions.items) {
      this.thread.put(caption, this.#call.captions.items);
    }
    this.show(this.#call.state);
  }

  #invite() {
    history.replaceState(null, "", location.pathname);
    if (this.#call.active) return;
    this.composer.status(t("press_talk"));
    this.composer.focusTalk();
  }

  /** Have the transcript's times in this device's time zone, as on the page. */
  #connectTranscript() {
    find("[data-transcript]", this.#root).search = new URLSearchParams({ zone: timeZone() });
  }

  #connectRename() {
    const form = find("[data-rename]", this.#root);
    const heading = find("[data-conversation-title]", this.#root);
    const field = find("input[name=title]", form);
    const set = (open) => {
      const focused = form.contains(document.activeElement);
      form.hidden = !open;
      heading.hidden = open;
      if (open) {
        form.reset();
        field.focus();
        field.select();
      } else if (focused) find(".conversation__menu summary", this.#root).focus();
    };
    find("[data-rename-open]", this.#root).addEventListener("click", () => set(true));
    find("[data-rename-cancel]", this.#root).addEventListener("click", () => set(false));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isComposing(event)) return;
      event.stopPropagation();
      set(false);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const title = field.value.trim();
      try {
        // A blank title is ignored: the conversation keeps its own.
        if (title !== "") {
          await post(form.action, { title });
          this.retitle(title);
        }
        set(false);
      } catch (problem) {
        toast(whyNot(problem));
      }
    });
  }
}
