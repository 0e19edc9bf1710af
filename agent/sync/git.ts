/** Part of git's own files. */
export const isGit = (path: string) => /(^|\/)\.git\//.test(path);

export const isGitObject = (path: string) => /(^|\/)\.git\/objects\//.test(path);

/**
 * What git holds while one of its processes works, and nobody without it: no name that git keeps ends so.
 * Left behind by a process that was ended in the wrong instant, or brought to another machine, it only keeps
 * git from working ("Another git process seems to be running").
 */
export const isGitLock = (path: string) => /(^|\/)\.git\/(.+\.lock|gc\.pid)$/.test(path);
