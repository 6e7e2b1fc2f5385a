/** A button that copies, at each example of the page for people who write clients. */

import { copy } from "./clipboard.js";

const SHOWN_MS = 2000;

for (const example of document.querySelectorAll("pre")) {
  if (location.protocol === "https:") {
    example.textContent = example.textContent.replaceAll(/\b(ws|http)(:\/\/)/g, "$1s$2"); // the server may not know that it is behind TLS
  }
  const button = document.createElement("button");
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await copy(example.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
  });
  const box = document.createElement("div");
  box.className = "example";
  example.before(box);
  box.append(example, button);
}
