import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { isTemplateReference } from './template-catalog.js';

/** The image the SDK starts from when nothing is said. */
const defaults = { 'e2bdev/base': 'base' };

/** `[registry/]path[:tag][@digest]`, as Docker's `reference` package describes it. */
const imageName = /^[a-z0-9][\w.-]*(:\d+)?(\/[\w.-]+)*(:[\w.-]{1,128})?(@[a-z0-9]+:[0-9a-f]{32,})?$/i;

/** Which template stands for an image of a registry: this host has no images. */
export class ImageMap {
  readonly #templates = new Map<string, string>();

  /**
   * @param images - The name of a template, with or without a tag, by the name of an image.
   * @throws TypeError that names the option `images` and the entry it cannot use.
   */
  constructor(images: Record<string, string> = {}) {
    if (typeof images !== 'object' || images === null || Array.isArray(images))
      throw new TypeError(`images: expected an object from image names to template names, got ${images}`);
    for (const [image, template] of Object.entries(images)) {
      const entry = `images[${JSON.stringify(image)}]`;
      if (!imageName.test(image)) throw new TypeError(`${entry}: this is not the name of an image`);
      if (typeof template !== 'string' || !isTemplateReference(template)) {
        const got = JSON.stringify(template);
        throw new TypeError(
          `${entry}: expected the name of a template, such as "base" or "name:tag", got ${got}`,
        );
      }
      const full = fullName(image);
      if (this.#templates.has(full))
        throw new TypeError(`${entry}: another entry names the same image, ${full}`);
      this.#templates.set(full, template);
    }
    for (const [image, template] of Object.entries(defaults)) {
      const full = fullName(image);
      if (!this.#templates.has(full)) this.#templates.set(full, template);
    }
  }

  /** The template that stands for an image. @throws HostError 400 for an image that none stands for. */
  templateOf(image: string): string {
    const found = this.#templates.get(fullName(image));
    if (found !== undefined) return found;
    throw new HostError(
      400,
      `This host runs sandboxes without container images, so it cannot start from "${image}": use fromTemplate('base'), or start the host with the option images: { '${image}': 'base' } to build on a template in its place.`,
    );
  }
}

/** What Docker takes the short names of images for, `ubuntu` among them. */
function fullName(image: string): string {
  const short = image.replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '');
  return /[:@][^/]*$/.test(short) ? short : `${short}:latest`;
}
