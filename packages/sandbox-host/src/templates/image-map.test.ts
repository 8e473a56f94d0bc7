import { expect, test } from 'vitest';
import { ImageMap } from './image-map.js';

test('finds the template of an image by any name that Docker has for it', () => {
  const images = new ImageMap({
    ubuntu: 'base',
    'ubuntu:22.04': 'jammy:stable',
    'ghcr.io/some/image:1': 'mine',
    'localhost:5000/image': 'local',
  });
  for (const name of ['ubuntu', 'ubuntu:latest', 'docker.io/library/ubuntu', 'index.docker.io/ubuntu'])
    expect(images.templateOf(name), name).toBe('base');
  expect(images.templateOf('library/ubuntu:22.04')).toBe('jammy:stable');
  expect(images.templateOf('ghcr.io/some/image:1')).toBe('mine');
  expect(images.templateOf('localhost:5000/image:latest')).toBe('local');
});

test('has the image the SDK starts from, unless another template is to stand for it', () => {
  expect(new ImageMap().templateOf('e2bdev/base')).toBe('base');
  expect(new ImageMap({ 'e2bdev/base:latest': 'own' }).templateOf('e2bdev/base')).toBe('own');
});

test('refuses an image that none stands for, and names the option', () => {
  const images = new ImageMap({ 'ubuntu:22.04': 'base' });
  for (const image of ['ubuntu', 'ubuntu:24.04', 'some.registry/ubuntu:22.04'])
    expect(() => images.templateOf(image)).toThrow(`images: { '${image}': 'base' }`);
});

test.each([
  [{ 'ubuntu:22.04': '' }, /images\["ubuntu:22\.04"\]: expected the name of a template.*got ""/],
  [{ ubuntu: 'Not A Name' }, /images\["ubuntu"\].*got "Not A Name"/],
  [{ ubuntu: 'base:not a tag' }, /images\["ubuntu"\].*got "base:not a tag"/],
  [{ ubuntu: 7 }, /images\["ubuntu"\].*got 7/],
  [{ 'not an image': 'base' }, /images\["not an image"\]: this is not the name of an image/],
  [{ '': 'base' }, /images\[""\]/],
  [{ ubuntu: 'base', 'docker.io/ubuntu:latest': 'base' }, /names the same image, ubuntu:latest/],
  [['ubuntu'], /images: expected an object/],
  ['ubuntu', /images: expected an object/],
])('refuses %j, naming the option and the entry', (images, says) => {
  expect(() => new ImageMap(images as unknown as Record<string, string>)).toThrow(says);
});
