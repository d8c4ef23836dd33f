import { LogInForm } from '../shared/log-in-form.ts';

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

/** The log-in form, on the dark page. */
export function pageForm(onLogIn: (token: string | null) => void): LogInForm {
  return new LogInForm({ label: 'This gateway requires a token', isOnPicture: true, onLogIn });
}
