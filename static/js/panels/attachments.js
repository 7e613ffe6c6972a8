// Attachments of the next message: uploaded at once and shown with their progress. Further down,
// those of the messages in the thread.

import { find, findAll, fromTemplate, fromTemplateIn, setText, show } from "../helpers/dom.js";
import { post, upload, whyNot } from "../helpers/http.js";
import { fileSize, t } from "../helpers/strings.js";
import { toast } from "./toasts.js";

export const MOST = 8; // the server's limit per message

export class AttachmentTray {
  onchange = null; // ()
  #root;
  #list;
  #note;
  #place; // () => {url, most, sees}
  #drafts = [];

  /**
   * @param {ParentNode} root holds the tray
   * @param {() => {url: string, most: number, sees: boolean}} place the current upload URL, the
   *   largest file size in bytes, and whether the model can see pictures
   */
  constructor(root, place) {
    this.#root = find("[data-tray]", root);
    this.#list = find("[data-tray-list]", this.#root);
    this.#note = find("[data-tray-note]", this.#root);
    this.#place = place;
  }

  /** Whether an upload is in progress. */
  get busy() {
    return this.#drafts.some(({ state }) => state === "uploading");
  }

  /** How many uploads failed. They stay in the tray until the person removes them. */
  get failed() {
    return this.#drafts.filter(({ state }) => state === "failed").length;
  }

  /** Whether there is something to send. */
  get ready() {
    return this.#drafts.some(({ state }) => state === "ready");
  }

  /** Upload files. @param {Iterable<File>} files */
  add(files) {
    for (const file of files) {
      const full = this.#drafts.length - this.failed >= MOST;
      const draft = this.#draft(file);
      if (full) this.#fail(draft, t("attach_too_many", { most: MOST }));
      else if (file.size > this.#place().most) this.#fail(draft, t("attach_too_large", { most: fileSize(this.#place().most) }));
      else if (file.size === 0) this.#fail(draft, t("attach_empty"));
      else this.#upload(draft);
    }
    this.#changed();
    this.#bring(this.#drafts.findLast(({ state }) => state === "failed") ?? this.#drafts.at(-1));
  }

  /** Remove and return the attachments that are ready to be sent. */
  take() {
    const taken = this.#drafts.filter(({ state }) => state === "ready");
    for (const draft of taken) this.#drop(draft);
    this.#changed();
    return taken.map(({ attachment }) => attachment);
  }

  /** Put back attachments that could not be sent. */
  restore(attachments) {
    for (const attachment of attachments) {
      const draft = this.#draft({ name: attachment.name, type: "", size: attachment.size });
      this.#ready(draft, attachment);
    }
    this.#changed();
  }

  /** Update the tray's note, for example when the model has changed to one that cannot see. */
  refresh() {
    const blind = this.#drafts.some((draft) => isPicture(draft)) && !this.#place().sees;
    const notes = this.#drafts.map(({ note }) => note).filter(Boolean);
    setText(this.#note, [blind ? t("attach_cannot_see") : "", ...notes].filter(Boolean).join(" "));
    show(this.#note, this.#note.textContent !== "");
    show(this.#root, this.#drafts.length > 0);
  }

  #draft(file) {
    const element = fromTemplateIn("[data-tray-template]", this.#root);
    const draft = { file, element, state: "uploading", attachment: null, note: "", preview: "", cancel: null };
    setText(find("[data-draft-name]", element), file.name);
    const remove = find("[data-draft-remove]", element);
    remove.setAttribute("aria-label", t("attach_remove", { name: file.name }));
    remove.addEventListener("click", () => this.#remove(draft));
    if (file instanceof Blob && file.type.startsWith("image/")) {
      draft.preview = URL.createObjectURL(file);
      showPicture(element, draft.preview);
    }
    this.#drafts.push(draft);
    this.#list.append(element);
    return draft;
  }

  async #upload(draft) {
    const { file, element } = draft;
    const bar = find("[data-draft-progress]", element);
    element.dataset.state = "uploading";
    const sending = upload(this.#place().url, file, (part) => {
      bar.value = part;
      setText(find("[data-draft-state]", element), part < 1 ? `${Math.round(part * 100)} %` : t("attach_reading"));
    });
    draft.cancel = sending.cancel;
    try {
      this.#ready(draft, await sending.done);
    } catch (problem) {
      this.#fail(draft, problem.told || t("attach_failed"));
    }
    this.#changed();
    if (draft.state === "failed") this.#bring(draft);
  }

  /** Scroll to a file that might be out of sight. */
  #bring(draft) {
    draft?.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #ready(draft, attachment) {
    Object.assign(draft, { state: "ready", attachment, note: attachment.note ?? "" });
    draft.element.dataset.state = "ready";
    setText(find("[data-draft-state]", draft.element), fileSize(attachment.size));
    if (attachment.thumbnail_url) showPicture(draft.element, attachment.thumbnail_url);
    else forget(draft);
  }

  #fail(draft, why) {
    draft.state = draft.element.dataset.state = "failed";
    const state = find("[data-draft-state]", draft.element);
    state.setAttribute("role", "alert");
    setText(state, why);
  }

  #remove(draft) {
    const place = this.#drafts.indexOf(draft);
    const next = this.#drafts[place + 1] ?? this.#drafts[place - 1];
    draft.cancel?.();
    // Not awaited: the server removes what is never sent after a day anyway.
    if (draft.attachment) fetchDelete(draft.attachment);
    this.#drop(draft);
    this.#changed();
    (next ? find("[data-draft-remove]", next.element) : find("[data-attach]", this.#root.parentElement))?.focus();
  }

  #drop(draft) {
    this.#drafts.splice(this.#drafts.indexOf(draft), 1);
    draft.element.remove();
    forget(draft);
  }

  #changed() {
    this.refresh();
    this.onchange?.();
  }
}

