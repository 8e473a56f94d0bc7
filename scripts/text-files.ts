/** For esbuild and tsup: programs in other languages are built in as text. */
export const textLoader: Record<'.pl' | '.py', 'text'> = { '.pl': 'text', '.py': 'text' };

interface TextPlugin {
  name: string;
  transform(code: string, id: string): string | undefined;
}

/** The same for Vite, with which tests read the sources. */
export const textFiles: TextPlugin = {
  name: 'text-files',
  transform: (code, id) => (/\.(pl|py)$/.test(id) ? `export default ${JSON.stringify(code)};` : undefined),
};
