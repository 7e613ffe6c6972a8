// Files that are dropped on the page, pasted, or chosen.

import { find, findAll, show } from "../helpers/dom.js";

/**
 * Pass dropped and pasted files to their current receiver.
 * @param {() => ({add: (files: Iterable<File>) => void}|null)} taker null: there is none
 */
export function connectFileInput(taker) {
  let depth = 0; // number of nested elements that a drag has entered
  const zone = () => find("[data-drop-zone]");
  const end = () => {
    depth = 0;
    show(zone(), false);
  };
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event.dataTransfer) || !taker()) return;
    depth += 1;
    show(zone(), true);
  });
  document.addEventListener("dragleave", (event) => {
    if (hasFiles(event.dataTransfer) && --depth <= 0) end();
  });
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    // Otherwise the browser would navigate to the file, which would end the call.
    event.preventDefault();
    event.dataTransfer.dropEffect = taker() ? "copy" : "none";
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    end();
    taker()?.add(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || !taker() || document.querySelector("dialog[open]")) return;
    // Office programs add a picture of the text to the clipboard; paste the text then.
    if (event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    taker().add(files.map(named));
  });
}

function hasFiles(transfer) {
  return transfer?.types.includes("Files") ?? false;
}

/** Give a pasted picture a name with the time: browsers name every one "image.png". */
function named(file) {
  if (file.name && file.name !== "image.png") return file;
  const moment = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-");
  return new File([file], `${moment}.${file.type.split("/")[1] ?? "png"}`, { type: file.type });
}

// The buttons that open the device's file picker or camera.

/** Connect the pickers in `root`. @param {(files: File[]) => void} onpicked */
export function connectPicker(root, onpicked) {
  for (const input of findAll("[data-attach-input]", root)) {
    const button = find(`[data-attach="${input.dataset.attachInput}"]`, root);
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = [...input.files];
      // Reset, so that the same file can be chosen again.
      input.value = "";
      if (files.length > 0) onpicked(files);
    });
  }
}
