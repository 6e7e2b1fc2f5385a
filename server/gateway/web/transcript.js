/** The list of what was said: a line a caption, grey while it may change, the agent's words as they are heard. */

const WHO = { person: "You", agent: "Agent" };
const KEPT = 200;

export class Transcript {
  /**
   * @param {HTMLElement} list
   * @param {object} tell
   * @param {(text: string) => void} tell.announce is given each line that is complete
   * @param {(id: string) => void} [tell.explain] is asked about the line that the person has pressed
   */
  constructor(list, { announce, explain }) {
    this.list = list;
    this.announce = announce;
    this.explain = explain;
    this.lines = new Map();
    this.isAtEnd = true;
    this.frame = 0; // in which it scrolls
    this.size = "";
    list.addEventListener("scroll", () => {
      if (this.size === sizeOf(list)) this.isAtEnd = this.isNearEnd(); // or it was not a person who scrolled
    });
    new ResizeObserver(() => {
      this.size = sizeOf(list); // a keyboard comes, a phone is turned
      if (this.isAtEnd) this.scroll();
    }).observe(list);
  }

  /** @param {{id: string, role: "person" | "agent", text: string, rest: string, status: string}} caption */
  show(caption) {
    const { id, role, text, rest, status } = caption;
    const isOpen = status === "partial" || status === "sending";
    const isEmpty = !text && !rest && !isOpen;
    if (isEmpty) return this.remove(id);
    const line = this.lines.get(id) ?? this.add(id, role);
    if (line.dataset.status === status && !isOpen) return;
    line.dataset.status = status;
    const [, words] = line.children;
    words.classList.toggle("waiting", !text && !rest);
    words.firstChild.textContent = text;
    words.lastChild.textContent = status === "partial" ? rest : "";
    if (status === "interrupted") this.mark(words, text ? "– cut short" : "cut short");
    if (!isOpen) this.announce(`${WHO[role]}: ${text || "cut short"}`);
    if (this.isAtEnd) this.scroll();
  }

  /** A line between two conversations. */
  divide(text) {
    const line = document.createElement("li");
    line.className = "break";
    line.textContent = text;
    this.insert(line);
  }

  /** A line that nobody has said. @param {HTMLLIElement} line */
  insert(line) {
    this.list.append(line);
    this.scroll();
  }

  add(id, role) {
    const line = document.createElement("li");
    line.dataset.role = role;
    const who = document.createElement(this.explain ? "button" : "span");
    who.className = "who";
    who.textContent = WHO[role];
    const words = document.createElement("p");
    words.className = "words";
    const rest = document.createElement("span"); // keeps its place, so that lines do not jump as words appear
    rest.className = "rest";
    rest.setAttribute("aria-hidden", "true");
    words.append(document.createElement("span"), rest);
    if (this.explain) {
      who.title = "What happened in this turn";
      who.addEventListener("click", () => this.explain(id));
      words.addEventListener("click", () => getSelection().isCollapsed && this.explain(id));
    }
    line.append(who, words);
    line.dataset.id = id;
    this.list.append(line);
    this.lines.set(id, line);
    if (this.list.children.length > KEPT) this.forget(this.list.firstElementChild);
    return line;
  }

  /** A line that nobody scrolls back to. */
  forget(line) {
    this.lines.delete(line.dataset.id);
    line.remove();
  }

  remove(id) {
    this.lines.get(id)?.remove();
    this.lines.delete(id);
  }

  mark(words, text) {
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = text;
    words.append(" ", mark);
  }

  isNearEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < 120;
  }

  /** Show the end, with the next frame: laying out the list after each word would keep a long one busy. */
  scroll() {
    this.isAtEnd = true;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.list.scrollTop = this.list.scrollHeight;
    });
  }
}

function sizeOf({ clientWidth, clientHeight }) {
  return `${clientWidth} ${clientHeight}`;
}
