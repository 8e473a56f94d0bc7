/** How the users of sandboxes are numbered. It is part of the form of layers, which hold files of theirs. */
export interface SandboxIds {
  /** What is added on the host to a number inside; 0 where sandboxes have no user namespace. */
  base: number;
  /** The number of `user` inside. */
  user: number;
}
