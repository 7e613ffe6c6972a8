// Attachments in the thread: small pictures to enlarge, files to save, and both to delete.

import { find, findAll, fromTemplate, setText, show } from "../helpers/dom.js";
import { post, whyNot } from "../helpers/http.js";
import { fileSize } from "../helpers/sizes.js";
import { t } from "../helpers/strings.js";
import { toast } from "./toasts.js";

/** Show the attachments of a message. @param {object[]} attachments as the server shows them */
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

/** Make the attachments of a page open and go away. */
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
  // A tap beside the picture closes it.
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

/** The keyboard stays near what went: at the next file, or the message. */
function focusNear(list) {
  const message = list.closest(".message");
  message.tabIndex = -1;
  (find("[data-attachment-delete]", list) ?? message).focus();
}
