/** The most values of one label: names are chosen by callers. */
const mostValues = 50;

/** Passes a limited number of values and calls every further one `other`. */
export function boundedLabels(): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (!known.has(value) && known.size >= mostValues) return 'other';
    known.add(value);
    return value;
  };
}
