/** Records of one kind, by their id, in the order in which they were first put. */
export interface Collection<T> {
  get(id: string): T | undefined;
  put(id: string, record: T): void;
  delete(id: string): boolean;
  values(): IterableIterator<T>;
}

/** Keeps records in memory: they end with the host, as the sandboxes of an embedded host do. */
export function memoryCollection<T>(): Collection<T> {
  const records = new Map<string, T>();
  return {
    get: (id) => records.get(id),
    put: (id, record) => void records.set(id, record),
    delete: (id) => records.delete(id),
    values: () => records.values(),
  };
}
