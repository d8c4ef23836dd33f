const number = new Intl.NumberFormat('en', { useGrouping: true });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

const dateTime = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
});

/** A count with its digits in groups of three, separated by thin spaces: `48 213`. */
export function formatCount(value: number): string {
  return number.format(value).replaceAll(',', '\u202f');
}

/** A count with its noun: `1 client`, `2 clients`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Local time of day of an ISO timestamp. */
export function formatTime(iso: string): string {
  return clock.format(new Date(iso));
}

/** Local day and time of an ISO timestamp. */
export function formatDateTime(iso: string): string {
  return dateTime.format(new Date(iso));
}

/** The text with an upper-case first letter, unless it begins with the name of a file or host: `gateway.yaml:7:5: …`. */
export function capitalize(text: string): string {
  if (/^\S*[./:]\w/.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A reason as a sentence, with a capital letter and a full stop; empty for an empty reason. */
export function sentence(reason: string): string {
  return reason === '' ? '' : `${capitalize(reason).replace(/\.$/, '')}.`;
}
