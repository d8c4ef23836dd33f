import { errorText } from './errors.ts';

/** Meaning of the operating system's error codes for a user, and the remedy. */
const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program uses this address; end that program, or choose another port'],
  [
    'EADDRNOTAVAIL',
    'this machine does not have this address; use one that it has, 0.0.0.0 for all of them, or 127.0.0.1 for programs on this machine',
  ],
  ['ENODEV', 'this machine has no such address or network interface'],
  ['EINVAL', 'the address cannot be used here'],
  ['EACCES', 'permission denied; choose a port of 1024 or above, and files that this user may access'],
  ['EPERM', 'the operation is not permitted to this user'],
  ['ENOTFOUND', 'there is no host of this name; check its spelling, or use its IP address'],
  ['EAI_AGAIN', 'the name of the host cannot be resolved; check its spelling and the DNS, or use its IP address'],
  ['EAI_NONAME', 'there is no host of this name; check its spelling, or use its IP address'],
  ['EHOSTUNREACH', 'the host cannot be reached; check its address and the network'],
  ['ENETUNREACH', 'the network of this address cannot be reached; check the address and the network'],
  ['ECONNREFUSED', 'nothing is listening there'],
  ['ETIMEDOUT', 'the host does not answer; check its address and the firewall'],
  ['ENAMETOOLONG', 'the path is too long'],
  ['ENOENT', 'there is no such file or folder'],
  ['EISDIR', 'it is a folder, expected a file'],
  ['ENOTDIR', 'a part of the path is a file, expected a folder'],
  ['ELOOP', 'the path has too many symbolic links, or a loop of them'],
  ['ENXIO', 'it is a pipe or socket at which no program reads, or a device that does not exist'],
  ['ENOSPC', 'the disk is full; free some space'],
  ['EROFS', 'the file system is read-only'],
  ['EIO', 'the device reports an input or output error'],
  ['EMFILE', 'too many files are open; raise the limit with ulimit -n'],
]);

/** The system's code of an error, such as `EADDRINUSE`; null if the error has no code with a known meaning. */
export function systemErrorCode(error: unknown): string | null {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && SENTENCES.has(code) ? code : null;
}

/** Node's error codes of certificates that one side of a TLS connection does not accept. */
const CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)|_CERT(?:IFICATE)?(?:_|$)/;

/** Whether an error code of Node.js means that a certificate was not accepted. */
export function isCertificateError(code: string): boolean {
  return CERTIFICATE.test(code);
}

/** Explains an error in a sentence: the meaning of its system code, or its own message. */
export function systemErrorText(error: unknown): string {
  return SENTENCES.get(systemErrorCode(error) ?? '') ?? errorText(error);
}
