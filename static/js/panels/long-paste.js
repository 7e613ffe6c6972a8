// A field takes so many characters and no more: browsers cut what is pasted, without a word.

import { t } from "../helpers/strings.js";

/**
 * Say so when what is pasted does not fit.
 * @param {HTMLInputElement|HTMLTextAreaElement} field with a `maxlength`
 * @param {(text: string) => void} tell
 */
export function watchPastes(field, tell) {
  field.addEventListener("paste", ({ clipboardData }) => {
    const { value, selectionStart, selectionEnd, maxLength } = field;
    const pasted = (clipboardData?.getData("text/plain") ?? "").replaceAll("\r\n", "\n");
    const room = maxLength - value.length + (selectionEnd - selectionStart);
    if (pasted.length > room) tell(t("paste_cut", { most: maxLength.toLocaleString(document.documentElement.lang) }));
  });
}
