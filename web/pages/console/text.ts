const number = new Intl.NumberFormat('en', { useGrouping: true });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

/** A count in groups of three digits, with thin spaces: `48 213`. */
export function groups(value: number): string {
  return number.format(value).replaceAll(',', '\u202f');
}

/** An ISO time as this place's clock shows it. */
export function clockTime(iso: string): string {
  return clock.format(new Date(iso));
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
