import { html, nothing, type TemplateResult } from 'lit';
import { toggleTheme } from './theme.ts';

const logo = html`<svg
  width="22"
  height="22"
  viewBox="0 0 24 24"
  fill="none"
  stroke="currentColor"
  stroke-width="2"
  aria-hidden="true"
>
  <rect x="2.5" y="5" width="12" height="14" rx="2.5" />
  <path d="M14.5 10l7-4v12l-7-4" stroke-linejoin="round" />
</svg>`;

const themeIcon = html`<svg
  width="18"
  height="18"
  viewBox="0 0 24 24"
  fill="none"
  stroke="currentColor"
  stroke-width="2"
  aria-hidden="true"
>
  <path d="M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z" />
</svg>`;

/** The user who is logged in, with the button to log out; nothing for null. */
export function account(user: string | null, logOut: () => void): TemplateResult | typeof nothing {
  if (user === null) return nothing;
  return html`<span class="account">
    <span class="user" title=${`Logged in: ${user}`}>${user}</span>
    <button class="quiet" title=${`Logged in: ${user}`} @click=${logOut}>Log out</button>
  </span>`;
}

/** Header of the console and of the publisher page. */
export function pageHeader(
  navigation: TemplateResult | typeof nothing,
  summary: TemplateResult | typeof nothing = nothing,
  user: TemplateResult | typeof nothing = nothing,
): TemplateResult {
  return html`<header>
    <h1 class="mark">${logo}Gearway</h1>
    ${navigation}
    <span class="grow"></span>
    ${summary} ${user}
    <button class="icon" aria-label="Toggle dark theme" title="Toggle dark theme" @click=${toggleTheme}>
      ${themeIcon}
    </button>
  </header>`;
}
