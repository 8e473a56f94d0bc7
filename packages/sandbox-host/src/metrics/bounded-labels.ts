/** As many values as one label may have: names are chosen by callers. */
const mostValues = 50;

/** Lets so many values through and calls every further one `other`. */
export function boundedLabels(): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (!known.has(value) && known.size >= mostValues) return 'other';
    known.add(value);
    return value;
  };
}
