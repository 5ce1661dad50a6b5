// A program instrumented with the OpenTelemetry SDK of Node: `node sdk.js grpc|http|json ORDER`, like sdk.py beside it.
// MILEPOST_TEST_NODE_OTEL names the folder whose node_modules has the packages.
'use strict';

const { createRequire } = require('module');
const load = createRequire(`${process.env.MILEPOST_TEST_NODE_OTEL}/package.json`);
const api = load('@opentelemetry/api');
const { resourceFromAttributes } = load('@opentelemetry/resources');
const { NodeTracerProvider, BatchSpanProcessor } = load('@opentelemetry/sdk-trace-node');
const { LoggerProvider, BatchLogRecordProcessor } = load('@opentelemetry/sdk-logs');

const [protocol, order] = process.argv.slice(2);
const kind = { grpc: 'grpc', http: 'proto', json: 'http' }[protocol];
const { OTLPTraceExporter } = load(`@opentelemetry/exporter-trace-otlp-${kind}`);
const { OTLPLogExporter } = load(`@opentelemetry/exporter-logs-otlp-${kind}`);

async function main() {
  const resource = resourceFromAttributes({ 'service.name': 'shop', 'service.version': '1.2.3' });
  const tracing = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
  tracing.register();
  const logging = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })] });
  const tracer = tracing.getTracer('shop');
  const logger = logging.getLogger('shop');

  const trace = tracer.startActiveSpan('checkout', { kind: api.SpanKind.SERVER }, (outer) => {
    logger.emit({ eventName: 'order.placed', attributes: { 'order.id': order, amount: 12.5, currency: 'EUR' } });
    logger.emit({ body: 'an ordinary line' });
    tracer.startActiveSpan('activate', { attributes: { 'order.id': order } }, (inner) => {
      inner.addEvent('asked', { attempt: 1 });
      inner.end();
    });
    outer.end();
    return outer.spanContext().traceId;
  });
  await tracing.shutdown();
  await logging.shutdown();
  console.log(trace);
}

main();
