import { css } from 'lit';

/** Styles of the publisher, in addition to those of the viewer. */
export const publisherStyles = css`
  video {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: contain;
    transition: filter 0.2s;
  }
  .dim video {
    filter: grayscale(1) brightness(0.4);
  }
  .empty video {
    visibility: hidden;
  }
  .dot.failed {
    background: #ff6b6b;
  }
  .actions {
    display: flex;
    flex-wrap: wrap;
    justify-content: center;
    gap: 8px;
    margin-top: 12px;
  }
  .notice .actions button {
    display: flex;
    align-items: center;
    gap: 8px;
    min-height: 40px;
    margin: 0;
  }
  .notice .actions button.second {
    background: #ffffff1f;
    color: #fff;
  }
  .bar {
    position: absolute;
    inset: auto 0 0 0;
    display: flex;
    align-items: center;
    gap: 4px;
    padding: 24px 12px 8px;
    background: linear-gradient(transparent, #05070ad9);
    pointer-events: none;
  }
  .bar button {
    display: flex;
    align-items: center;
    justify-content: center;
    gap: 8px;
    min-width: 40px;
    min-height: 40px;
    padding: 0 11px;
    border: 0;
    border-radius: 6px;
    background: none;
    color: inherit;
    font: inherit;
    font-size: 0.8125rem;
    font-weight: 600;
    cursor: pointer;
    pointer-events: auto;
  }
  .bar button:hover {
    background: #ffffff24;
  }
  .bar button.stop {
    padding: 0 14px 0 10px;
    background: #05070ab8;
  }
  .grow {
    flex: 1;
  }
  @media (pointer: coarse) {
    :is(.notice .actions, .bar) button {
      min-width: 44px;
      min-height: 44px;
    }
  }
  @media (prefers-contrast: more) {
    .bar {
      background: #000;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    video {
      transition: none;
    }
  }
`;
