// Files from outside the page: dropped on it, pasted, or chosen.

import { find, findAll, show } from "../helpers/dom.js";

/**
 * Hand dropped and pasted files to whoever takes them now.
 * @param {() => ({add: (files: Iterable<File>) => void}|null)} taker null: nobody does
 */
export function connectFileInput(taker) {
  let depth = 0; // how many elements under the pointer a drag has entered
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
    // Without this the browser would leave the page, and the call, for the file.
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
    // Office programs put a picture of the text beside the text; then the text is meant.
    if (event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    taker().add(files.map(named));
  });
}

function hasFiles(transfer) {
  return transfer?.types.includes("Files") ?? false;
}

/** Browsers call every pasted picture "image.png". */
function named(file) {
  if (file.name && file.name !== "image.png") return file;
  const moment = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-");
  return new File([file], `${moment}.${file.type.split("/")[1] ?? "png"}`, { type: file.type });
}

// The buttons that open the device's own choice of files, or its camera.

/** Connect the pickers in `root`. @param {(files: File[]) => void} onpicked */
export function connectPicker(root, onpicked) {
  for (const input of findAll("[data-attach-input]", root)) {
    const button = find(`[data-attach="${input.dataset.attachInput}"]`, root);
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = [...input.files];
      // So that the same file can be chosen again.
      input.value = "";
      if (files.length > 0) onpicked(files);
    });
  }
}
