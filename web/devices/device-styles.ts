import { css } from 'lit';

/** Styles of all devices. They inherit text colour and font from the page. */
export const deviceStyles = css`
  :host {
    display: block;
    font: 400 0.8125rem/1.5 var(--gearway-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif);
    user-select: none;
    -webkit-user-select: none;
  }
  :host([hidden]) {
    display: none;
  }
  .row {
    display: flex;
    align-items: center;
    flex-wrap: wrap;
    gap: 4px 12px;
  }
  button {
    min-height: 40px;
    padding: 6px 16px;
    border: 1px solid var(--gearway-border, #8e9bab);
    border-radius: 6px;
    background: var(--gearway-surface, #8e9bab1f);
    color: inherit;
    font: inherit;
    font-weight: 600;
    touch-action: none;
    cursor: pointer;
  }
  button[aria-pressed='true'] {
    border-color: transparent;
    background: var(--gearway-accent, #0b6bcb);
    color: var(--gearway-on-accent, #fff);
  }
  @media (pointer: coarse) {
    button {
      min-height: 44px;
    }
  }
  .unusable,
  button:disabled {
    opacity: 0.45;
    cursor: not-allowed;
  }
  :focus-visible {
    outline: 2px solid var(--gearway-accent, #0b6bcb);
    outline-offset: 2px;
  }
  .announcement {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
`;
