/** Which events a person looks for. Pure. */

/**
 * Those that hold all words of the filter, and none that has a `-` before it.
 *
 * @param {{way: "in" | "out", event: object}[]} all @param {string} filter
 */
export function filtered(all, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(({ way, event }) => {
    const text = `${way} ${JSON.stringify(event)}`.toLowerCase();
    return words.every((word) => (word.startsWith("-") && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word)));
  });
}
