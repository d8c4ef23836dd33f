import { LogInForm } from '../shared/log-in-form.ts';
import { splitName } from '../shared/split-name.ts';

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

/**
 * The name of a stream, over its picture.
 *
 * @param href address that the name is a link to; null for none.
 */
export function nameLabel(name: string, href: string | null): HTMLElement {
  const label = document.createElement(href === null ? 'span' : 'a');
  label.className = 'label';
  const content = document.createElement('span');
  content.className = 'split-name';
  const { head, tail } = splitName(name);
  for (const part of [head, tail]) {
    const span = document.createElement('span');
    span.textContent = part;
    content.append(span);
  }
  label.append(content);
  label.title = name;
  if (href !== null) label.setAttribute('href', href);
  return label;
}

/** A notice over the picture, with a link. */
export function linkNotice(
  title: string,
  text: string,
  link: { readonly text: string; readonly href: string },
): HTMLElement {
  const notice = document.createElement('div');
  notice.className = 'on-picture';
  const [heading, paragraph, anchor] = [
    document.createElement('strong'),
    document.createElement('p'),
    document.createElement('a'),
  ];
  heading.textContent = title;
  paragraph.textContent = text;
  anchor.textContent = link.text;
  anchor.href = link.href;
  anchor.className = 'primary';
  notice.append(heading, paragraph, anchor);
  return notice;
}
