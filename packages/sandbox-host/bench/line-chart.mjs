const width = 760;
const plotHeight = 110;
const left = 70;
const right = 20;

/** One small line chart below the other, each on a scale of its own, over the same values of x, as SVG. */
export function drawLines(charts, caption) {
  const parts = [];
  let y = 28;
  for (const { title, unit, points } of charts) {
    parts.push(text(10, y, title, 'font-weight="bold"'));
    const top = y + 14;
    const bottom = top + plotHeight;
    const xs = points.map(({ x }) => x);
    const highest = Math.max(...points.map(({ value }) => value)) || 1;
    const across = (x) => left + 20 + ((width - left - right - 60) * x) / Math.max(...xs);
    const up = (value) => bottom - ((plotHeight - 22) * value) / highest;
    parts.push(
      `<path d="M${left} ${top}V${bottom}H${width - right}" fill="none" stroke="#9aa5b1"/>`,
      text(left - 6, bottom + 4, '0', 'text-anchor="end" fill="#57606a"'),
      text(left - 6, up(highest) + 4, `${highest} ${unit}`, 'text-anchor="end" fill="#57606a"'),
      `<polyline points="${points.map(({ x, value }) => `${across(x).toFixed(1)},${up(value).toFixed(1)}`).join(' ')}" fill="none" stroke="#0a7d5a" stroke-width="2"/>`,
    );
    for (const { x, value } of points) {
      parts.push(
        `<circle cx="${across(x).toFixed(1)}" cy="${up(value).toFixed(1)}" r="3.5" fill="#0a7d5a"/>`,
        text(across(x), up(value) - 8, value, 'text-anchor="middle"'),
        text(across(x), bottom + 16, x, 'text-anchor="middle" fill="#57606a"'),
      );
    }
    y = bottom + 46;
  }
  parts.push(text(10, y, caption, 'fill="#57606a"'));
  const style = 'font-family="system-ui, sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 16}" ${style}><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}

function text(x, y, content, attributes = '') {
  return `<text x="${Number(x).toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`;
}
