/** What is copied for the person to paste elsewhere. */

/** Pages on plain http have no clipboard of their own, and some browsers refuse it to others. @param {string} text */
export async function copy(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
