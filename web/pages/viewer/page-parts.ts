import { TokenForm } from '../shared/token-form.ts';

const main = document.createElement('main');
const heading = document.createElement('h1');
main.append(heading);
document.body.append(main);

/** The page's content. */
export function pageContent(): HTMLElement {
  return main;
}

/** Sets the title of the page, and its heading for screen readers. */
export function showTitle(title: string): void {
  document.title = title;
  heading.textContent = title;
}

/** The form that asks for the token, on the dark page. */
export function pageForm(onToken: (token: string) => void): TokenForm {
  return new TokenForm({ label: 'This gateway requires a token', isOnPicture: true, onToken });
}
