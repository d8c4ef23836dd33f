/** Maximum length of a multipart boundary (RFC 2046, 5.1.1). */
export const MAX_BOUNDARY_LENGTH = 70;

/** The media type of a Content-Type without parameters, in lower case. */
export function mediaType(contentType: string | undefined): string | undefined {
  return contentType
    ?.trim()
    .split(/[;,\s]/, 1)[0]
    ?.toLowerCase();
}

/**
 * The boundary of a multipart Content-Type. Tolerates spaces around `=`, a missing semicolon, quotes that are not
 * closed, and characters that need quotes and have none.
 *
 * @returns null if there is no boundary, or its length is invalid.
 */
export function readBoundary(contentType = ''): string | null {
  const [, quoted, plain = ''] = /[;,\s]boundary\s*=\s*(?:"([^"]*)"|"?([^;"]*))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain.trim();
  return boundary === '' || boundary.length > MAX_BOUNDARY_LENGTH ? null : boundary;
}
