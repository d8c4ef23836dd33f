import { svg } from 'lit';
import { icon } from '../../element/icon.ts';

export const icons = {
  pause: icon(svg`<path d="M8 5v14M16 5v14" stroke-width="3" />`),
  resume: icon(svg`<path d="M7 4.5v15l12-7.5z" fill="currentColor" />`),
  snapshot: icon(svg`<path d="M4 8h3l2-3h6l2 3h3v11H4z" /><circle cx="12" cy="13" r="3.5" />`),
  stats: icon(svg`<path d="M4 20V10M10 20V4M16 20v-8M21 20H3" />`),
  rotate: icon(svg`<path d="M20 12a8 8 0 1 1-2.5-5.8M20 3v4h-4" />`),
  mirror: icon(svg`<path d="M12 3v18M8 7 3 17h5zM16 7l5 10h-5z" />`),
  fit: icon(svg`<rect x="3" y="6" width="18" height="12" rx="1.5" /><path d="M8 10v4M16 10v4M8 12h8" />`),
  whole: icon(svg`<circle cx="11" cy="11" r="7" /><path d="m20 20-4-4M8 11h6" />`),
  fullscreen: icon(svg`<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />`),
} as const;
