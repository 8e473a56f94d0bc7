/** One bar: what it stands for and how high it is. */
export interface Bar {
  label: string;
  value: number;
}

const width = 480;
const height = 200;
const margin = { top: 40, bottom: 24, side: 12 };

/** Draws a bar chart as a self-contained SVG image. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const top = Math.max(0, ...bars.map((bar) => bar.value));
  const bottom = Math.min(0, ...bars.map((bar) => bar.value));
  const plotHeight = height - margin.top - margin.bottom;
  const y = (value: number): number => margin.top + ((top - value) / (top - bottom || 1)) * plotHeight;
  const step = (width - 2 * margin.side) / Math.max(bars.length, 1);

  const drawn = bars.map((bar, index) => {
    const x = margin.side + index * step;
    const middle = (x + step / 2).toFixed(1);
    const end = y(bar.value) + (bar.value < 0 ? 11 : -4);
    return [
      `<rect x="${(x + step * 0.1).toFixed(1)}" y="${y(Math.max(bar.value, 0)).toFixed(1)}"`,
      ` width="${(step * 0.8).toFixed(1)}" height="${Math.abs(y(bar.value) - y(0)).toFixed(1)}" fill="#4c78a8">`,
      `<title>${escapeXml(`${bar.label}: ${bar.value}`)}</title></rect>`,
      `<text x="${middle}" y="${height - 8}" text-anchor="middle">${escapeXml(bar.label)}</text>`,
      // Figures need about 30 units of width to keep apart.
      step < 30
        ? ''
        : `<text x="${middle}" y="${end.toFixed(1)}" text-anchor="middle" font-size="9">${bar.value}</text>`,
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.side}" y="16" font-size="13" font-weight="bold">${escapeXml(title)}</text>`,
    ...drawn,
    '</svg>',
  ].join('\n');
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
