// Binary and decimal suffixes of Kubernetes quantities
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
const byteFactors: Record<string, number> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Reads an amount of memory such as `512Mi` or `2G`. @returns Bytes, or undefined when it is not one. */
export function parseMemory(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kMGT]|[KMGT]i)?$/.exec(text);
  const factor = match && byteFactors[match[2] ?? ''];
  return match && factor && Number(match[1]) > 0 ? Math.round(Number(match[1]) * factor) : undefined;
}

/** Reads a share of processors such as `500m` or `1.5`. @returns Processors, or undefined when it is not one. */
export function parseCpu(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(m)?$/.exec(text);
  if (!match || Number(match[1]) === 0) return undefined;
  return match[2] ? Number(match[1]) / 1000 : Number(match[1]);
}
