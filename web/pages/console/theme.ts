const KEY = 'gearway-theme';

/** The theme that was chosen on this page before, if any; else the system's. */
export function loadTheme(): void {
  try {
    const theme = localStorage.getItem(KEY);
    if (theme !== null) document.documentElement.dataset['theme'] = theme;
  } catch {
    // Storage is forbidden here: the system's theme it is.
  }
}

export function toggleTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset['theme'] === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : root.dataset['theme'] === 'dark';
  const theme = isDark ? 'light' : 'dark';
  root.dataset['theme'] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // As above: it holds until the page is left.
  }
}