function fetchDelete({ delete_url: url }) {
  fetch(url, { method: "POST", headers: { "X-CSRFToken": document.body.dataset.csrf } }).catch(() => {});
}

function isPicture({ file, attachment, state }) {
  if (state === "failed") return false;
  return attachment ? attachment.kind === "image" : (file.type ?? "").startsWith("image/");
}

function showPicture(element, source) {
  const picture = new Image();
  picture.alt = "";
  picture.src = source;
  find("[data-draft-picture]", element).replaceChildren(picture);
}

function forget(draft) {
  if (draft.preview) URL.revokeObjectURL(draft.preview);
  draft.preview = "";
}

// Attachments in the thread: thumbnails to enlarge, files to download, and deleting both.

/** Show the attachments of a message. @param {object[]} attachments as the server describes them */
export function showAttachments(element, attachments) {
  const list = find("[data-message-attachments]", element);
  if (!list || !attachments?.length) return;
  const known = new Set(findAll("[data-attachment]", list).map((one) => one.dataset.attachment));
  const gone = new Set((list.dataset.deleted ?? "").split(" "));
  for (const attachment of attachments) {
    if (known.has(attachment.id) || gone.has(attachment.id)) continue;
    list.append(made(attachment));
  }
  show(list, list.childElementCount > 0);
}

function made({ id, kind, name, size, width, height, url, thumbnail_url: small, delete_url: deleteUrl }) {
  const element = fromTemplate("attachment-template");
  Object.assign(element.dataset, { attachment: id, kind, url, deleteUrl, name });
  const picture = find("[data-attachment-picture]", element);
  picture.alt = name;
  if (small) picture.src = small;
  if (width) Object.assign(picture, { width, height });
  const file = find("[data-attachment-file]", element);
  file.href = url;
  file.download = name;
  setText(find("[data-attachment-name]", element), name);
  setText(find("[data-size]", element), fileSize(size));
  find("[data-attachment-delete]", element).setAttribute("aria-label", t("attach_delete", { name }));
  return element;
}

/** Make the attachments of a page open, and delete them on request. */
export function connectAttachments(root) {
  const lightbox = find("[data-lightbox]", root);
  const asking = find("[data-ask-delete]", root);
  if (!lightbox) return;
  let open = null; // the attachment in the lightbox
  find("[data-messages]", root).addEventListener("click", (event) => {
    const element = event.target.closest("[data-attachment]");
    if (!element) return;
    if (event.target.closest("[data-attachment-open]")) enlarge(element);
    if (event.target.closest("[data-attachment-delete]")) ask(element);
  });
  find("[data-lightbox-close]", lightbox).addEventListener("click", () => lightbox.close());
  find("[data-lightbox-delete]", lightbox).addEventListener("click", () => ask(open));
  // A click beside the picture closes it.
  lightbox.addEventListener("click", (event) => event.target === lightbox && lightbox.close());

  function enlarge(element) {
    open = element;
    const { url, name } = element.dataset;
    const picture = find("[data-lightbox-picture]", lightbox);
    picture.src = url;
    picture.alt = name;
    setText(find("[data-lightbox-name]", lightbox), name);
    const save = find("[data-lightbox-save]", lightbox);
    save.href = `${url}?download`;
    save.download = name;
    lightbox.showModal();
  }

  function ask(element) {
    setText(find("[data-ask-delete-name]", asking), element.dataset.name);
    asking.returnValue = "";
    asking.onclose = () => asking.returnValue === "delete" && remove(element);
    asking.showModal();
  }

  async function remove(element) {
    try {
      await post(element.dataset.deleteUrl);
    } catch (problem) {
      toast(whyNot(problem));
      return;
    }
    const list = element.parentElement;
    list.dataset.deleted = `${list.dataset.deleted ?? ""} ${element.dataset.attachment}`;
    if (element === open) lightbox.close();
    element.remove();
    show(list, list.childElementCount > 0);
    if (document.activeElement === document.body) focusNear(list);
    toast(t("attach_deleted"));
  }
}

/** After a deletion, move the focus to the next attachment, or to the message. */
function focusNear(list) {
  const message = list.closest(".message");
  message.tabIndex = -1;
  (find("[data-attachment-delete]", list) ?? message).focus();
}
