/** The value below which so much of them lies; 0.5 is the median. */
export function quantile(numbers, share) {
  return numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))];
}

export function round(number, digits = 2) {
  return Number(number.toFixed(digits));
}
