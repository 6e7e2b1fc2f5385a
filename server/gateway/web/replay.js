/** A conversation as one HTML file that needs nothing else: both sides' sound, and the words in step with it. Pure. */

const STYLE = `
:root { color-scheme: light dark; font: 1.05rem/1.55 system-ui, sans-serif; }
body { max-width: 42rem; margin: 2rem auto; padding: 0 1.25rem 4rem; }
audio { position: sticky; top: 0.5rem; width: 100%; }
ol { padding: 0; list-style: none; }
li { display: grid; grid-template-columns: 4.5rem 1fr; margin: 0.9rem 0; }
b { color: #0b6e5f; font-size: 0.85rem; font-weight: 500; }
button { padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: left; cursor: pointer; }
.now { background: color-mix(in srgb, #0b6e5f 25%, transparent); border-radius: 0.25rem; }
@media (prefers-color-scheme: dark) { b { color: #5fd0b9; } }`;

const SCRIPT = `
const audio = document.querySelector("audio");
const words = [...document.querySelectorAll("[data-ms]")];
document.querySelector("ol").addEventListener("click", ({ target }) => {
  const ms = target.closest("[data-ms]")?.dataset.ms;
  if (ms === undefined) return;
  audio.currentTime = ms / 1000;
  audio.play();
});
function follow() {
  const now = words.findLast((word) => Number(word.dataset.ms) <= audio.currentTime * 1000 && !audio.paused);
  for (const word of words) word.classList.toggle("now", word === now);
  if (!audio.paused) requestAnimationFrame(follow);
}
for (const type of ["play", "pause", "ended"]) audio.addEventListener(type, follow);`;

/**
 * @param {ReturnType<import("./minutes.js").Minutes["lines"]>} lines
 * @param {string} sound of both sides, as a data: address
 * @param {string} title
 */
export function replayPage(lines, sound, title) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<h1>${escaped(title)}</h1>
<audio controls src="${sound}"></audio>
<ol>
${lines.map(lineOf).join("\n")}
</ol>
<script>${SCRIPT}</script>
</html>
`;
}

function lineOf({ role, text, status, fromMs, words }) {
  const parts = words.length ? words : [{ text, atMs: Math.round(fromMs) }];
  const spoken = parts.map(({ text: word, atMs }) => {
    const [, before, shown, after] = /^(\s*)(.*?)(\s*)$/s.exec(word); // at its edge a button would swallow them
    return `${before}<button data-ms="${atMs}">${escaped(shown)}</button>${after}`;
  }).join("");
  const mark = status === "interrupted" ? " <small>– cut short</small>" : "";
  return `<li><b>${role === "person" ? "Person" : "Agent"}</b><span>${spoken}${mark}</span></li>`;
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char]);
}
