/** What every server streams: small objects, as fast as they are taken. */
export async function* values(count) {
  for (let index = 0; index < count; index++) yield { index, token: 'sandpiper' };
}
