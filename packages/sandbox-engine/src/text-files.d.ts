/** Programs in other languages, which the build takes in as text. */
declare module '*.pl' {
  const text: string;
  export default text;
}
declare module '*.py' {
  const text: string;
  export default text;
}
