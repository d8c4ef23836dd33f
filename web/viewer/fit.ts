/** How the picture is scaled to its box. */
export type Fit = 'contain' | 'cover' | 'none';

export const FITS: readonly Fit[] = ['contain', 'cover', 'none'];
