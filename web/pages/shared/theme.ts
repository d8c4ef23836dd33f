const KEY = 'gearway-theme';

/** Applies the theme that the user has chosen, if any. The default is the system's theme. */
export function loadTheme(): void {
  try {
    const theme = localStorage.getItem(KEY);
    if (theme !== null) document.documentElement.dataset['theme'] = theme;
  } catch {
    // Storage is blocked: the system's theme applies.
  }
}

export function toggleTheme(): void {
  const root = document.documentElement;
  const chosen = root.dataset['theme'];
  const isDark = chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  const theme = isDark ? 'light' : 'dark';
  root.dataset['theme'] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice is lost when the page is left.
  }
}
