/** The users there are inside a sandbox. */
export type SandboxUser = 'user' | 'root';
