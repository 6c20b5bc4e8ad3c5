/** Requests as a REST API and a function URL hand them to the function, and its answers. */

/** A request with a body of JSON, or with none. */
export function eventOf(endpoint, method, path, json) {
  const headers = { 'content-type': 'application/json', host: 'smoke-test' };
  const body = json === undefined ? null : JSON.stringify(json);
  return endpoint === 'rest-api' ? restEvent(method, path, headers, body) : urlEvent(method, path, headers, body);
}

/** Version 1.0 of the payload format: that of REST APIs. */
function restEvent(httpMethod, path, headers, body) {
  const resource = '/{proxy+}';
  return {
    resource,
    path,
    httpMethod,
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: {
      accountId: '',
      apiId: '',
      resourceId: '',
      stage: 'smoke-test',
      requestId: 'smoke-test',
      resourcePath: resource,
      httpMethod,
      path: `/smoke-test${path}`,
      protocol: 'HTTP/1.1',
      identity: { sourceIp: '127.0.0.1', userAgent: 'smoke-test' },
    },
    body,
    isBase64Encoded: false,
  };
}

/** Version 2.0: that of function URLs. */
function urlEvent(method, path, headers, body) {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    headers,
    requestContext: {
      accountId: '',
      apiId: '',
      domainName: 'smoke-test',
      domainPrefix: 'smoke-test',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'smoke-test' },
      requestId: 'smoke-test',
      routeKey: '$default',
      stage: '$default',
      time: '',
      timeEpoch: 0,
    },
    body,
    isBase64Encoded: false,
  };
}

/** In a streamed answer, what is between its head, as JSON, and its body. */
const DELIMITER = Buffer.alloc(8);

/** Status and body of an answer, streamed or as a whole. */
export function answerOf(payload) {
  const bytes = Buffer.from(payload);
  const end = bytes.indexOf(DELIMITER);
  if (end >= 0) {
    const head = JSON.parse(bytes.toString('utf8', 0, end));
    return { status: head.statusCode, body: bytes.toString('utf8', end + DELIMITER.length) };
  }
  const { statusCode, body, isBase64Encoded } = JSON.parse(bytes.toString());
  return { status: statusCode, body: isBase64Encoded ? Buffer.from(body, 'base64').toString() : body };
}
