/** Temporary folders of the tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders: string[] = [];

/** A new folder, which is removed when the tests of a file are done. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'infra-'));
  folders.push(folder);
  return folder;
}

/** Removes all folders so far. */
export function removeFolders(): void {
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
}
