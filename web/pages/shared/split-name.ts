/** Number of characters at the end of a name that stay visible. */
const TAIL = 6;

/**
 * Divides a name so that it can be shortened in the middle (`split-name.css`): names of cameras often differ only in
 * their last characters, such as `workshop-north` and `workshop-south`.
 */
export function splitName(name: string): { readonly head: string; readonly tail: string } {
  if (name.length <= 2 * TAIL) return { head: name, tail: '' };
  return { head: name.slice(0, -TAIL), tail: name.slice(-TAIL) };
}
