/** What `<stageflow-voice>` consists of, and how it looks: custom properties of the page change it. */

export const MARKUP = `
<section class="box" aria-label="Voice agent">
  <div class="top">
    <button class="circle" data-action="start" aria-describedby="status">
      <span class="halo" aria-hidden="true"></span><span class="disc" aria-hidden="true"></span>
      <svg viewBox="0 0 48 48" aria-hidden="true"><rect x="17" y="5" width="14" height="24" rx="7"/><path d="M10 23a14 14 0 0 0 28 0M24 37v6"/></svg>
      <span class="unseen" id="label">Start talking</span>
    </button>
    <div class="telling">
      <p id="status" role="status"></p>
      <p id="hint"></p>
    </div>
    <div class="keys">
      <button id="mute" data-action="mute" hidden>Mute</button>
      <button id="end" hidden>End</button>
    </div>
  </div>
  <div class="notice" role="alert" hidden><p id="trouble"></p><button id="again">Try again</button></div>
  <ol id="captions" tabindex="0" aria-label="What was said" hidden></ol>
  <form>
    <label class="unseen" for="text">Type instead of speaking</label>
    <input id="text" autocomplete="off" maxlength="2000" placeholder="Type instead of speaking" enterkeyhint="send">
    <button aria-label="Send"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 19V5M6 11l6-6 6 6"/></svg></button>
  </form>
  <p class="unseen" aria-live="polite" id="announcer"></p>
</section>`;

export const STYLE = `
:host {
  --accent: var(--stageflow-accent, light-dark(#0b6e5f, #5fd0b9));
  --on-accent: var(--stageflow-on-accent, light-dark(#ffffff, #0d1f1b));
  --paper: var(--stageflow-background, light-dark(#ffffff, #1d1e1c));
  --ink: var(--stageflow-color, light-dark(#1c1b19, #ebe8e1));
  --soft: var(--stageflow-soft-color, light-dark(#5f5b52, #a5a094));
  --edge: var(--stageflow-border-color, light-dark(#e5e1d8, #2c2d2a));
  --level: 0;
  display: block; max-width: var(--stageflow-width, 24rem);
  font: var(--stageflow-font, 1rem/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ol { margin: 0; padding: 0; }
ol { list-style: none; }
button, input { font: inherit; color: inherit; }
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.box {
  display: grid; gap: 0.75rem; padding: 1rem; background: var(--paper); color: var(--ink);
  border: 1px solid var(--edge); border-radius: var(--stageflow-radius, 1rem);
}
.top { display: flex; align-items: center; gap: 0.9rem; }
.telling { flex: 1; min-width: 0; }
#status { font-weight: 600; }
#hint { color: var(--soft); font-size: 0.875em; line-height: 1.35; }
.circle {
  position: relative; flex: none; display: grid; place-items: center; width: 3.5rem; height: 3.5rem; padding: 0;
  border: 0; border-radius: 50%; background: none; color: var(--on-accent); touch-action: manipulation;
}
.circle[aria-disabled="true"] { cursor: default; }
.halo, .disc { position: absolute; inset: 0; border-radius: 50%; background: var(--accent); }
.halo { opacity: 0.18; transform: scale(calc(1 + var(--level) * 0.28)); }
.circle:is([data-state="connecting"], [data-state="stalled"], [data-state="reconnecting"]) .disc { opacity: 0.72; }
svg { position: relative; width: 1.5rem; fill: none; stroke: currentColor; stroke-width: 2.6; stroke-linecap: round; stroke-linejoin: round; }
svg rect { fill: currentColor; stroke: none; }
.keys { display: flex; flex-direction: column; gap: 0.35rem; }
.keys button, .notice button {
  min-height: 1.75rem; padding: 0.1rem 0.75rem; border: 1px solid var(--edge); border-radius: 2rem; background: none; font-size: 0.875em;
}
.notice { display: grid; gap: 0.5rem; justify-items: start; padding: 0.6rem 0.8rem; border: 1px solid var(--accent); border-radius: 0.6rem; font-size: 0.9em; }
#captions { max-height: var(--stageflow-captions-height, 16rem); overflow-y: auto; }
#captions li + li { margin-top: 0.5rem; }
#captions .who { display: block; color: var(--soft); font-size: 0.8em; }
#captions [data-role="agent"] .who { color: var(--accent); }
#captions .rest, #captions .mark, #captions .break { color: var(--soft); }
#captions [data-status="sending"] .words { color: var(--soft); }
#captions [data-status="sending"] .words::after { content: " · sending"; font-size: 0.85em; }
.words.waiting::before { content: "…"; }
form { display: flex; align-items: center; border: 1px solid var(--edge); border-radius: 2rem; }
form:focus-within { border-color: var(--accent); }
form input { flex: 1; min-width: 0; padding: 0.5rem 0 0.5rem 1rem; border: 0; outline: 0; background: none; }
form input::placeholder { color: var(--soft); opacity: 1; }
form button { display: grid; place-items: center; width: 2.4rem; height: 2.4rem; padding: 0; border: 0; border-radius: 50%; background: none; color: var(--accent); }
form svg { width: 1.2rem; stroke-width: 2; }
@media (forced-colors: active) { .disc, .halo { background: ButtonText; } .circle { color: ButtonFace; } }
@media (prefers-reduced-motion: reduce) { .halo { transform: none; } }
`;
