// The buttons that open the device's own choice of files, or its camera.

import { find, findAll } from "../helpers/dom.js";

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
