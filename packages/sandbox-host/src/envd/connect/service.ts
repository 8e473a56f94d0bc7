import type { IncomingHttpHeaders } from 'node:http';
import type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';

/** What is known about a call besides its message. */
export interface CallContext<Caller> {
  caller: Caller;
  headers: IncomingHttpHeaders;
  /** How long the caller waits, in milliseconds from when it called; undefined when it did not say. */
  timeoutMs: number | undefined;
  /** Aborts when the caller has gone or waits no longer. */
  signal: AbortSignal;
}

/** What answers each method of a service. */
export type Handlers<Service extends DescService, Caller> = {
  [Name in keyof Service['method']]: Handler<Service['method'][Name], CallContext<Caller>>;
};

type Handler<Method, Context> = Method extends {
  methodKind: infer Kind;
  input: infer Input extends DescMessage;
  output: infer Output extends DescMessage;
}
  ? Kind extends 'unary'
    ? (request: MessageShape<Input>, context: Context) => Answer<Output>
    : Kind extends 'server_streaming'
      ? (request: MessageShape<Input>, context: Context) => AsyncIterable<MessageInitShape<Output>>
      : Kind extends 'client_streaming'
        ? (requests: AsyncIterable<MessageShape<Input>>, context: Context) => Answer<Output>
        : never
  : never;

type Answer<Output extends DescMessage> = MessageInitShape<Output> | Promise<MessageInitShape<Output>>;

/** A handler of any method, for code that does not know which one it is. */
export type AnyHandler<Caller> = (request: unknown, context: CallContext<Caller>) => unknown;
